"""What is shown of a position: where it stands, at which mark, how old that is, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext

from xetrade_core.market_data.marks import Mark, MarkKind
from xetrade_core.model.contracts import Contract
from xetrade_core.monitor.accounts import Stated
from xetrade_core.positions.book import Holder
from xetrade_core.positions.numbers import exact_sum, reported, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import Position
from xetrade_core.symbols.parts import Style


@dataclass(frozen=True, slots=True)
class PositionView:
    """One position. Amounts of money are in `settle`, prices in quote currency; signs as in `positions.Pnl`.

    `side` is long, short or flat. `notional` is what it is worth at the mark, without a sign. `mark_stale`: the mark
    is older than allowed, so what is reckoned with it may not hold; without a mark all of that is None. `liquidation`
    is where the venue says that it would liquidate what the account holds of the symbol, all strategies together, and
    `liquidation_distance` how far the mark is from there, in percent of the mark; None where nobody says. `unvalued`
    are fees in currencies whose value is not known; they are in none of the numbers. `unit` is what `quantity` counts:
    `BTC`, `USD`, `contracts of 0.01 BTC`.
    """

    venue: str
    account: str
    symbol: str
    strategy: str
    side: str
    quantity: Decimal
    entry: Decimal | None
    mark: Decimal | None
    mark_kind: MarkKind | None
    mark_age_s: float | None
    mark_stale: bool
    notional: Decimal | None
    unrealized: Decimal | None
    realized: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal | None
    break_even: Decimal | None
    settle: str
    liquidation: Decimal | None = None
    liquidation_distance: Decimal | None = None
    unvalued: dict[str, Decimal] = field(default_factory=dict)
    unit: str = ""


def view(
    holder: Holder,
    position: Position[Decimal],
    mark: Mark | None,
    now_ns: int,
    stale_after_s: float,
    unvalued: dict[str, Decimal] | None = None,
    stated: Stated | None = None,
) -> PositionView:
    """What a position comes to at a mark; `stated` is what the venue says of it."""
    price = None if mark is None else mark.price
    with localcontext(stream_context()):
        pnl = position.pnl(price)
        break_even = position.break_even
        worth = None if price is None else abs(position.payout.notional(position.quantity, price))
    age_s = None if mark is None else mark.age_s(now_ns)
    return PositionView(
        *holder,
        side="flat" if not pnl.qty_signed else "long" if pnl.qty_signed > 0 else "short",
        quantity=pnl.qty_signed,
        entry=pnl.avg_entry,
        mark=price,
        mark_kind=None if mark is None else mark.kind,
        mark_age_s=age_s,
        mark_stale=age_s is not None and age_s > stale_after_s,
        notional=None if worth is None else reported(worth),
        unrealized=pnl.unrealized_pnl,
        realized=pnl.realized_pnl,
        fees=pnl.fees,
        funding=pnl.funding,
        net=pnl.net_pnl,
        break_even=None if break_even is None else reported(break_even),
        settle=position.payout.settle,
        liquidation=None if stated is None else stated.liquidation,
        liquidation_distance=None if stated is None else stated.distance(price),
        unvalued=dict(unvalued or {}),
        unit=_unit(position.payout, holder.symbol),
    )


def _unit(payout: Payout, symbol: str) -> str:
    """What a quantity counts. A quanto's multiplier is of no currency that is traded."""
    if payout.style is Style.QUANTO:
        return "contracts"
    return Contract(payout.multiplier, payout.style is Style.INVERSE).unit(symbol)


class Views:
    """The rows of updates: made anew where a position, its mark or what the venue says of it has changed, and of the
    others the age of the mark alone. Of hundreds of positions a fill changes one."""

    def __init__(self, stale_after_s: float) -> None:
        self._stale_after_s = stale_after_s
        self._made: dict[Holder, tuple[tuple[object, ...], PositionView]] = {}

    def of(
        self,
        holder: Holder,
        position: Position[Decimal],
        mark: Mark | None,
        now_ns: int,
        unvalued: dict[str, Decimal] | None,
        stated: Stated | None,
    ) -> PositionView:
        """See `view`."""
        made_of = (*position.state, mark, stated, None if unvalued is None else tuple(unvalued.items()))
        before = self._made.get(holder)
        if before is None or before[0] != made_of:
            row = view(holder, position, mark, now_ns, self._stale_after_s, unvalued, stated)
            self._made[holder] = (made_of, row)
            return row
        if mark is None:
            return before[1]
        age_s = mark.age_s(now_ns)
        return replace(before[1], mark_age_s=age_s, mark_stale=age_s > self._stale_after_s)


@dataclass(frozen=True, slots=True)
class Total:
    """Positions that settle in one currency together; None where one of them has no mark."""

    settle: str
    positions: int
    unrealized: Decimal | None
    net: Decimal | None


def totals(views: Iterable[PositionView]) -> list[Total]:
    """The sums by settlement currency: amounts of different currencies are never added up."""
    groups: dict[str, list[PositionView]] = {}
    for one in views:
        groups.setdefault(one.settle, []).append(one)
    return [
        Total(settle, len(rows), _sum(row.unrealized for row in rows), _sum(row.net for row in rows))
        for settle, rows in sorted(groups.items())
    ]


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = list(values)
    return None if None in known else exact_sum(value for value in known if value is not None)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is worth how much in one settlement currency, by position, shorts negative; and what is unrealized of it."""

    settle: str
    exposure: dict[str, float]
    unrealized: dict[str, float]


def exposures(views: Iterable[PositionView]) -> list[Exposure]:
    """Open positions that have a mark, by settlement currency, in floats: for pictures."""
    groups: dict[str, Exposure] = {}
    for one in views:
        if one.notional is None or one.unrealized is None or not one.quantity:
            continue
        group = groups.setdefault(one.settle, Exposure(one.settle, {}, {}))
        name = " ".join(part for part in (one.symbol, one.account, one.strategy) if part)
        group.exposure[name] = float(one.notional) * (1 if one.quantity > 0 else -1)
        group.unrealized[name] = float(one.unrealized)
    return [groups[settle] for settle in sorted(groups)]
