"""An operator's word on what may trade: everything, a venue, or one pair of it is halted, reduced or resumed.

A halt takes as long as a write. Only a pair that was never traded nor halted before is looked up in what its venue
lists, as an order's is: by the naming rule alone `BTC-USD` is a spot pair that Bybit does not have, and a halt of that
lets orders in the contract pass.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from xetrade_core.assembly.accounts import plan_accounts
from xetrade_core.assembly.markets import desk_markets
from xetrade_core.assembly.order_store import open_store
from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError, NotTrading, UnknownSymbol, XETradeError
from xetrade_core.model.order_events import ControlEvent, ControlKind, TradingState
from xetrade_core.settings import Settings
from xetrade_core.symbols.mapping import map_by_rule
from xetrade_core.symbols.pairs import as_asked
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.registry import venue as known_venue

#: how long a venue may take to say what it lists; then the naming rule has to do
LIST_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Stated:
    """The scope whose state was set, by name; `doubt` says why its pair may not be the one that was meant."""

    scope: str
    doubt: str | None = None


def set_trading_state(
    settings: Settings,
    clock: Clock,
    state: TradingState,
    *,
    venue: str | None,
    pair: str | None,
    by: str,
    reason: str,
) -> Stated:
    """Halt, reduce or resume everything, a venue, or one pair of it, for every process on the store.

    Raises ConfigError, UnknownVenue, UnknownSymbol (what the venue does not list would be halted in vain),
    StoreUnavailable: nothing is changed then.
    """
    if venue is not None:
        known_venue(venue)
    elif pair is not None:
        raise ConfigError(f"name the venue of {pair}: a halt of one pair concerns one venue")
    store, symbol, doubt = open_store(settings, clock), None, None
    try:
        if venue is not None and pair is not None:
            symbol, doubt = _meant(settings, clock, store, venue, pair)
        store.control(
            ControlEvent(
                kind=ControlKind.TRADING_STATE,
                at_ns=clock.wall_ns(),
                by=by,
                reason=reason,
                venue=venue,
                symbol=symbol,
                state=state,
            )
        )
    finally:
        store.close()
    return Stated(" ".join(filter(None, (venue, symbol))) or "everything", doubt)


def _meant(settings: Settings, clock: Clock, store: OrderStore, venue: str, pair: str) -> tuple[str, str | None]:
    """The universal symbol that is meant, and why that is in doubt. Raises UnknownSymbol."""
    ruled = map_by_rule(venue, as_asked(pair)).symbol
    stated = store.do(lambda work: {(event.venue, event.symbol) for event in work.risk.trading_states()})
    if (venue, ruled) in stated | store.instruments_ordered():
        return ruled, None
    try:
        return asyncio.run(_listed(settings, clock, venue, pair)), None
    except UnknownSymbol:
        raise
    except NotTrading as error:
        return error.symbol, None
    except (XETradeError, TimeoutError) as error:
        why = str(error) or f"no answer within {LIST_DEADLINE_S:g} s"
        return ruled, f"{pair} is read by the naming rule of {venue}, which could not be asked what it lists: {why}"


async def _listed(settings: Settings, clock: Clock, venue: str, pair: str) -> str:
    """What the venue itself lists under that name, as an order's pair is read."""
    plans = plan_accounts(settings, venue=venue)
    plans.require_any()
    marks = Marks(max_age_s=settings.trading.mark_age_s)
    async with (
        asyncio.timeout(LIST_DEADLINE_S),
        desk_markets(settings, plans, marks, clock, random.Random()) as markets,
    ):
        return (await markets.instrument(venue, pair)).symbol
