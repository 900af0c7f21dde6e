"""Funding as arithmetic: intervals found in a history, rates over other intervals, APR and APY. Pure."""
