"""From live books to rows in the lake.

Grid sampler, write-ahead log, gap ledger, segments, upload, recovery, replay.
"""
