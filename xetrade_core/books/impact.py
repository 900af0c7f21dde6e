"""Price impact: what an amount costs if it is taken from a book at once, level by level.

The same walk in float64 (live books) and in Decimal (money, books read from a file), chosen by the type of the amount
and never mixed. In Decimal every sum and product is exact; where a quotient has no end the results are rounded to
`DIGITS` significant digits, once, at the end. `lake/metrics.py` computes the same of whole hours at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from typing import Any, Generic, Literal, TypeVar

from xetrade_core.errors import BookTooThin, ConfigError
from xetrade_core.model.contracts import SPOT, Contract

N = TypeVar("N", float, Decimal)
TakerSide = Literal["buy", "sell"]
Unit = Literal["base", "quote"]

BPS = 10_000
DIGITS = 28
#: digits of the exact sums and products; a real book's prices and sizes have some 20 each
_WORKING_DIGITS = 120


@dataclass(frozen=True, slots=True)
class Impact(Generic[N]):
    """An amount taken from a book.

    `asked` and `unfilled` are in `unit`: base or quote currency. `base` and `quote` are what is filled; `size` is the
    same in the venue's own unit: base currency for spot, contracts otherwise. `levels` counts the last one even if only
    a part of it is taken; `worst_price` is its price, which a limit order for this amount needs. `average_price` is
    quote / base. Slippage is the average against mid and touch, in basis points, positive = worse. Prices and slippage
    are None where nothing is filled, and the mid where a side is empty.
    """

    side: TakerSide
    unit: Unit
    asked: N
    unfilled: N
    base: N
    quote: N
    size: N
    levels: int
    best_price: N | None
    worst_price: N | None
    average_price: N | None
    mid: N | None
    slippage_mid_bps: N | None
    slippage_touch_bps: N | None

    @property
    def filled(self) -> bool:
        """Whether the book's known levels hold the whole amount."""
        return not self.unfilled

    @property
    def shortfall(self) -> str:
        """What a book that is too thin leaves unfilled, in words."""
        held = "ask" if self.side == "buy" else "bid"
        filled = self.base if self.unit == "base" else self.quote  # less of the amount would lose it beside a huge one
        return (
            f"its {self.levels} known {held} levels hold {filled:f} {self.unit}, and "
            f"{self.unfilled:f} {self.unit} would stay unfilled"
        )

    def require_filled(self, what: str) -> Impact[N]:
        """Itself, or BookTooThin with what is missing of `what`, the book's name."""
        if not self.filled:
            raise BookTooThin(f"{what} is too thin: {self.shortfall}")
        return self


def price_impact(
    bids: Sequence[tuple[N, N]],
    asks: Sequence[tuple[N, N]],
    side: TakerSide,
    unit: Unit,
    amount: N,
    contract: Contract = SPOT,
) -> Impact[N]:
    """Take `amount` (of base or quote currency, as `unit` says) from the levels of a book, (price, size), best first.

    `side` buy takes asks, sell takes bids. Sizes are in the venue's own unit, which `contract` values. An amount that
    the levels do not hold is filled in part: see `unfilled`. Raises ConfigError unless the amount is positive and
    finite.
    """
    if not (math.isfinite(amount) and amount > 0):
        raise ConfigError.of("amount", str(amount), "a positive, finite number")
    levels = asks if side == "buy" else bids
    if isinstance(amount, int):  # a float, as far as types go
        amount = float(amount)
    number = type(amount)
    with _exactly(amount) as context:
        taken = _take(levels, unit, amount, number(contract.size), contract.inverse)
        best = levels[0][0] if levels else None
        mid = (bids[0][0] + asks[0][0]) / 2 if bids and asks else None
        average = taken.quote / taken.base if taken.base else None
        slippage_mid = _slippage(side, average, mid)
        slippage_touch = _slippage(side, average, best)
        rounded = context is not None and bool(context.flags[Inexact])
    impact = Impact(
        side=side,
        unit=unit,
        asked=amount,
        unfilled=taken.left,
        base=taken.base,
        quote=taken.quote,
        size=taken.size,
        levels=taken.levels,
        best_price=best,
        worst_price=taken.worst,
        average_price=average,
        mid=mid,
        slippage_mid_bps=slippage_mid,
        slippage_touch_bps=slippage_touch,
    )
    return _rounded(impact) if rounded else impact


@dataclass(slots=True)
class _Taken(Generic[N]):
    """A walk so far: `left` of the amount is still to be taken."""

    left: N
    base: N
    quote: N
    size: N
    levels: int = 0
    worst: N | None = None


def _take(levels: Iterable[tuple[N, N]], unit: Unit, amount: N, worth: N, inverse: bool) -> _Taken[N]:
    """Walk down the levels. `worth` is one unit of size in base currency, or in quote currency where inverse."""
    zero, dust = type(amount)(0), _dust(amount) * amount
    taken = _Taken(amount, zero, zero, zero)
    for price, size in levels:
        if not taken.left:
            break
        if inverse:
            quote = size * worth
            base = quote / price
        else:
            base = size * worth
            quote = base * price
        whole = base if unit == "base" else quote
        if whole > taken.left:  # a part of this level is the rest
            base = taken.left if unit == "base" else taken.left / price
            quote = taken.left if unit == "quote" else taken.left * price
            size = (quote if inverse else base) / worth
            whole = taken.left
        taken.base += base
        taken.quote += quote
        taken.size += size
        taken.left -= whole
        taken.levels += 1
        taken.worst = price
        if taken.left <= dust:
            taken.left = zero
    return taken


def _slippage(side: TakerSide, average: N | None, reference: N | None) -> N | None:
    """How much worse than `reference` the average is, in basis points."""
    if average is None or reference is None:
        return None
    worse = average - reference if side == "buy" else reference - average
    slippage = worse / reference
    return slippage * BPS if abs(slippage) > _dust(slippage) else type(slippage)(0)


def _dust(like: N) -> N:
    """So small a share of a whole of this type is rounding."""
    return type(like)("1e-100" if isinstance(like, Decimal) else "1e-12")


def _exactly(amount: float | Decimal) -> AbstractContextManager[Context | None]:
    """A decimal context in which sums and products of real books are exact and quotients are cut far out."""
    if isinstance(amount, float):
        return nullcontext()
    return localcontext(Context(prec=_WORKING_DIGITS, traps=[InvalidOperation, DivisionByZero]))


def _rounded(impact: Impact[N]) -> Impact[N]:
    """The same with what a Decimal walk has found rounded to `DIGITS` significant digits."""
    context = Context(prec=DIGITS)
    found = {name: getattr(impact, name) for name in Impact.__slots__ if name != "asked"}
    rounded: dict[str, Any] = {k: context.plus(v) for k, v in found.items() if isinstance(v, Decimal)}
    return replace(impact, **rounded)
