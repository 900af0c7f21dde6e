"""Trading operations as jobs: place, cancel, look up, and cancel everything."""
