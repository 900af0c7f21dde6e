"""A case to compute: an instrument, fills, funding, a mark; what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from enum import StrEnum
from fractions import Fraction

from xetrade_core.errors import ConfigError
from xetrade_core.model.decimals import plain
from xetrade_core.model.orders import Side
from xetrade_core.positions.conversion import NoPath, Rates
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import N, reported, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import NoConversion, Pnl, Position, as_exact, exact, streamed, summed

MOST_EXACT = 2_000
"""Events up to which nothing is ever rounded; more are reckoned with 100 digits and report the same: decision 0012."""


class PositionMode(StrEnum):
    """Whether opposite fills are one position or two."""

    NETTING = "netting"
    HEDGE = "hedge"


class PositionSide(StrEnum):
    """Which position a fill belongs to; `NET` where there is one."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class CaseFill:
    """One fill. `fee` is positive when paid; `fee_currency` empty means settlement currency. `fee_price` is the value
    of one unit of it in settlement currency, where the case's rates and the price do not tell."""

    side: Side
    qty: Decimal
    price: Decimal
    time_ns: int | None = None
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    fee_price: Decimal | None = None
    position: PositionSide = PositionSide.NET


@dataclass(frozen=True, slots=True)
class CaseFunding:
    """One funding: either `rate` on the value at `mark`, or the `amount` that was received (negative: paid)."""

    time_ns: int | None = None
    rate: Decimal | None = None
    mark: Decimal | None = None
    amount: Decimal | None = None
    position: PositionSide = PositionSide.NET


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that one computation needs. `name` is what errors call it, `title` what its author did, and `rows` are
    the places of the fills in what he wrote, where `repeated` others were the same trades again. `leverage`,
    `wallet` and what is to be maintained (see `margin.Leg`) are for margin and liquidation alone."""

    name: str
    payout: Payout
    title: str = ""
    fills: tuple[CaseFill, ...] = ()
    rows: tuple[int, ...] = ()
    repeated: int = 0
    funding: tuple[CaseFunding, ...] = ()
    mark: Decimal | None = None
    method: LotMethod = LotMethod.AVERAGE
    mode: PositionMode = PositionMode.NETTING
    rates: Rates = field(default_factory=Rates)
    leverage: Decimal | None = None
    wallet: Decimal | None = None
    maintenance_rate: Decimal | None = None
    maintenance_amount: Decimal = Decimal(0)


class Ledger:
    """The positions of a case as events reach them, in the order of their times."""

    def __init__(self, case: Case) -> None:
        """Computes it; raises ConfigError that names the fill or the funding that cannot be."""
        self.case = case
        sides = [PositionSide.NET] if case.mode is PositionMode.NETTING else [PositionSide.LONG, PositionSide.SHORT]
        if len(case.fills) + len(case.funding) <= MOST_EXACT:
            self.positions = {side: exact(case.payout, case.method) for side in sides}
            _account(case, self.positions, Fraction)
            return
        with localcontext(stream_context()):
            stream = {side: streamed(case.payout, case.method) for side in sides}
            _account(case, stream, Decimal)
        self.positions = {side: as_exact(position) for side, position in stream.items()}

    def pnl(self) -> Pnl:
        """The case's result."""
        return summed(list(self.positions.values()), [self._mark] * len(self.positions))

    def pnl_of(self, side: PositionSide) -> Pnl:
        """The result of one of its positions."""
        return self.positions[side].pnl(self._mark)

    @property
    def _mark(self) -> Fraction | None:
        return None if self.case.mark is None else Fraction(self.case.mark)


def _account(case: Case, positions: Mapping[PositionSide, Position[N]], number: Callable[[Decimal], N]) -> None:
    """Put the events of a case to its positions, which reckon in what `number` makes of a decimal."""
    for index, event in in_order(case):
        if isinstance(event, CaseFill):
            _fill(case, positions[event.position], event, number, f"{case.name}: fills[{index}]")
        else:
            whole = event.position is PositionSide.NET
            for position in positions.values() if whole else [positions[event.position]]:
                _fund(position, event, number)


def _fill(case: Case, position: Position[N], fill: CaseFill, number: Callable[[Decimal], N], place: str) -> None:
    price = number(fill.price)
    signed = number(fill.qty) * fill.side.sign
    _check_hedge(position, fill, signed, place)
    currency = fill.fee_currency or case.payout.settle
    rate = _rate(case, currency, price, number) if fill.fee_price is None else number(fill.fee_price)
    try:
        position.fill(signed, price, number(fill.fee), currency, rate)
    except NoConversion as error:
        settle = case.payout.settle or "settlement currency"
        raise ConfigError.of(
            f"{place}.fee_currency",
            error.currency,
            f"nothing tells its value in {settle}; give it as rates.{error.currency} or as the fill's fee_price",
        ) from None


def _rate(case: Case, currency: str, price: N, number: Callable[[Decimal], N]) -> N | None:
    """The value of a currency by the case's rates; None where they do not tell, or the instrument itself does."""
    if case.payout.in_settlement(price, currency, price) is not None:
        return None
    try:
        factor = case.rates.path(currency, case.payout.settle).factor
    except NoPath:
        return None
    return number(Decimal(factor.numerator)) / number(Decimal(factor.denominator))


def _check_hedge(position: Position[N], fill: CaseFill, signed: N, place: str) -> None:
    if fill.position is PositionSide.NET:
        return
    sign = 1 if fill.position is PositionSide.LONG else -1
    if (position.quantity + signed) * sign < 0:
        held = plain(reported(abs(position.quantity)))
        allowed = f"the {fill.position} position holds {held}, and a fill of it closes no more"
        raise ConfigError.of(f"{place}.qty", plain(fill.qty), allowed)


def _fund(position: Position[N], funding: CaseFunding, number: Callable[[Decimal], N]) -> None:
    if funding.amount is not None:
        position.receive_funding(number(funding.amount))
    elif funding.rate is not None and funding.mark is not None:
        position.fund(number(funding.rate), number(funding.mark))


def in_order(case: Case) -> list[tuple[int, CaseFill | CaseFunding]]:
    """Fills and funding by time, each with its place in what was written.

    At the same time fills come first, so that a funding counts the position after them; without times the fills come
    as they stand, then the funding.
    """
    events: list[tuple[int, int, int, CaseFill | CaseFunding]] = []
    rows = case.rows or range(len(case.fills))
    events += [(fill.time_ns or 0, 0, index, fill) for index, fill in zip(rows, case.fills, strict=True)]
    events += [(funding.time_ns or 0, 1, index, funding) for index, funding in enumerate(case.funding)]
    events.sort(key=lambda event: event[:3])
    return [(index, event) for _, _, index, event in events]
