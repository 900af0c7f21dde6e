"""`best`, `l2` and `impact` against simulated venues, and what they say of every bad input."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.cli.conftest import Ran, clean_environment
from tests.support.sim import Sim, sim_process
from xetrade_core.cli import output
from xetrade_core.cli.main import main
from xetrade_core.model.contracts import Contract

NOWHERE = "http://127.0.0.1:1"
SCENARIO = "".join(
    f'[venues.{venue}]\nsymbols = ["{symbol}", "{other}"]\n'
    for venue, symbol, other in (
        ("binance", "BTC/USDT", "ETH/USDT"),
        ("okx", "BTC/USDT", "BTC/USDT:USDT"),
        ("binanceusdm", "BTC/USDT:USDT", "ETH/USDT:USDT"),
    )
)
BOOK = {"bids": [["99.5", "1"], ["99", "3"]], "asks": [["100.5", "1.25"], ["101.25", "0.5"]]}

PAIR = ("--venue", "binance", "--pair", "BTC-USDT")

Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line within this process, so that ccxt is imported once."""
    for name in [name for name in os.environ if name.startswith("XETRADE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, **variables: str) -> Ran:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main([str(one) for one in arguments])
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run


def addresses(sim: Sim) -> dict[str, str]:
    """The variables that point at the simulated venues."""
    return {
        f"XETRADE_VENUES__{venue.upper()}__{kind}_URL": url
        for venue in sim.venues
        for kind, url in (("REST", sim.url(venue).rest), ("WS", sim.url(venue).ws))
    }


@pytest.fixture
def market(cli: Cli, sim: Sim) -> Cli:
    """`cli` with the simulated venues in the settings."""
    return lambda *arguments, **variables: cli(*arguments, **{**addresses(sim), **variables})


@pytest.mark.parametrize("pair", ["BTC-USDT", "BTC/USDT", "BTCUSDT", "btc-usdt"])
def test_the_best_of_two_venues_however_the_pair_is_written(market: Cli, pair: str) -> None:
    got = market("best", "--pair", pair, "--venues", "binance,okx", "--json").json
    assert (got["symbol"], got["failures"]) == ("BTC/USDT", [])
    assert [row["venue"] for row in got["quotes"]] == ["binance", "okx"]
    assert got["bid"] == max(row["bid"] for row in got["quotes"])
    assert got["ask"] == min(row["ask"] for row in got["quotes"])
    assert [row["venue"] for row in got["quotes"] if row["bid"] == got["bid"]] == sorted(got["bid_venues"])
    crossed = got["bid"] > got["ask"]
    assert got["state"] == ("crossed" if crossed else "locked" if got["bid"] == got["ask"] else "normal")
    assert all(0 <= row["age_s"] < 10 and row["excluded"] is None for row in got["quotes"])


def test_a_venues_own_id_is_a_pair_too(market: Cli) -> None:
    got = market("best", "--pair", "BTC-USDT-SWAP", "--venues", "okx", "--json").json
    assert got["symbol"] == "BTC/USDT:USDT"


def test_the_best_as_a_table_names_holders_ages_and_who_was_left_out_and_why(market: Cli) -> None:
    ran = market("best", "--pair", "BTC-USDT", "--venues", "binance,okx,binanceusdm")
    assert ran.code == 0
    assert "BTC/USDT across venues, sizes in BTC" in ran.out
    assert "age s" in ran.out
    assert "best bid " in ran.out
    assert "binanceusdm left out: unknown symbol 'BTC-USDT' on binanceusdm: it is BTC/USDT:USDT there" in ran.err


def test_without_venues_those_of_the_settings_are_asked(market: Cli) -> None:
    got = market("best", "--pair", "BTC/USDT:USDT", "--json").json
    assert {row["venue"] for row in got["quotes"]} == {"okx", "binanceusdm"}
    assert [row["venue"] for row in got["failures"]] == ["binance"]


def test_a_venue_that_is_down_leaves_a_partial_answer(market: Cli) -> None:
    down = {"XETRADE_VENUES__OKX__REST_URL": NOWHERE}
    ran = market("best", "--pair", "BTC-USDT", "--venues", "okx,binance", "--json", **down)
    assert (ran.code, ran.json["bid_venues"]) == (0, ["binance"])
    [failure] = ran.json["failures"]
    assert failure["venue"] == "okx"
    alone = market("best", "--pair", "BTC-USDT", "--venues", "okx", **down)
    assert (alone.code, "okx" in alone.error) == (2, True)


def test_a_stream_that_cannot_be_opened_says_why(market: Cli) -> None:
    ran = market(
        "l2", "--venue", "okx", "--pair", "BTC-USDT", "--timeout", "2s", XETRADE_VENUES__OKX__WS_URL="ws://127.0.0.1:1"
    )
    assert ran.code == 2
    *warnings, line = ran.err.strip().splitlines()
    assert line.startswith("error: okx gave no book in time: ")
    assert "127.0.0.1:1" in line
    assert len(warnings) <= 1, "the same failure is told once"


def test_a_fallback_stands_in_for_a_venue_that_is_down_and_is_named(market: Cli) -> None:
    down = {"XETRADE_VENUES__OKX__REST_URL": NOWHERE}
    arguments = ("--venue", "okx", "--pair", "BTC-USDT", "--fallback", "binance", "--json")
    ladder = market("l2", "--via", "rest", *arguments, **down)
    assert (ladder.code, ladder.json["venue"]) == (0, "binance")
    assert ladder.err.startswith("okx left out: ")
    impact = market("impact", "--side", "buy", "--base", "0.1", *arguments, **down)
    assert (impact.code, impact.json["venue"], impact.json["filled"]) == (0, "binance", True)
    for told in (ladder.json, impact.json):
        assert [row["venue"] for row in told["failures"]] == ["okx"]
        assert "127.0.0.1:1" in told["failures"][0]["reason"]
    assert (impact.json["base_currency"], impact.json["quote_currency"]) == ("BTC", "USDT")


def test_quotes_older_than_the_limit_do_not_count(market: Cli) -> None:
    got = market("best", "--pair", "BTC-USDT", "--venues", "binance,okx", "--max-age", "0.000000001", "--json").json
    assert (got["bid"], got["state"]) == (None, "empty")
    assert {row["excluded"] for row in got["quotes"]} == {"stale"}


def test_the_best_is_followed_over_the_streams_a_line_each_time(market: Cli) -> None:
    arguments = ("best", "--pair", "BTC-USDT", "--venues", "binance,okx", "--watch", "--every", "200ms")
    ran = market(*arguments, "--duration", "1s", "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert 3 <= len(lines) <= 6
    assert all(line["bid"] is not None and line["failures"] == [] for line in lines)
    assert len({json.dumps(line) for line in lines}) > 1
    shown = market(*arguments, "--duration", "500ms").out.splitlines()
    assert all(line.startswith("best bid ") for line in shown)


def test_a_venue_that_ceases_to_count_while_it_is_followed_is_named(market: Cli, sim: Sim) -> None:
    arguments = ("best", "--pair", "BTC-USDT", "--venues", "binance,okx", "--watch", "--every", "100ms")
    failing = threading.Timer(1.0, lambda: sim.inject(kind="disconnect", venue="okx", for_=1.0))
    failing.start()
    try:
        ran = market(*arguments, "--duration", "4s")
    finally:
        failing.join()
        sim.clear()
    said = [line for line in ran.err.splitlines() if line.startswith("okx ")]
    assert said[0].startswith("okx does not count: ")
    assert said[-1] == "okx counts again"
    assert len(said) < 10, "each change once"


def test_following_ends_well_on_an_interrupt(sim: Sim, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xetrade_core.cli", "best", "--pair", "BTC-USDT", "--venues", "binance", "--watch"]
    process = subprocess.Popen(
        [*command, "--json"],
        cwd=tmp_path,
        env=clean_environment(**addresses(sim)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["symbol"] == "BTC/USDT"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize("via", ["rest", "stream"])
def test_one_venues_book_over_rest_or_stream(market: Cli, sim: Sim, via: str) -> None:
    got = market("l2", "--venue", "binance", "--pair", "BTC-USDT", "--depth", 7, "--via", via, "--json").json
    assert (got["venue"], got["symbol"], len(got["bids"]), len(got["asks"])) == ("binance", "BTC/USDT", 7, 7)
    assert sim.truth("binance", "BTC/USDT", got["sequence"], 7)["bids"] == got["bids"]


@pytest.mark.parametrize(
    ("symbol", "size", "unit"),
    [
        ("BTC/USDT", "1", "BTC"),
        ("BTC/USDT:USDT", "1", "BTC"),
        ("BTC/USDT:USDT", "0.001", "contracts of 0.001 BTC"),
        ("BTC/USD:BTC", "100", "contracts of 100 USD"),
        ("BTC/USD:BTC", "1", "USD"),
    ],
)
def test_a_book_says_what_its_sizes_count(symbol: str, size: str, unit: str) -> None:
    assert Contract.of(symbol, Decimal(size)).unit(symbol) == unit


@pytest.mark.parametrize("width", [45, 60, 80, 200])
def test_words_are_broken_on_a_narrow_terminal_before_a_number_is(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # it would count before the width
    monkeypatch.setattr(output, "WIDTH", width)
    columns, numbers = ("venue", "bid price", "ask size in base currency", "why"), {1, 2}
    rows = [("kucoinfutures", "61,800.12", "0.12345678", "crossed within the venue, and too old")] * 2
    assert output.fits(columns, rows, numbers)
    with io.StringIO() as written:
        Console(file=written, width=width).print(output.table("t", columns, rows, numbers=numbers))
        shown = written.getvalue()
    assert shown.count("61,800.12") == shown.count("0.12345678") == 2
    assert all(len(line) <= width for line in shown.splitlines())


def test_several_venues_are_one_ladder(market: Cli) -> None:
    arguments = ("l2", "--venues", "binance,okx", "--pair", "BTC-USDT", "--depth", 8, "--via", "rest")
    got = market(*arguments, "--json").json
    assert got["venues"] == ["binance", "okx"]
    assert [level["price"] for level in got["bids"]] == sorted((row["price"] for row in got["bids"]), reverse=True)
    for level in got["asks"]:
        assert level["size"] == pytest.approx(sum(size for _, size in level["shares"]))
    assert 0 < got["bid_known"] <= 8
    shown = market(*arguments).out
    assert "BTC/USDT on binance, okx, sizes in BTC" in shown
    assert "levels are complete" in shown


def test_the_impact_on_one_venue_is_that_of_its_book(market: Cli) -> None:
    got = market(
        "impact", "--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--quote", 50_000, "--json"
    ).json
    assert (got["venue"], got["symbol"], got["filled"], got["unfilled"]) == ("binance", "BTC/USDT", True, 0)
    assert got["average_price"] == pytest.approx(got["quote"] / got["base"])
    assert got["mid"] < got["best_price"] <= got["average_price"] <= got["worst_price"]
    assert 0 <= got["slippage_touch_bps"] <= got["slippage_mid_bps"]


def test_several_venues_are_compared_alone_and_together(market: Cli) -> None:
    arguments = ("impact", "--venues", "binanceusdm,okx", "--pair", "BTC/USDT:USDT", "--side", "sell", "--base", "3")
    got = market(*arguments, "--json").json
    assert [row["venue"] for row in got["venues"]] == ["binanceusdm", "okx"]
    usdm, okx = got["venues"]
    assert (usdm["size"], okx["size"]) == (pytest.approx(3), pytest.approx(300)), "contracts of 1 and of 0.01 BTC"
    assert got["together"]["quote"] >= max(usdm["quote"], okx["quote"]) - 1e-6
    assert "together" in market(*arguments).out


def test_a_thin_book_fills_in_part_unless_all_of_it_is_required(market: Cli) -> None:
    arguments = ("impact", "--venue", "binance", "--pair", "BTC-USDT", "--side", "buy", "--base", "1e6")
    ran = market(*arguments, "--json")
    assert (ran.code, ran.json["filled"]) == (0, False)
    assert ran.json["base"] + ran.json["unfilled"] == pytest.approx(1e6)
    assert "would stay unfilled" in market(*arguments).out
    strict = market(*arguments, "--require-full")
    assert strict.code == 2
    assert "BTC/USDT on binance is too thin" in strict.error


def test_a_book_in_a_file_is_reckoned_exactly(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.json").write_text(json.dumps(BOOK))
    got = cli("impact", "--book", "book.json", "--side", "Buy", "--base", "1.50", "--json").json
    assert (got["asked"], got["slippage_mid_bps"]) == ("1.5", "62.5"), "no zeros at the end"
    assert {name: got[name] for name in ("side", "unit", "levels", "filled")} == {
        "side": "buy", "unit": "base", "levels": 2, "filled": True,
    }  # fmt: skip
    assert all(isinstance(got[name], str) for name in ("base", "quote", "average_price", "mid", "unfilled"))
    assert Decimal(got["quote"]) == Decimal("1.25") * Decimal("100.5") + Decimal("0.25") * Decimal("101.25")
    assert Decimal(got["average_price"]) == Decimal("100.625")
    assert (Decimal(got["mid"]), Decimal(got["slippage_mid_bps"])) == (100, Decimal("62.5"))
    thin = cli("impact", "--book", "book.json", "--side", "sell", "--quote", "500", "--json")
    assert (thin.code, Decimal(thin.json["unfilled"])) == (0, Decimal("103.5"))
    inverse = ("--pair", "BTC/USD:BTC", "--contract-size", "100")
    got = cli("impact", "--book", "book.json", "--side", "buy", "--quote", "100", *inverse, "--json").json
    assert (got["size"], Decimal(got["base"])) == ("1", Decimal(100) / Decimal("100.5"))
    assert "file" in cli("impact", "--book", "book.json", "--side", "buy", "--base", "1.5").out
    option = ("--pair", "BTC/USD:BTC-261225-90000-C")
    got = cli("impact", "--book", "book.json", "--side", "buy", "--base", "1", *option, "--json").json
    assert (got["base_currency"], got["quote_currency"]) == ("BTC", "BTC"), "its premium is paid in its base"
    (tmp_path / "empty.json").write_text(json.dumps({**BOOK, "asks": []}))
    empty = cli("impact", "--book", "empty.json", "--side", "buy", "--base", "1")
    assert (empty.code, empty.error) == (2, "error: empty.json has no asks to buy from")
    assert cli("impact", "--book", "empty.json", "--side", "sell", "--base", "1").code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("best", "--pair", "BTC-NOPE", "--venues", "binance"), "unknown symbol 'BTC-NOPE' on binance"),
        (("best", "--pair", "BTC-NOPE", "--venues", "binance,okx"), "no venue gave a book of BTC-NOPE"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance,nasdaq"), "unknown venue 'nasdaq'"),
        (("best", "--pair", "BTC-USDT", "--venues", "nasdaq", "--watch"), "unknown venue 'nasdaq'"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance", "--timeout", "soon"), "--timeout = 'soon'"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance", "--max-age", "-1"), "--max-age = '-1'"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance", "--via", "mail"), "--via = 'mail'"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance", "--every", "2s"), "--every goes with --watch"),
        (("best", "--pair", "BTC-USDT", "--venues", "binance", "--duration", "2s"), "--duration goes with --watch"),
        (("l2", "--pair", "BTC-USDT"), "name a venue with --venue"),
        (("l2", "--pair", "ETH-USDT", "--venue", "okx", "--via", "rest"), "unknown symbol 'ETH-USDT' on okx"),
        (("l2", *PAIR, "--venues", "okx", "--at", "2026-01-01"), "--at shows the recorded book of one venue"),
        (("l2", *PAIR, "--venues", "okx", "--fallback", "bybit"), "--fallback goes with one venue"),
        (("l2", *PAIR, "--fallback", "nasdaq", "--timeout", "1ms"), "unknown venue 'nasdaq'"),
        (("impact", *PAIR, "--side", "buy", "--quote", "-5"), "--quote = '-5' is not valid: a positive number"),
        (("impact", *PAIR, "--side", "buy", "--base", "0"), "--base = '0' is not valid"),
        (("impact", *PAIR, "--side", "buy", "--base", "nan"), "--base = 'nan' is not valid"),
        (("impact", *PAIR, "--side", "buy", "--base", "1", "--quote", "1"), "--base or as --quote, one of them"),
        (("impact", *PAIR, "--side", "buy"), "--base or as --quote, one of them"),
        (("impact", *PAIR, "--side", "hold", "--base", "1"), "--side = 'hold' is not valid: buy or sell"),
        (("impact", "--venue", "binance", "--side", "buy", "--base", "1"), "name the pair with --pair"),
        (("impact", "--pair", "BTC-USDT", "--side", "buy", "--base", "1"), "name a venue with --venue"),
        (("impact", "--book", "none.json", "--side", "buy", "--base", "1"), "--book = 'none.json' is not valid"),
        (("impact", "--book", "x", "--side", "buy", "--base", "1_0"), "--base = '1_0' is not valid"),
        (("impact", "--book", "x", "--side", "buy", "--base", "1", *PAIR), "--book is a book of its own"),
        (("impact", *PAIR, "--side", "buy", "--base", "1", "--contract-size", "1"), "goes with --book"),
    ],
)
def test_every_bad_input_is_one_clear_line(market: Cli, arguments: tuple[str, ...], says: str) -> None:
    ran = market(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.error


def test_a_silent_venue_is_late_at_the_deadline_and_no_later(market: Cli, sim: Sim) -> None:
    market("best", "--pair", "BTC-USDT", "--venues", "binance")
    sim.inject(kind="rest_delay", venue="okx", delay_s=30, for_=60)
    try:
        began = time.monotonic()
        ran = market("best", "--pair", "BTC-USDT", "--venues", "binance,okx", "--timeout", "2s", "--json")
        took_s = time.monotonic() - began
    finally:
        sim.clear()
    got: Any = ran.json
    assert got["bid_venues"] == ["binance"]
    assert [row["reason"] for row in got["failures"]] == ["okx gave no book of BTC-USDT within 2 s"]
    assert took_s < 4
