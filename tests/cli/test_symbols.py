"""`xetrade map`, `universal`, `validate`, `symbols` and `demo-mapper`: by rule without a lake, better with one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.support.sim import Sim, default_sim  # noqa: F401
from tests.symbols.test_mapping import instrument
from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.store import open_store
from xetrade_core.reference.days import store_listing

Run = Callable[..., Ran]
DAY = 1_780_272_000_000_000_000  # 2026-06-01


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with two days of OKX's list and one of Bybit's, where BTCUSDT is a swap only."""
    store = open_store(tmp_path / "lake")
    btc = instrument("okx", "BTC-USDT", "BTC/USDT")
    shib = instrument("okx", "SHIB-USDT-SWAP", "SHIB/USDT:USDT", contract_size=Decimal(1_000_000))
    store_listing(store, "okx", DAY, [btc], DAY)
    store_listing(store, "okx", DAY + NS_PER_DAY, [btc, shib], DAY + NS_PER_DAY)
    rows = [instrument("bybit", "BTCUSDT", "BTC/USDT:USDT"), instrument("bybit", "SHIB1000USDT", "SHIB1000/USDT:USDT")]
    store_listing(store, "bybit", DAY, rows, DAY)
    return tmp_path / "lake"


def reasons(ran: Ran) -> list[str]:
    return [one["reason"] for one in ran.json["reasons"]]


def test_an_id_is_mapped_by_rule_where_there_is_no_lake(answer: Run) -> None:
    ran = answer("map", "--symbol", "BTCUSDT", "--exchange", "binance", "--json")
    assert ran.code == 0
    assert (ran.json["universal"], ran.json["market_type"], ran.json["listed_on"]) == ("BTC/USDT", "spot", None)
    assert reasons(ran) == ["parsed by rule", "ambiguous market type"]
    assert ran.json["others"] == [{"exchange": "binanceusdm", "universal": "BTC/USDT:USDT"}]
    assert 0 < ran.json["confidence"] < 1
    swap = answer("map", "--symbol", "BTCUSDT", "--exchange", "binance", "--type", "swap", "--json")
    assert (swap.json["exchange"], swap.json["universal"]) == ("binanceusdm", "BTC/USDT:USDT")


def test_a_mapping_is_explained_to_people(answer: Run) -> None:
    shown = answer("map", "--symbol", "1000BONKUSDT", "--venue", "binanceusdm").out
    assert "binanceusdm 1000BONKUSDT = 1000BONK/USDT:USDT (swap, linear), confidence 0.94" in shown
    assert "parsed by rule: the id has the form that the venue documents" in shown
    assert "one 1000BONK is 1,000 BONK" in shown
    assert "by rule alone" in shown


def test_the_list_in_the_lake_decides(answer: Run, lake: Path) -> None:
    ran = answer("map", "--symbol", "BTCUSDT", "--exchange", "bybit", "--lake", lake, "--json")
    assert (ran.json["universal"], ran.json["listed_on"]) == ("BTC/USDT:USDT", "2026-06-01")
    assert reasons(ran) == ["exact listing", "parsed by rule"]
    unlisted = answer("map", "--symbol", "DOGE-USDT", "--exchange", "okx", "--lake", lake, "--json")
    assert "not listed" in reasons(unlisted)
    earlier = answer("map", "--symbol", "SHIB-USDT-SWAP", "--exchange", "okx", "--day", "2026-06-01", "--json",
                      "--lake", lake)  # fmt: skip
    assert "not listed" in reasons(earlier)


@pytest.mark.parametrize(
    ("symbol", "exchange", "more", "found"),
    [
        ("BTC/USDT", "okx", [], "BTC-USDT"),
        ("BTC-USDT", "okx", [], "BTC-USDT"),
        ("BTC/USDT:USDT", "okx", [], "BTC-USDT-SWAP"),
        ("BTC/USDT", "kucoinfutures", [], "XBTUSDTM"),
        ("BTC-USDT", "kucoin", ["--type", "swap"], "XBTUSDTM"),
        ("BTC/USD:BTC-261225", "deribit", [], "BTC-25DEC26"),
        ("BTC/TWD", "max", [], "btctwd"),
        ("BTC/USDT", "bitmart", [], "BTC_USDT"),
    ],
)
def test_a_universal_symbol_is_named_by_each_venue(
    answer: Run, symbol: str, exchange: str, more: list[str], found: str
) -> None:
    ran = answer("universal", "--symbol", symbol, "--exchange", exchange, *more, "--json")
    assert ran.json["exchange_symbol"] == found


