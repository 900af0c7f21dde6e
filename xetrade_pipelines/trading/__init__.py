"""Trading operations as jobs: place, cancel, look up, cancel everything, and compare it all with the venues."""
