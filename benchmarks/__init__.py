"""Reproducible measurements beside peers, as ratios of the same run.

`make bench` runs all and rewrites docs/benchmarks.md.
"""