@pytest.mark.parametrize(
    ("venue_id", "expected", "exchange", "code"),
    [
        ("BTCUSDT", "BTC/USDT", "binance", 0),
        ("BTCUSDT", "BTC/USDT:USDT", "binance", 0),
        ("BTCUSDT", "ETH/USDT", "binance", 1),
        ("GBPAEUR", "GBPA/EUR", "binance", 0),
        ("SHIB-USDT-SWAP", "SHIB/USDT:USDT", "okx", 0),
        ("ALT-USDT", "ALT/USDT", "kucoin", 1),
    ],
)
def test_a_mapping_is_checked(answer: Run, venue_id: str, expected: str, exchange: str, code: int) -> None:
    ran = answer("validate", "--exchange-symbol", venue_id, "--expected-universal", expected, "--exchange", exchange,
                  "--json")  # fmt: skip
    assert (ran.code, ran.json["valid"]) == (code, code == 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["map", "--symbol", "FOOBAR", "--exchange", "binance"], "its symbols look like BTC/USDT"),
        (["map", "--symbol", "BTCUSDT", "--exchange", "mtgox"], "unknown venue 'mtgox'"),
        (["map", "--symbol", "BTCUSDT", "--exchange", "okx", "--type", "frog"], "--type = 'frog'"),
        (["map", "--symbol", "BTCUSDT", "--exchange", "okx", "--day", "tomorrow"], "--day = 'tomorrow'"),
        (["universal", "--symbol", "BTC/USDT:USDT", "--exchange", "max"], "unknown symbol 'BTC/USDT:USDT' on max"),
        (["validate", "--exchange-symbol", "BTCUSDT", "--expected-universal", "BTC", "--exchange", "okx"], "write it"),
        (["symbols", "equivalents", "--symbol", "BTC/USDT", "--group", "all"], "--group = 'all'"),
        (["symbols", "diff", "--from", "2026-06-01"], "no two lists"),
        (["symbols", "fetch", "--exchange", "mtgox"], "unknown venue 'mtgox'"),
        (["symbols", "fetch"], "no venue to ask"),
    ],
)
def test_a_mistake_is_one_line(answer: Run, arguments: list[str], says: str) -> None:
    ran = answer(*arguments)
    assert ran.code == 2
    assert says in ran.error


def test_two_days_are_compared(answer: Run, lake: Path) -> None:
    ran = answer("symbols", "diff", "--lake", lake, "--json")
    assert ran.json["compared"] == [{"exchange": "okx", "from": "2026-06-01", "to": "2026-06-02"}]
    assert [(one["change"], one["exchange_symbol"]) for one in ran.json["changes"]] == [("listed", "SHIB-USDT-SWAP")]
    assert "okx: 1 change from 2026-06-01 to 2026-06-02" in answer("symbols", "diff", "--lake", lake).out


def test_what_is_the_same_exposure_is_listed_with_its_size(answer: Run, lake: Path) -> None:
    ran = answer("symbols", "equivalents", "--symbol", "SHIB/USDT:USDT", "--exchange", "okx", "--lake", lake, "--json")
    assert ran.json["exposure"] == "SHIB in USD, linear"
    amounts = {one["exchange_symbol"]: one["amount"] for one in ran.json["members"]}
    assert amounts == {"SHIB-USDT-SWAP": "1000000", "SHIB1000USDT": "1000"}


def test_what_the_venue_does_not_list_is_the_same_as_nothing(answer: Run, lake: Path) -> None:
    ran = answer("symbols", "equivalents", "--symbol", "FOO/USDT:USDT", "--exchange", "okx", "--lake", lake)
    assert ran.code == 2
    assert "unknown symbol 'FOO/USDT:USDT' on okx: its list of 2026-06-02 has no FOO/USDT:USDT" in ran.error


def test_the_tour_shows_every_quirk_and_refuses_what_has_no_symbol(answer: Run) -> None:
    ran = answer("demo-mapper", "--json")
    asked = {(one["exchange"], one["asked"], one["type"]): one for rows in ran.json.values() for one in rows}
    assert asked["binanceusdm", "1000BONKUSDT", None]["underlying"] == "BONK"
    assert asked["kucoin", "KALT-USDT", None]["universal"] == "ALT/USDT"
    assert asked["bitmart", "BTC_USDT", None]["universal"] == "BTC/USDT"
    assert asked["binance", "FOOBAR", None]["universal"] is None
    shown = answer("demo-mapper").out
    assert "One of them is many" in shown
    assert "Traceback" not in shown


def test_venues_are_asked_and_their_lists_kept(
    xetrade: Run,
    answer: Run,
    default_sim: Sim,  # noqa: F811
) -> None:
    venues = ("binance", "okx")
    variables = {f"XETRADE_VENUES__{one.upper()}__REST_URL": default_sim.url(one).rest for one in venues}
    variables["XETRADE_VENUES__BINANCEUSDM__REST_URL"] = "http://127.0.0.1:1"
    ran = xetrade("symbols", "fetch", "--exchange", "binance,okx,binanceusdm", "--json", **variables)
    assert ran.code == 1
    rows = {one["exchange"]: one for one in ran.json["venues"]}
    assert rows["okx"]["instruments"] > 0
    assert rows["okx"]["problem"] is None
    assert "127.0.0.1:1" in rows["binanceusdm"]["problem"]
    again = xetrade("symbols", "fetch", "--exchange", "binance,okx", "--json", **variables)
    assert again.code == 0
    mapped = answer("map", "--symbol", "BTC-USDT", "--exchange", "okx", "--json")
    assert mapped.json["reasons"][0]["reason"] == "exact listing"
    today = datetime.now(UTC)
    assert mapped.json["listed_on"] in {f"{today:%F}", f"{today - timedelta(minutes=5):%F}"}
    held = answer("lake", "query", "SELECT DISTINCT exchange FROM symbol_map ORDER BY 1", "--json")
    assert [row["exchange"] for row in held.json] == ["binance", "okx"]
    assert day_start(int(today.timestamp()) * 1_000_000_000) > DAY
