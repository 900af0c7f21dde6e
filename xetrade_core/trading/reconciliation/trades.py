"""Trades: each is known by the venue's own id, and is taken from nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill
from xetrade_core.trading.execution import ExecutionError, ForgetsTrades, NotListed, if_listed
from xetrade_core.trading.reconciliation.comparison import FillDifference, described, fill_differences
from xetrade_core.trading.reconciliation.differences import Kind, Outcome, Subject
from xetrade_core.trading.reconciliation.round import Round

_FORGOTTEN_S = 3600.0  # what is about to be forgotten may be so between two calls


async def reconcile_fills(one: Round, symbols: Iterable[str]) -> tuple[int, list[Fill]]:
    """How many trades were compared, and those that the venue alone has (recorded meanwhile, but for a dry run)."""
    count, new = 0, list[Fill]()
    for symbol in sorted(symbols):
        since_ns = _since(one, symbol)
        there = await one.ask(f"trades of {symbol}", partial(_told, one, symbol, since_ns))
        if there is None or isinstance(there, ExecutionError):
            continue
        count += len(there)
        missing = False
        for different in fill_differences(_stored(one, symbol, since_ns), there):
            if different.there is not None and different.told is not None and different.kind is Kind.MISSING_HERE:
                new.append(different.there)
                await _add(one, different.told)
            elif different.kind is Kind.MISSING_THERE:
                missing = True
            else:
                await _contradicted(one, different)
        if missing:
            await _missing_there(one, symbol, since_ns)
    return count, new


async def _told(one: Round, symbol: str, since_ns: int) -> tuple[Fill, ...] | None:
    """The venue's trades. None of what it lists no more, and what has not traded here lately: that is no problem of
    every reconciliation from then on."""

    def unless_traded_lately(error: NotListed) -> None:
        if _stored(one, symbol, one.started_ns - round(one.plan.window_s * NS_PER_S)):
            raise error

    return await if_listed(one.execution.fills_since(symbol, since_ns), unless_traded_lately)


def _since(one: Round, symbol: str) -> int:
    """From when on trades are compared: over the window, and back to the newest that is known if it is older; never
    so far back that the client does not tell any more."""
    plan, now_ns = one.plan, one.started_ns
    told_s = one.execution.trade_history_s if isinstance(one.execution, ForgetsTrades) else None
    spans_s = [min(span, told_s - _FORGOTTEN_S) if told_s else span for span in (plan.history_s, plan.window_s)]
    oldest_ns, window_ns = (now_ns - round(seconds * NS_PER_S) for seconds in spans_s)
    times = [fill.exchange_ns or fill.received_ns for fill in _stored(one, symbol, oldest_ns)]
    newest_ns = max(times, default=oldest_ns)
    return max(oldest_ns, min(window_ns, newest_ns))


def _stored(one: Round, symbol: str, since_ns: int) -> list[Fill]:
    rows = one.store.traded(venue=one.venue, account=one.account.account, symbols=[symbol], at_from_ns=since_ns)
    return [fill for fill, _ in rows if not fill.delivers]  # which no venue tells among its trades


async def _add(one: Round, fill: Fill) -> None:
    """Record a trade of the venue's that is not here; a young one is only under way."""
    order = None
    if not one.plan.dry_run:
        order = await one.service.observe(one.venue, one.account.account, fill, Source.RECONCILIATION)
    if one.is_young(fill.exchange_ns):
        one.in_flight.add(fill.trade_id)
        return
    whose = "" if order is None else f"of order {order.client_id}"
    one.found(
        Subject.FILL,
        Kind.MISSING_HERE,
        Outcome.EXTERNAL if order is None and not one.plan.dry_run else Outcome.REPAIRED,
        symbol=fill.symbol,
        name=fill.trade_id,
        here="",
        there=described(fill),
        note=whose or ("" if one.plan.dry_run else "of no order of ours; recorded, as it moves position and balance"),
    )


async def _contradicted(one: Round, different: FillDifference) -> None:
    """The same trade with other numbers. A fee is only told: it moves no position, and what is recorded is kept."""
    assert different.here is not None
    assert different.there is not None
    fee = different.kind is Kind.FEE
    fill = different.here
    one.found(
        Subject.FILL,
        different.kind,
        Outcome.REPORTED if fee else Outcome.HALTED,
        symbol=fill.symbol,
        name=fill.trade_id,
        here=described(fill),
        there=described(different.there),
        note="the recorded fee is kept" if fee else "the venue tells the same trade differently than before",
    )
    if not fee:
        await one.halt(fill.symbol, f"trade {fill.trade_id} is not what the venue says it is")
    else:
        one.tell(f"the fee of trade {fill.trade_id} of {fill.symbol} is not what was recorded", fill.symbol)


async def _missing_there(one: Round, symbol: str, since_ns: int) -> None:
    """Trades that we have and the venue does not tell: asked once more, as lists of trades lag."""
    await one.clock.sleep(one.plan.spacing_s)
    there = await one.ask(f"trades of {symbol}", lambda: one.execution.fills_since(symbol, since_ns))
    if isinstance(there, ExecutionError):
        return
    for different in fill_differences(_stored(one, symbol, since_ns), there):
        fill = different.here
        if different.kind is not Kind.MISSING_THERE or fill is None or fill.exchange_ns is None:
            continue
        if one.is_young(fill.exchange_ns):
            one.in_flight.add(fill.trade_id)
            continue
        one.found(
            Subject.FILL,
            Kind.MISSING_THERE,
            Outcome.HALTED,
            symbol=symbol,
            name=fill.trade_id,
            here=described(fill),
            there="",
            note="the venue does not tell of this trade any more: was it taken back?",
        )
        await one.halt(symbol, f"trade {fill.trade_id} is not among the venue's")
