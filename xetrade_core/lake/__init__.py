"""The lake: typed Parquet in an object store, local or S3. Layout, schemas, atomic writes, compaction, quality,
reading.

Stands on `model`, `errors` and `clock` alone. Nothing here runs in the background: every function does its work and
returns.
"""
