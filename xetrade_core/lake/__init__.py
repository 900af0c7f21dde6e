"""The lake: typed Parquet in an object store, local or S3. Layout, schemas, atomic writes, compaction, quality,
reading.

Stands on `model`, `errors` and `clock` alone. Nothing here runs in the background: every function does its work and
returns.
"""

import os
import sys

from xetrade_core.lake.memory import keep_freed_memory

keep_freed_memory(os.environ, sys.modules)
