"""Funding of the simulated venues: the same history however it is read, and what unmodified ccxt makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simvenue.conftest import START_NS, rest, simulate
from tests.support.sim import Sim, SimError, sim_process
from xetrade_core.clock import NS_PER_MS
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue import ccxt_config, load_config
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.funding import HOUR_MS, FundingChange, FundingConfig, FundingCurve, IntervalChange, number
from xetrade_core.simvenue.instruments import listing

NOW_MS = START_NS // NS_PER_MS
BTC = "BTC/USDT:USDT"
SINCE_MS = 1_577_836_800_000
MONTH_MS = 30 * 24 * HOUR_MS


def curve(symbol: str = BTC, venue: str = "binanceusdm", seed: int = 1, **config: Any) -> FundingCurve:
    return FundingCurve(venue, listing(venue, symbol), FundingConfig(**config), seed)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ms(text: str) -> int:
    return round(at(text).timestamp() * 1000)


CHANGING = curve(
    intervals={BTC: (IntervalChange(at("2022-03-01T08:00"), 4), IntervalChange(at("2023-05-01T00:00"), 1))}
)


@given(
    st.integers(SINCE_MS - MONTH_MS, NOW_MS),
    st.integers(0, 2 * MONTH_MS),
    st.one_of(st.none(), st.integers(1, 50)),
)
def test_any_page_is_a_part_of_the_one_history(start_ms: int, length_ms: int, limit: int | None) -> None:
    end_ms = start_ms + length_ms
    whole = CHANGING.page(start_ms, end_ms)
    assert [point.time_ms for point in whole] == sorted({point.time_ms for point in whole})
    assert all(start_ms <= point.time_ms <= end_ms for point in whole)
    assert CHANGING.page(start_ms, end_ms, limit) == whole[:limit]
    assert CHANGING.page(start_ms, end_ms, limit, newest_first=True) == whole[::-1][:limit]
    split = start_ms + length_ms // 3
    assert CHANGING.page(start_ms, split) + CHANGING.page(split + 1, end_ms) == whole


@given(st.integers(SINCE_MS, NOW_MS))
def test_next_and_last_funding_bound_the_running_period(now_ms: int) -> None:
    following = CHANGING.next_ms(now_ms)
    last = CHANGING.last_ms(now_ms)
    assert following > now_ms
    assert CHANGING.last_ms(following) == following
    assert CHANGING.last_ms(following - 1) == last
    if last is not None:
        assert last <= now_ms
        assert following - last == CHANGING.interval_ms(following)


def test_an_interval_change_pays_the_old_period_first() -> None:
    change = ms("2022-03-01T08:00")
    points = CHANGING.page(change - 8 * HOUR_MS, change + 8 * HOUR_MS)
    assert [(point.time_ms - change) // HOUR_MS for point in points] == [-8, 0, 4, 8]
    assert [point.interval_ms // HOUR_MS for point in points] == [8, 8, 4, 4]


def test_the_estimate_settles_at_the_rate_that_is_paid() -> None:
    one = curve()
    funding = one.next_ms(NOW_MS)
    assert one.estimate(funding - 4 * HOUR_MS) != one.settled(funding)
    assert one.estimate(funding - 1) == one.settled(funding)
    assert [point.rate for point in one.page(funding, funding)] == [one.settled(funding)]


def test_rates_depend_on_seed_venue_and_symbol_alone() -> None:
    assert curve().page(None, NOW_MS, 50) == curve().page(None, NOW_MS, 50)
    others = [curve(seed=2), curve("ETH/USDT:USDT"), curve(venue="okx")]
    for other in others:
        rates = [point.rate for point in other.page(None, NOW_MS, 50)]
        assert rates != [point.rate for point in curve().page(None, NOW_MS, 50)]


def test_changes_revise_or_hide_rows_and_can_be_taken_back() -> None:
    one = curve()
    before = one.page(ms("2026-11-01T00:00"), ms("2026-11-02T00:00"))
    one.change(FundingChange(BTC, at("2026-11-01T08:00"), rate=0.0123))
    one.change(FundingChange(BTC, at("2026-11-01T16:00"), until=at("2026-11-02T08:00")))
    after = one.page(ms("2026-11-01T00:00"), ms("2026-11-02T00:00"))
    assert [point.rate for point in after] == [before[0].rate, 0.0123]
    one.restore()
    assert one.page(ms("2026-11-01T00:00"), ms("2026-11-02T00:00")) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hours = 5", "venues.binanceusdm.funding.hours = 5 is not valid: one of 1, 2, 4"),
        ('intervals = {"BTC/USDT:USDT" = [{since = 2024-01-01T04:00:00Z, hours = 4}]}', "a funding time of 4 h and of"),
        ('intervals = {"XRP/USDT:USDT" = []}', "funding = 'XRP/USDT:USDT' is not valid: one of BTC/USDT:USDT"),
        ("since = 2024-01-01T04:00:00", "timezone"),
        ('changes = [{symbol = "BTC/USDT:USDT", at = 2024-01-01T04:00:00Z, rat = 1.0}]', "unknown field `rat`"),
    ],
)
def test_a_bad_funding_scenario_is_refused_with_the_field(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(f'[venues.binanceusdm]\nsymbols = ["BTC/USDT:USDT"]\n[venues.binanceusdm.funding]\n{text}')
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_binance_pages_from_the_start_of_a_range_and_without_one_ends_now(ask: Any) -> None:
    simulation = simulate("binanceusdm")
    shown = simulation.place("binanceusdm").venue.funding[BTC]

    def times(**query: str) -> list[int]:
        return [row["fundingTime"] for row in ask(simulation, "binanceusdm", "/fapi/v1/fundingRate", **query)]

    start = ms("2024-01-01T00:00")
    assert times(symbol="BTCUSDT", startTime=str(start), limit="3") == [
        p.stamp_ms for p in shown.page(start, NOW_MS, 3)
    ]
    newest = [point.stamp_ms for point in shown.page(None, NOW_MS, 100, newest_first=True)][::-1]
    assert times(symbol="BTCUSDT") == newest
    assert len(times(symbol="BTCUSDT", startTime=str(start), limit="5000")) == 1000
    row = ask(simulation, "binanceusdm", "/fapi/v1/fundingRate", symbol="BTCUSDT", limit="1")[0]
    assert set(row) == {"symbol", "fundingTime", "fundingRate", "markPrice"}
    assert ask(simulation, "binanceusdm", "/fapi/v1/fundingRate", symbol="NOPE") == {
        "code": -1121,
        "msg": "Invalid symbol.",
    }


def test_binance_refuses_the_501st_funding_call_within_five_minutes() -> None:
    simulation = simulate("binanceusdm")
    query = {"symbol": "BTCUSDT", "limit": "1"}
    for _ in range(500):
        assert rest(simulation, "binanceusdm", "/fapi/v1/fundingRate", query).status == 200
    refused = rest(simulation, "binanceusdm", "/fapi/v1/fundingInfo")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "300"


def test_okx_pages_newest_first_with_both_bounds_excluded(ask: Any) -> None:
    simulation = simulate("okx", symbols=(BTC,))
    first, last = ms("2024-01-01T00:00"), ms("2024-03-01T00:00")

    def times(**query: str) -> list[int]:
        path = "/api/v5/public/funding-rate-history"
        rows = ask(simulation, "okx", path, instId="BTC-USDT-SWAP", **query)["data"]
        return [int(row["fundingTime"]) for row in rows]

    page = times(before=str(first), after=str(last))
    assert len(page) == 100
    assert page[0] == last - 8 * HOUR_MS
    assert page == sorted(page, reverse=True)
    assert times(before=str(first), after=str(first + 16 * HOUR_MS)) == [first + 8 * HOUR_MS]
    assert ask(simulation, "okx", "/api/v5/public/funding-rate-history", instId="NOPE")["code"] == "51001"


def test_okx_predicts_only_where_it_charges_by_the_next_period(ask: Any) -> None:
    path = "/api/v5/public/funding-rate"
    ahead = ask(simulate("okx", symbols=(BTC,)), "okx", path, instId="BTC-USDT-SWAP")["data"][0]
    assert ahead["method"] == "next_period"
    assert float(ahead["nextFundingRate"])
    running = simulate("okx", symbols=(BTC,), funding=FundingConfig(predicts=False))
    row = ask(running, "okx", path, instId="BTC-USDT-SWAP")["data"][0]
    assert (row["method"], row["nextFundingRate"]) == ("current_period", "")


def test_calls_leave_a_meter_as_the_window_moves() -> None:
    meter = CallMeter(2, 1_000)
    assert [meter.take(now) for now in (0, 100, 200, 999, 1_000, 1_050)] == [None, None, 1, 1, None, 1]


@pytest.mark.parametrize(
    ("value", "text"), [(1e-05, "0.00001000"), (-0.0001, "-0.00010000"), (61800.5, "61800.50000000")]
)
def test_numbers_are_written_without_exponents(value: float, text: str) -> None:
    assert number(value) == text


# --- unmodified ccxt ------------------------------------------------------------------------------------------------

CASES = [("binanceusdm", BTC), ("binancecoinm", "BTC/USD:BTC"), ("okx", BTC), ("okx", "SOL/USDT:USDT")]


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process("[venues.binanceusdm]\n[venues.binancecoinm]\n[venues.okx]") as running:
        yield running


@pytest.fixture(scope="module")
def clients(sim: Sim) -> dict[str, Any]:
    import ccxt

    return {venue: getattr(ccxt, venue)(ccxt_config(venue, sim)) for venue in sim.venues}


@pytest.mark.parametrize(("venue", "symbol"), CASES)
def test_ccxt_reads_the_history_as_it_was_paid(sim: Sim, clients: dict[str, Any], venue: str, symbol: str) -> None:
    start, end = ms("2026-10-20T00:00"), ms("2026-11-10T00:00")
    truth = sim.funding(venue, symbol, start, end - 1)
    truth = truth[-40:] if venue == "okx" else truth[:40]  # newest first, oldest first
    options = {"after": end} if venue == "okx" else {}
    rows = clients[venue].fetch_funding_rate_history(symbol, start, 40, options)
    key = "time_ms" if venue == "okx" else "stamp_ms"
    assert [(row["timestamp"], row["fundingRate"]) for row in rows] == [(row[key], row["rate"]) for row in truth]


@pytest.mark.parametrize(("venue", "symbol"), CASES)
def test_ccxt_reads_the_running_period_and_its_interval(clients: dict[str, Any], venue: str, symbol: str) -> None:
    client = clients[venue]
    now_ms = client.milliseconds()
    one = client.fetch_funding_rate(symbol)
    options = {"subType": "inverse"} if venue == "binancecoinm" else {}
    assert set(client.fetch_funding_rates(None, options)) >= {symbol}
    hours = int(client.fetch_funding_interval(symbol)["interval"].removesuffix("h"))
    assert hours == (4 if symbol.startswith("SOL") else 8)
    assert now_ms - 1_000 < one["fundingTimestamp"] <= now_ms + hours * HOUR_MS + 1_000
    assert abs(one["fundingRate"]) < 0.01
    assert (one["nextFundingRate"] is None) == (venue != "okx")
    if venue != "okx":
        assert one["markPrice"] > 0 < one["indexPrice"]


def test_a_venue_can_be_made_to_change_its_history(sim: Sim, clients: dict[str, Any]) -> None:
    day, symbol = ms("2026-11-05T00:00"), "ETH/USDT:USDT"
    before = clients["okx"].fetch_funding_rate_history(symbol, day, 10, {"after": day + 24 * HOUR_MS})
    sim.change_funding("okx", symbol, "2026-11-05T08:00:00Z", rate=0.0042)
    sim.change_funding("okx", symbol, "2026-11-05T16:00:00Z")
    after = clients["okx"].fetch_funding_rate_history(symbol, day, 10, {"after": day + 24 * HOUR_MS})
    assert [row["fundingRate"] for row in after] == [before[0]["fundingRate"], 0.0042]
    sim.restore_funding("okx", symbol)
    with pytest.raises(SimError, match="a perpetual"):
        sim.funding("okx", "ETH/USDT")
