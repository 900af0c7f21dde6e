"""Reproducible measurements beside peers, as ratios of the same run.

`make bench` runs all and rewrites docs/benchmarks.md.
"""

import xetrade_core.lake  # noqa: F401  before pyarrow is loaded, as in a notebook that begins with it; peers gain alike
