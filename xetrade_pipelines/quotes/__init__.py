"""Best quotes across venues: made from the snapshots of all venues, an hour at a time."""
