"""The pre-check: both legs looked at before anything is sent, and which of them goes first.

One leg alone is worse than none (an unhedged position), so everything that would stop the second is looked for before
the first: grids and minimums of both venues, depth of both books within the bounds, limits, halts, arming, balances.
What is wrong is told all at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import CrossRefused, InvalidOrder, XETradeError
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.orders import Intent, Side, TimeInForce
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.trading import asking
from xetrade_core.trading.beginning import holds_exits
from xetrade_core.trading.client_ids import client_order_id, require_valid
from xetrade_core.trading.cross.legs import Leg, average_price, depth_within, tighter, touch
from xetrade_core.trading.cross.means import ASK_S, Means, together
from xetrade_core.trading.cross.request import CrossRequest
from xetrade_core.trading.cross.saga import Plan, Role
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.overview import number
from xetrade_core.trading.requests import OrderRequest


@dataclass(slots=True)
class _Side:
    """One leg while it is looked at: its book, its bound now, and what is wrong with it."""

    leg: Leg
    book: BookSnapshot
    bound: Decimal
    problems: list[str]


async def make_plan(means: Means, request: CrossRequest, key: str) -> Plan:
    """The plan of a request. Raises CrossRefused with everything that is wrong; InvalidOrder, ConfigError,
    UnknownSymbol, and VenueUnavailable where a venue does not give its book: nothing was sent."""
    await means.ready([request.leg(side).name for side in Side])
    buy, sell = await together(*(_look(means, request, side) for side in (Side.BUY, Side.SELL)))
    unchecked: list[str] = []
    for one in (buy, sell):
        one.problems += _grid_problems(one.leg, request.quantity)
        _check_depth(one, request.quantity)
    first, hedge = (buy, sell) if buy.leg.depth <= sell.leg.depth else (sell, buy)
    _check_orders(means, (first, hedge), request, key)
    for one in (buy, sell):
        await _check_balance(means, one, request.quantity, unchecked)
    problems = [f"{one.leg.place}: {problem}" for one in (buy, sell) for problem in one.problems]
    expected = None
    if buy.leg.average is not None and sell.leg.average is not None:
        expected = (sell.leg.average - buy.leg.average) * request.quantity
        if -expected > request.max_loss:
            problems.append(
                f"at these books it would lose {number(-expected)}, and max_loss allows {number(request.max_loss)}"
            )
    if problems or expected is None:
        raise CrossRefused("nothing was sent: " + "; ".join(problems))
    base = Contract.currencies(first.leg.symbol)[0]
    return Plan(
        request=request,
        first=first.leg,
        hedge=hedge.leg,
        amount=first.leg.amount(request.quantity),
        limit=_first_limit(first, hedge, request),
        expected=expected,
        deadline_ns=means.clock.wall_ns() + round(request.within_s * NS_PER_S),
        why_first=f"{first.leg.venue} has {number(first.leg.depth)} {base} within the bound, {hedge.leg.venue} has "
        f"{number(hedge.leg.depth)}: the less liquid leg goes first",
        not_checked=tuple(unchecked),
    )


async def _look(means: Means, request: CrossRequest, side: Side) -> _Side:
    wanted = request.leg(side)
    account = means.account(wanted.venue, wanted.account)
    require_valid(client_order_id("any"), account.venue)
    leg = Leg.of(wanted, side, _listed(account.instruments, wanted.symbol, wanted.venue))
    problems, book = await _not_answering(account, leg), await means.books(leg.venue, leg.symbol)
    if book.stale_s is not None:
        problems.append(f"its book is {book.stale_s:.0f} s old")
    best = touch(book, side)
    bound = leg.bound(best)
    if bound is None:
        raise CrossRefused(f"nothing was sent: {leg.place} has nothing to {side.value} against")
    return _Side(leg, book, leg.on_tick(bound, side), problems)


async def _not_answering(account: TradingAccount, leg: Leg) -> list[str]:
    """Whether the account's side of the venue answers: it should before the other leg is traded. It also makes the
    connection, so that the hedge does not wait for one."""
    try:
        async with asyncio.timeout(ASK_S):
            await account.execution.open_orders(leg.symbol)
    except (XETradeError, TimeoutError) as error:
        return [f"its orders cannot be asked for: {str(error) or f'no answer within {ASK_S:g} s'}"]
    return []


def _listed(instruments: Mapping[str, Instrument], symbol: str, venue: str) -> Instrument:
    found = instruments.get(symbol)
    if found is None:
        raise InvalidOrder("symbol", symbol, f"one that {venue} lists")
    return found


def _grid_problems(leg: Leg, quantity: Decimal) -> Iterator[str]:
    """A quantity that only one of the venues can trade would leave a rest for ever."""
    base = Contract.currencies(leg.symbol)[0]
    if leg.off_grid(quantity):
        counted = "" if leg.size == 1 else f" ({number(leg.lot)} contracts of {number(leg.size)} {base})"
        yield f"quantity {number(quantity)} is no multiple of {number(leg.step)} {base}, its lot{counted}"


def _check_depth(one: _Side, quantity: Decimal) -> None:
    """Note what the book holds within the bound, and what the quantity would trade at."""
    depth = depth_within(one.book, one.leg, one.bound)
    average = average_price(one.book, one.leg, one.bound, quantity)
    if average is None:
        base, reach = Contract.currencies(one.leg.symbol)[0], "up to" if one.leg.side is Side.BUY else "down to"
        one.problems.append(
            f"its book holds {number(depth)} {base} {reach} {number(one.bound)}, and {number(quantity)} is asked"
        )
    one.leg = msgspec.structs.replace(one.leg, depth=depth, best=touch(one.book, one.leg.side), average=average)


def _check_orders(means: Means, sides: Iterable[_Side], request: CrossRequest, key: str) -> None:
    """Note what the order service would refuse: grid, minimums, maximums, limits, a halt, a missing arming. The second
    order is held to what the limits leave once the first has traded: one leg alone is worse than none."""
    now_ns = means.clock.wall_ns()
    intents: list[tuple[_Side, Intent, bool]] = []
    for one in sides:
        leg = one.leg
        account = means.account(leg.venue, leg.account)
        asked = order_request(leg, leg.side, request.quantity / leg.size, one.bound, request.strategy)
        intent = asking.intent_for(
            asked, account, means.store.marks, client_id=client_order_id(key, leg.side.value), key=key, now_ns=now_ns
        )
        if isinstance(intent, XETradeError):
            if not (leg.off_grid(request.quantity) and isinstance(intent, InvalidOrder) and intent.field == "quantity"):
                one.problems.append(str(intent))  # else it is said already, in base currency
        else:
            intents.append((one, intent, holds_exits(account.venue, intent.symbol)))
    in_turn = [(intent, reduces) for _, intent, reduces in intents]
    denials = means.store.do(lambda work: work.risk.check_in_turn(in_turn, now_ns))
    for (one, intent, _), denial in zip(intents, denials, strict=True):
        if denial is not None:
            one.problems.append(str(denial.to_error(intent.client_id)))


async def _check_balance(means: Means, one: _Side, quantity: Decimal, unchecked: list[str]) -> None:
    """Whether a spot account holds what the leg gives away; margin is the venue's to reckon."""
    leg = one.leg
    if not leg.spot:
        unchecked.append(f"margin of {leg.venue}/{leg.account}")
        return
    free = await means.free(leg, leg.side)
    if free is None:
        unchecked.append(f"balances of {leg.venue}/{leg.account}")
        return
    base, quote = Contract.currencies(leg.symbol)
    needed, currency = (quantity * one.bound, quote) if leg.side is Side.BUY else (quantity, base)
    if free < needed:
        one.problems.append(f"it needs {number(needed)} {currency}, and {number(free)} is free")


def _first_limit(first: _Side, hedge: _Side, request: CrossRequest) -> Decimal:
    """The first leg's limit: its own bound, or nearer, where the hedge would make the loss too large."""
    assert hedge.leg.average is not None
    loss = hedge.leg.average + first.leg.side.sign * request.max_loss / request.quantity
    price = tighter(first.leg.side, first.bound, loss)
    assert price is not None
    return first.leg.on_tick(price, first.leg.side)


def order_request(
    leg: Leg, side: Side, amount: Decimal, price: Decimal, strategy: str, *, reduce_only: bool = False
) -> OrderRequest:
    """An order of a saga: immediate or cancelled, at a limit, now or never."""
    return OrderRequest(
        venue=leg.venue,
        account=leg.account,
        symbol=leg.symbol,
        side=side,
        amount=amount,
        price=price,
        time_in_force=TimeInForce.IOC,
        reduce_only=reduce_only,
        strategy=strategy,
    )


def step_of(role: Role) -> str:
    """The step by which orders of a role are named; with the saga's key and the attempt it makes their ids."""
    return f"cross {role.value}"
