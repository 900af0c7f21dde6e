"""What goes wrong with orders: taken late, unnamed, refused, filled while canceled; events that go astray."""

from __future__ import annotations

import msgspec
import pytest

from tests.simvenue.conftest import run, simulate
from tests.simvenue.private import AMOUNTS, PREFIXES, Signed, told
from xetrade_core.simvenue import Fault
from xetrade_core.simvenue.desk import RefusalKind
from xetrade_core.simvenue.dialects.binance_futures_orders import CODES
from xetrade_core.simvenue.dialects.binance_signed import SPOT_CODES, Codes
from xetrade_core.simvenue.faults import EVENT_KINDS


def signed(venue: str, **settings: object) -> Signed:
    simulation = simulate(venue, **settings)
    run(simulation, 0.2)
    return Signed(simulation, venue)


def begin(client: Signed, **fault: object) -> None:
    """Give a fault and let it begin."""
    board = client.simulation.board
    board.add(msgspec.convert({"venue": client.venue, "symbol": client.symbol, **fault}, Fault), 0)
    run(client.simulation, 0.01)


@pytest.mark.parametrize("venue", list(PREFIXES))
def test_an_order_that_is_taken_late_is_answered_with_an_error_and_there_afterwards(venue: str) -> None:
    client = signed(venue)
    begin(client, kind="rest_late", delay_s=2.0, path="order")
    assert client.call("POST", "order", **client.resting("late")).status == 503
    assert client.error("GET", "order", symbol=client.market.venue_id, origClientOrderId="late") == -2013
    run(client.simulation, 1.9)
    assert client.states() == {}
    run(client.simulation, 0.2)
    assert client.states() == {"late": "open"}
    found = client.ask("GET", "order", symbol=client.market.venue_id, origClientOrderId="late")
    assert found["time"] == pytest.approx(client.simulation.now_ns // 1_000_000, abs=150)


@pytest.mark.parametrize("venue", list(PREFIXES))
def test_an_answer_without_the_order_id_is_of_an_order_that_was_taken(venue: str) -> None:
    client = signed(venue)
    begin(client, kind="rest_no_id", path="order")
    answer = client.ask("POST", "order", **client.resting("anonymous"))
    assert ("orderId" not in answer, answer["clientOrderId"]) == (True, "anonymous")
    assert client.states() == {"anonymous": "open"}


@pytest.mark.parametrize(
    ("venue", "variant", "code"),
    [
        ("binance", None, -2010),
        ("binance", "bad_price", -1013),
        ("binanceusdm", None, -4131),
        ("binanceusdm", "insufficient_funds", -2019),
        ("binancecoinm", "duplicate_client_id", -4116),
    ],
)
def test_an_order_is_refused_on_demand_with_the_code_of_the_venue(venue: str, variant: str | None, code: int) -> None:
    client = signed(venue)
    begin(client, kind="order_refused", variant=variant)
    assert client.error("POST", "order", **client.resting("no")) == code
    assert client.states() == {}
    client.ask("POST", "order", **client.resting("yes"))


@pytest.mark.parametrize("venue", list(PREFIXES))
@pytest.mark.parametrize(("variant", "ends"), [("whole", "filled"), ("part", "canceled")])
def test_an_order_is_filled_while_it_is_being_canceled(venue: str, variant: str, ends: str) -> None:
    client = signed(venue)
    client.ask("POST", "order", **client.resting("hit"))
    begin(client, kind="fill_on_cancel", variant=variant)
    fields = {"symbol": client.market.venue_id, "origClientOrderId": "hit"}
    if variant == "whole":
        assert client.error("DELETE", "order", **fields) == -2011
    else:
        assert client.ask("DELETE", "order", **fields)["status"] == "CANCELED"
    assert client.states() == {"hit": ends}
    filled = float(client.ask("GET", "order", **fields)["executedQty"])
    assert filled == float(AMOUNTS[venue]) / (1 if variant == "whole" else 2)


@pytest.mark.parametrize("venue", list(PREFIXES))
def test_events_are_lost_doubled_reordered_and_delayed(venue: str) -> None:
    client = signed(venue)
    listener = client.stream()

    def happened(*names: str) -> list[tuple[str, str]]:
        for name in names:
            client.ask("POST", "order", **client.resting(name))
        return told(venue, listener)

    assert happened("a") == [("a", "NEW")]
    begin(client, kind="event_lost", variant="order")
    assert happened("b", "c") == [("c", "NEW")]
    begin(client, kind="event_doubled", variant="order")
    assert happened("d") == [("d", "NEW"), ("d", "NEW")]
    begin(client, kind="event_reordered", variant="order")
    assert happened("e", "f") == [("f", "NEW"), ("e", "NEW")]
    begin(client, kind="event_delayed", variant="order", delay_s=0.5)
    assert happened("g", "h") == [], "what comes behind it waits too"
    run(client.simulation, 0.6)
    assert told(venue, listener) == [("g", "NEW"), ("h", "NEW")]
    assert [row.kind for row in client.simulation.board.injections] == list(EVENT_KINDS)


def test_an_event_that_nothing_overtakes_is_told_after_a_second() -> None:
    client = signed("binance")
    listener = client.stream()
    begin(client, kind="event_reordered", variant="order")
    client.ask("POST", "order", **client.resting("alone"))
    assert told("binance", listener) == []
    run(client.simulation, 1.1)
    assert told("binance", listener) == [("alone", "NEW")]


def test_only_the_fills_are_told_twice_where_only_they_are_meant() -> None:
    client = signed("binance")
    listener = client.stream()
    begin(client, kind="event_doubled", variant="fill")
    client.ask("POST", "order", **client.order("bought", "0.00001"))
    assert told("binance", listener) == [("bought", "NEW"), ("bought", "TRADE"), ("bought", "TRADE")]


@pytest.mark.parametrize("codes", [SPOT_CODES, CODES])
def test_a_market_has_a_code_for_every_refusal(codes: Codes) -> None:
    assert set(RefusalKind) <= set(codes)


@pytest.mark.parametrize("venue", ["binanceusdm", "binancecoinm"])
def test_a_listen_key_is_good_for_its_life_after_the_last_renewal(venue: str) -> None:
    client = signed(venue, listen_key_s=10.0)
    assert client.error("PUT", "listenKey") == -1125
    listener = client.stream()
    key = client.ask("POST", "listenKey")["listenKey"]
    run(client.simulation, 6)
    assert client.ask("PUT", "listenKey") == {"listenKey": key}
    run(client.simulation, 6)
    client.ask("POST", "order", **client.resting("in-time"))
    assert told(venue, listener) == [("in-time", "NEW")]
    run(client.simulation, 5)
    (expired,) = listener.messages()
    assert (expired["e"], expired["listenKey"]) == ("listenKeyExpired", key)
    client.ask("POST", "order", **client.resting("too-late"))
    assert told(venue, listener) == []
    assert client.error("PUT", "listenKey") == -1125
    assert client.ask("POST", "listenKey")["listenKey"] != key


def test_what_ended_is_forgotten_when_the_scenario_says_so() -> None:
    client = signed("binance", history_s=5.0)
    client.ask("POST", "order", **client.order("old", "0.001"))
    run(client.simulation, 6)
    fields = {"symbol": client.market.venue_id, "origClientOrderId": "old"}
    assert client.error("GET", "order", **fields) == -2013
    assert client.ask("GET", "myTrades", symbol=client.market.venue_id) == []
