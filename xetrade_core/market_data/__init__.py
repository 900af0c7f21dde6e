"""Market data as one asks for it: several venues at once, within a deadline, with what came until then."""
