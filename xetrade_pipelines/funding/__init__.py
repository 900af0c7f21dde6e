"""Funding: what perpetuals paid, by day and venue, and how it stands, sampled."""
