"""What positions were when a day began, kept beside the lake's days: a later day need not begin at the first fill.

An opening holds every number to its last digit, and says of which files it was made: as soon as one of those is
another, because a fill came late, it is passed over, and the days are accounted for from the first on. So what is made
from an opening is what would have been made without it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from xetrade_core.errors import LakeError, ObjectNotFound
from xetrade_core.lake.layout import NS_PER_DAY, day_path, day_prefix, parse_day_key
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import FILLS, FUNDING_PAYMENTS
from xetrade_core.positions.book import Holder, Payouts, PositionBook
from xetrade_core.positions.position import resumed

Files = Sequence[tuple[int, str]]
"""Files of fills and payments, each with its day, and a text that changes with it. Who reads them later than this was
listed keeps what was made of them as made of an earlier listing: it is then made again."""
Sizes = dict[tuple[str, str], Decimal]
"""Contract sizes, by venue and symbol."""
#: raised whenever the same fills would make other numbers
_VERSION = 1


class _Held(msgspec.Struct, frozen=True):
    """One position; `state` as `Position.state`."""

    account: str
    symbol: str
    strategy: str
    contract_size: Decimal
    state: tuple[Decimal, ...]
    fees_paid: dict[str, Decimal]
    unvalued: dict[str, Decimal]


class _Opening(msgspec.Struct, frozen=True):
    made_of: str
    held: tuple[_Held, ...]  # in the order in which they came: who takes the rest of a shared payment depends on it


def first_stale(store: ObjectStore, venue: str, files: Files, from_ns: int, before_ns: int) -> int:
    """The first day since `from_ns` whose profit was never made, or was made of other `files` than these; the one of
    `before_ns` where all days before it are as they should be."""
    first_ns = max(min((day_ns for day_ns, _ in files), default=before_ns), from_ns)
    for day_ns in range(first_ns, before_ns + NS_PER_DAY, NS_PER_DAY):
        opening = _opening(store, venue, day_ns)
        if opening is None or opening.made_of != made_of(files, day_ns):
            return min(max(day_ns - NS_PER_DAY, first_ns), before_ns)  # it may be the day before that is another
    return before_ns


def files_of(store: ObjectStore, venue: str) -> Files:
    """The files of a venue's fills and payments that there are now."""
    found = []
    for dataset in (FILLS, FUNDING_PAYMENTS):
        for info in store.list(day_prefix(dataset.name, venue)):
            with contextlib.suppress(LakeError):  # a foreign file
                found.append((parse_day_key(info.key).day_ns, f"{info.key} {info.etag}\n"))
    return found


def made_of(files: Files, before_ns: int) -> str:
    """Which files there are of the days before; another text as soon as one has changed."""
    lines = (line for day_ns, line in files if day_ns < before_ns)
    return hashlib.sha256("".join((str(_VERSION), *lines)).encode()).hexdigest()


def keep_opening(store: ObjectStore, venue: str, day_ns: int, made: str, book: PositionBook, sizes: Sizes) -> None:
    """Keep the positions as they are before the first event of the day; `made` is what `made_of` said before the files
    were read."""
    held = [
        _Held(
            holder.account,
            holder.symbol,
            holder.strategy,
            sizes[venue, holder.symbol],
            position.state,
            position.fees_paid,
            book.unvalued.get(holder, {}),
        )
        for holder, position in book.positions.items()
    ]
    store.replace(_key(venue, day_ns), msgspec.json.encode(_Opening(made, tuple(held))))


def open_book(
    store: ObjectStore,
    venue: str,
    day_ns: int,
    made: str,
    book: PositionBook,
    payouts: Payouts,
    sizes: Sizes,
) -> bool:
    """Put the positions with which the day began into an empty book, and their contract sizes to the others; whether
    there is an opening that holds: one of the files that `made_of` says."""
    opening = _opening(store, venue, day_ns)
    if opening is None or opening.made_of != made:
        return False
    for one in opening.held:
        holder = Holder(venue, one.account, one.symbol, one.strategy)
        sizes[venue, one.symbol] = one.contract_size
        book.positions[holder] = resumed(payouts(venue, one.symbol), one.state, one.fees_paid)
        if one.unvalued:
            book.unvalued[holder] = dict(one.unvalued)
    return True


def _opening(store: ObjectStore, venue: str, day_ns: int) -> _Opening | None:
    try:
        return msgspec.json.decode(store.read(_key(venue, day_ns)), type=_Opening)
    except (ObjectNotFound, msgspec.MsgspecError):
        return None


def _key(venue: str, day_ns: int) -> str:
    """Not a dataset: no reader of the lake looks below a name that begins so."""
    return f"_openings/venue={venue}/{day_path(day_ns - day_ns % NS_PER_DAY)}/positions.json"
