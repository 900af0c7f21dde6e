"""How long pyarrow's allocator keeps what was freed.

A symbol-day of books is 440 MB on its way to Arrow. Given back to the system at once, as mimalloc does by default, it
comes back as cleared pages, which costs a third of the next read (docs/decisions/0011-parquet-encodings.md). The
allocator reads its options once, when pyarrow is loaded: where that happened before, the default stands, and only the
environment of the process can say otherwise.
"""

from __future__ import annotations

from collections.abc import Container, MutableMapping

OPTION = "MIMALLOC_PURGE_DELAY"
KEPT_MS = 10_000


def keep_freed_memory(environ: MutableMapping[str, str], loaded: Container[str]) -> bool:
    """Let freed memory be kept for ten seconds, unless the environment says something else.

    `loaded` are the modules that are loaded; False if pyarrow is among them, so that it would change nothing.
    """
    if "pyarrow" in loaded:
        return False
    environ.setdefault(OPTION, str(KEPT_MS))
    return True
