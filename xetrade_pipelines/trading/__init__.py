"""Trading operations as jobs: place, cancel, look up, cancel everything, and hold it all against the venues."""
