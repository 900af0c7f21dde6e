"""What a venue lists, kept by day, so that a run does not fetch thousands of instruments before its first call.

ccxt's own list of markets is kept as it is and handed to the next client by `set_markets`. It is of one venue, host and
UTC day; the first client of a day fetches it, the others take it from where it was put: this machine's directory, then
the lake. Nothing rests on it: a store that does not answer in time is passed over, and the venue is asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec
import zstandard

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import XETradeError
from xetrade_core.telemetry import get_logger

_log = get_logger("markets")
_DAYS_BACK = 7  # how old a list may be that stands in while the venue is down
_LARGEST_BYTES = 1 << 30

P = ParamSpec("P")
T = TypeVar("T")


class MarketStore(Protocol):
    """Where lists are kept: by key, relative and `/`-separated. Methods block, and raise XETradeErrors of the store."""

    def read(self, key: str) -> bytes | None:
        """The object, None where there is none."""
        ...

    def write(self, key: str, body: bytes) -> None:
        """Put it there unless another process does at the same time: then its list is as good."""
        ...

    def remove_before(self, prefix: str, key: str) -> None:
        """Remove what is below `prefix` with a lesser key, where the store is not meant to keep history."""
        ...


class _Kept(msgspec.Struct):
    listed_ns: int
    ccxt: str
    markets: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Listed:
    """ccxt's markets of a venue, and when the venue listed them (UTC ns)."""

    markets: list[dict[str, Any]]
    listed_ns: int


class MarketLists:
    """The lists of one venue host in several stores, the nearest first."""

    def __init__(
        self, venue: str, host: str, stores: Sequence[MarketStore], clock: Clock, *, patience_s: float = 3.0
    ) -> None:
        """`patience_s` is how long a store may take."""
        self._prefix = f"markets/venue={venue}/"
        self._name = re.sub(r"[^\w.-]+", "-", host) + ".json.zst"
        self._venue, self._stores, self._clock, self._patience_s = venue, tuple(stores), clock, patience_s

    async def today(self) -> Listed | None:
        """The list of the running day, if it was kept; a nearer store learns it from a farther one."""
        key = self._key(0)
        for nearer, store in enumerate(self._stores):
            body = await self._try(store, store.read, key)
            if body is not None and (listed := _decoded(body)) is not None:
                for other in self._stores[:nearer]:
                    await self._put(other, key, body)
                return listed
        return None

    async def earlier(self) -> Listed | None:
        """The newest list of the last week, for when the venue does not answer."""
        for days in range(_DAYS_BACK + 1):
            key = self._key(days)
            for store in self._stores:
                body = await self._try(store, store.read, key)
                if body is not None and (listed := _decoded(body)) is not None:
                    return listed
        return None

    async def keep(self, markets: Sequence[dict[str, Any]]) -> None:
        """Keep what the venue lists now as the list of the running day."""
        body = await asyncio.to_thread(_encoded, self._clock.wall_ns(), markets)
        key = self._key(0)
        for store in self._stores:
            await self._put(store, key, body)

    async def _put(self, store: MarketStore, key: str, body: bytes) -> None:
        await self._try(store, store.write, key, body)
        await self._try(store, store.remove_before, self._prefix, key.rpartition("/")[0])

    async def _try(self, store: MarketStore, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            async with asyncio.timeout(self._patience_s):  # wait_for forgets a cancellation that comes with the answer
                return await asyncio.to_thread(do, *args, **kwargs)
        except (XETradeError, TimeoutError) as error:
            said = str(error) or f"no answer within {self._patience_s:g} s"
            _log.warning("list of markets not kept there", venue=self._venue, store=str(store), error=said)
            return None

    def _key(self, days_back: int) -> str:
        day = datetime.fromtimestamp(self._clock.wall_ns() // NS_PER_S, UTC) - timedelta(days=days_back)
        return f"{self._prefix}date={day:%Y-%m-%d}/{self._name}"


def _encoded(listed_ns: int, markets: Sequence[dict[str, Any]]) -> bytes:
    kept = _Kept(listed_ns, _ccxt_version(), list(markets))
    return zstandard.ZstdCompressor(level=3).compress(msgspec.json.encode(kept))


def _decoded(body: bytes) -> Listed | None:
    """None for what is damaged, or was written for another ccxt, whose markets may have another form."""
    try:
        text = zstandard.ZstdDecompressor().decompress(body, max_output_size=_LARGEST_BYTES)
        kept = msgspec.json.decode(text, type=_Kept)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if kept.ccxt != _ccxt_version() or not kept.markets:
        return None
    return Listed(kept.markets, kept.listed_ns)


def _ccxt_version() -> str:
    from importlib.metadata import version

    return version("ccxt")
