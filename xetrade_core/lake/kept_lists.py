"""An object store as the place where clients keep what venues list; see `venues.market_lists`."""

from __future__ import annotations

import contextlib

from xetrade_core.errors import LakeConflict, ObjectNotFound
from xetrade_core.lake.store import ObjectStore


class KeptLists:
    """Lists in an object store. `history` False removes the days before: a machine's own copy needs the newest."""

    def __init__(self, store: ObjectStore, *, history: bool) -> None:
        self._store = store
        self._history = history

    def __str__(self) -> str:
        return self._store.uri

    def read(self, key: str) -> bytes | None:
        """The object, None where there is none. Raises LakeError."""
        try:
            return self._store.read(key)
        except ObjectNotFound:
            return None

    def write(self, key: str, body: bytes) -> None:
        """Create it, or replace what was there when this began; who was quicker has the last word. Raises LakeError."""
        known = self._store.stat(key)
        with contextlib.suppress(LakeConflict):
            if known is None:
                self._store.create(key, body)
            else:
                self._store.replace(key, body, if_match=known.etag)

    def remove_before(self, prefix: str, key: str) -> None:
        """Remove the objects below `prefix` whose key is less than `key`. Raises LakeError."""
        if self._history:
            return
        for info in list(self._store.list(prefix)):
            if info.key < key:
                self._store.delete(info.key)
