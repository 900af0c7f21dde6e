"""Positions and balances: what the venue states against the opening and all trades since, those of others included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from xetrade_core.model.instruments import MarketType
from xetrade_core.model.order_events import ControlEvent, ControlKind
from xetrade_core.model.orders import ZERO, Fill
from xetrade_core.trading.execution import ExecutionError
from xetrade_core.trading.overview import number
from xetrade_core.trading.reconciliation.comparison import Gap, balances_of, gaps, positions_of
from xetrade_core.trading.reconciliation.differences import Kind, Outcome, Subject
from xetrade_core.trading.reconciliation.openings import openings
from xetrade_core.trading.reconciliation.round import Round
from xetrade_core.trading.reconciliation.trades import reconcile_fills

Stated = dict[str, Decimal]
Moved = tuple[Stated, Stated]
"""What trades have made of each, and how far rounding may be off."""


async def reconcile_positions(one: Round, symbol: str | None, new: list[Fill]) -> int:
    """How many positions were compared: derivatives alone, as a spot venue has balances."""

    async def stated() -> Stated | ExecutionError:
        rows = await one.ask("positions", one.execution.positions)
        if isinstance(rows, ExecutionError):
            return rows
        found: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        for row in rows:
            found[row.symbol] += row.amount
        return dict(found)

    def moved(new: list[Fill]) -> Moved:
        made = positions_of(_all_fills(one, new))
        return {name: amount for name, amount in made.items() if ":" in name}, {}

    opening = openings(one.store, one.venue, one.account.account)
    count, found = await _stands(one, stated, moved, opening.positions, new, symbol)
    ours = {fill.symbol for fill in _all_fills(one, new) if fill.client_id is not None} if found else set()
    for gap in found:
        if symbol in (None, gap.name):
            await _position(one, gap, first=not opening.taken and gap.name not in ours)
    return count


async def _position(one: Round, gap: Gap, *, first: bool) -> None:
    offset = gap.stated - gap.moved
    if gap.expected is None and first:
        await _open(one, offset, symbol=gap.name, reason="held before the first order")
        outcome, note = Outcome.OPENING, "held before the first order here; later ones are compared with it"
    elif one.plan.accept:
        await _open(one, offset, symbol=gap.name, reason=one.plan.reason)
        outcome, note = Outcome.ACCEPTED, f"by {one.plan.by}: {one.plan.reason}"
    else:
        outcome, note = Outcome.HALTED, "no trade explains it; when you know why: xetrade reconcile --accept"
    expected = gap.moved if gap.expected is None else gap.expected
    one.found(
        Subject.POSITION,
        Kind.POSITION,
        outcome,
        symbol=gap.name,
        name=gap.name,
        here=number(expected) or "0",
        there=number(gap.stated) or "0",
        note=note,
    )
    if outcome is Outcome.HALTED:
        await one.halt(gap.name, f"the venue states a position of {number(gap.stated)}, trades make {number(expected)}")


async def reconcile_balances(one: Round, new: list[Fill]) -> int:
    """How many balances were compared: on venues of spot alone, where trades and transfers are all that moves them."""
    if one.account.venue.market_types != (MarketType.SPOT,):
        return 0

    async def stated() -> Stated | ExecutionError:
        rows = await one.ask("balances", one.execution.balances)
        return rows if isinstance(rows, ExecutionError) else {row.currency: row.total for row in rows}

    opening = openings(one.store, one.venue, one.account.account)
    count, found = await _stands(
        one, stated, lambda new: balances_of(_all_fills(one, new)), opening.balances, new, None
    )
    for gap in found:
        expected = gap.moved if gap.expected is None else gap.expected
        if gap.expected is None and not opening.taken:
            await _open(one, gap.stated - gap.moved, currency=gap.name, reason="held when first looked at")
            outcome, note = Outcome.OPENING, "held when first looked at; from now on trades must explain it"
        elif one.plan.accept:
            await _open(one, gap.stated - gap.moved, currency=gap.name, reason=one.plan.reason)
            outcome, note = Outcome.ACCEPTED, f"by {one.plan.by}: {one.plan.reason}"
        else:
            outcome, note = Outcome.REPORTED, "no trade explains it; a transfer? Then: xetrade reconcile --accept"
            one.tell(f"the venue states {number(gap.stated)} {gap.name}, trades make {number(expected)}")
        one.found(
            Subject.BALANCE,
            Kind.BALANCE,
            outcome,
            symbol=None,
            name=gap.name,
            here=number(expected) or "0",
            there=number(gap.stated) or "0",
            note=note,
        )
    return count


async def _stands(
    one: Round,
    stated: Callable[[], Awaitable[Stated | ExecutionError]],
    moved: Callable[[list[Fill]], Moved],
    opening: Mapping[str, Decimal],
    new: list[Fill],
    symbol: str | None,
) -> tuple[int, list[Gap]]:
    """How many were compared, and the gaps that every look found alike: a trade may be under way between two calls.

    Notes if an amount that nobody has taken the opening of yet has moved meanwhile.
    """
    standing: set[Gap] | None = None
    count = 0
    for look in range(one.plan.looks):
        if look:
            await one.clock.sleep(one.plan.spacing_s)
            unexplained = {gap.name for gap in standing or () if ":" in gap.name}
            traded = one.store.symbols_of(one.venue, one.account.account)
            _, more = await reconcile_fills(one, {symbol} if symbol else traded | unexplained)
            new = new + more
        there = await stated()
        if isinstance(there, ExecutionError):
            return count, []
        made, slack = moved(new)
        found = set(gaps(there, made, opening, slack))
        count = len({*there, *made})
        standing = found if standing is None else standing & found
        one.moving |= {gap.name for gap in found - standing if gap.expected is None}
        if not standing:
            return count, []
    return count, sorted(standing or (), key=lambda gap: gap.name)


def _all_fills(one: Round, new: list[Fill]) -> list[Fill]:
    """Everything recorded of the account, and what a dry run has seen and not recorded."""
    kept = {fill.identity: fill for fill, _ in one.store.traded(venue=one.venue, account=one.account.account)}
    return list((kept | {fill.identity: fill for fill in new}).values())


async def take(one: Round) -> None:
    """All of the account was looked at: from now on what has no opening had nothing.

    Not while an amount moves from look to look: it will have its opening once it stands still.
    """
    if not one.moving and not openings(one.store, one.venue, one.account.account).taken:
        await _open(one, None, reason="the account was looked at for the first time")


async def _open(
    one: Round, amount: Decimal | None, *, reason: str, symbol: str | None = None, currency: str | None = None
) -> None:
    if one.plan.dry_run:
        return
    await one.service.control(
        ControlEvent(
            kind=ControlKind.OPENING,
            at_ns=one.clock.wall_ns(),
            by=one.plan.by,
            reason=reason,
            venue=one.venue,
            account=one.account.account,
            symbol=symbol,
            currency=currency,
            amount=amount,
        )
    )
