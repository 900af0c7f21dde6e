"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A property says what is true, not how long it takes: on a busy machine any example may be slow.
settings.register_profile("xetrade", deadline=None)
settings.load_profile("xetrade")
