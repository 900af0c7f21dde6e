"""Card 11, against the double: what the venue's client lists is named by the rule, maps both ways and can be kept."""

from __future__ import annotations

import random
import tempfile

from tests.feeds.harness import SYMBOLS
from tests.support.sim import Sim
from tests.venues.deck import card
from xetrade_core.clock import SystemClock
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import open_store
from xetrade_core.reference.audit import doubled, not_by_rule, stepless
from xetrade_core.reference.days import read_listing, store_listing
from xetrade_core.reference.tables import key_of
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.venues.clients import ClientOptions, open_market_data


@card(11, "names and listings")
async def test_what_is_listed_is_named_by_the_rule_and_can_be_kept(sim: Sim, venue: str) -> None:
    client = open_market_data(venue, ClientOptions(rest_url=sim.url(venue).rest), SystemClock(), random.Random(5))
    try:
        listed = await client.instruments()
    finally:
        await client.close()
    assert set(SYMBOLS[venue]) <= {row.symbol for row in listed}
    assert (stepless(listed), doubled(listed)) == ((), ())
    symbols = SymbolMap.of(listed)
    assert not_by_rule(symbols) == ()
    for row in listed:
        there = symbols.find(venue, row.venue_id, row.market_type)
        assert there is not None
        assert (there.symbol, symbols.universal(venue, row.symbol).venue_id) == (row.symbol, row.venue_id)
    with tempfile.TemporaryDirectory() as folder:
        store, now_ns = open_store(folder), SystemClock.wall_ns()
        day_ns = day_start(now_ns)
        stored = store_listing(store, venue, day_ns, listed, now_ns)
        assert (stored.written.rejected, stored.unnamed) == (0, ())
        kept = read_listing(store, venue, day_ns)
        assert kept is not None
        assert {key_of(row): row for row in kept} == {key_of(row): row for row in listed}
