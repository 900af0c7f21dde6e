"""The best that watched positions had come to, kept from one session to the next: a single look knows of nothing that
it could be below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from xetrade_core.errors import ObjectNotFound
from xetrade_core.lake.store import ObjectStore
from xetrade_core.monitor.ledger import Selection


class _Best(msgspec.Struct, frozen=True):
    """`of` says to people whose it is: venue, account and strategy, where only one of them is watched."""

    of: tuple[str | None, ...]
    nets: dict[str, Decimal]


def read_best(store: ObjectStore, selection: Selection) -> dict[str, Decimal]:
    """The highest net by settlement currency; none where nothing was kept."""
    try:
        return msgspec.json.decode(store.read(_key(selection)), type=_Best).nets
    except (ObjectNotFound, msgspec.MsgspecError):
        return {}


def keep_best(store: ObjectStore, selection: Selection, nets: Mapping[str, Decimal]) -> None:
    """Keep what is higher than was kept before."""
    known = read_best(store, selection)
    highest = known | {settle: max(net, known.get(settle, net)) for settle, net in nets.items()}
    if highest != known:
        store.replace(_key(selection), msgspec.json.encode(_Best(_of(selection), highest)))


def _of(selection: Selection) -> tuple[str | None, ...]:
    return selection.venue, selection.account, selection.strategy


def _key(selection: Selection) -> str:
    """Not a dataset: no reader of the lake looks below a name that begins so."""
    name = hashlib.sha256(msgspec.json.encode(_of(selection))).hexdigest()[:16]
    return f"_best/{name}.json"
