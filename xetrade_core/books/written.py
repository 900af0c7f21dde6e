"""A book as it is written in a file: JSON with prices and sizes as decimal text, read without a float in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, NoReturn

from xetrade_core.errors import ConfigError

DecimalLevel = tuple[Decimal, Decimal]
MAGNITUDE_MOST = 60  # digits before or after the point that a number begins with at most
SHAPE = '{"bids": [["price", "size"], ...], "asks": [["price", "size"], ...]}'


@dataclass(frozen=True, slots=True)
class WrittenBook:
    """Both sides, best first, as (price, size)."""

    bids: tuple[DecimalLevel, ...]
    asks: tuple[DecimalLevel, ...]


def read_book(text: bytes | str, name: str) -> WrittenBook:
    """The book of a JSON document; levels in any order, numbers as text or as JSON numbers, what else is there ignored.

    Levels of size 0 are none; those of the same price are one, of their sizes' sum. Raises ConfigError that names
    what is wrong and where, beginning with `name`.
    """
    try:
        document = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict) or not ("bids" in document and "asks" in document):
        raise ConfigError(f"{name} is no book: it must be {SHAPE}")
    bids, asks = (sorted(_side(document[side], f"{name}: {side}").items()) for side in ("bids", "asks"))
    bids.reverse()
    if bids and asks and bids[0][0] >= asks[0][0]:
        raise ConfigError(f"{name} is crossed: its best bid {bids[0][0]} is not below its best ask {asks[0][0]}")
    return WrittenBook(tuple(bids), tuple(asks))


def _side(levels: Any, place: str) -> dict[Decimal, Decimal]:
    if not isinstance(levels, Sequence) or isinstance(levels, str):
        raise ConfigError.of(place, levels, 'a list of ["price", "size"]')
    sizes: dict[Decimal, Decimal] = {}
    with localcontext(Context(prec=4 * MAGNITUDE_MOST)):  # sums are exact
        for index, level in enumerate(levels):
            price, size = _level(level, f"{place}[{index}]")
            if size:
                sizes[price] = sizes.get(price, Decimal(0)) + size
    return sizes


def _level(level: Any, place: str) -> DecimalLevel:
    if not isinstance(level, Sequence) or isinstance(level, str) or len(level) < 2:
        raise ConfigError.of(place, level, '["price", "size"]')
    price, size = _number(level[0], f"{place} price"), _number(level[1], f"{place} size")
    if price <= 0:
        raise ConfigError.of(f"{place} price", str(level[0]), "above 0")
    if size < 0:
        raise ConfigError.of(f"{place} size", str(level[1]), "0 or more")
    return price, size


def _number(value: Any, place: str) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or "_" in str(value):
        raise ConfigError.of(place, value, "a finite decimal number")
    if number and abs(number.adjusted()) > MAGNITUDE_MOST:
        raise ConfigError.of(place, str(value), f"within 1e-{MAGNITUDE_MOST} and 1e{MAGNITUDE_MOST}")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which neither side stands twice: nobody knows which of the two is meant."""
    for side in ("bids", "asks"):
        if sum(name == side for name, _ in pairs) > 1:
            raise ValueError(f'"{side}" stands twice in one object')
    return dict(pairs)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
