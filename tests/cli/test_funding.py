"""`xetrade funding`: live rates with what they mean, history, backfill, import, and every bad input in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.support.sim import Sim, sim_process
from xetrade_core.cli.main import main

SCENARIO = """
[venues.binance]
symbols = ["BTC/USDT"]
[venues.binanceusdm]
symbols = ["BTC/USDT:USDT"]
[venues.binancecoinm]
symbols = ["BTC/USD:BTC"]
[venues.okx]
symbols = ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT"]
[venues.max]
symbols = ["BTC/USDT"]
"""
Cli = Callable[..., Ran]


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def cli(sim: Sim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line within this process, with the simulated venues' addresses."""
    for name in [name for name in os.environ if name.startswith("XETRADE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    for venue in sim.venues:
        monkeypatch.setenv(f"XETRADE_VENUES__{venue.upper()}__REST_URL", sim.url(venue).rest)

    def run(*arguments: object) -> Ran:
        code = main(["funding", *(str(one) for one in arguments)])
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run


def test_the_name_of_the_exchange_means_its_perpetuals_and_says_so(cli: Cli) -> None:
    linear = cli("--venue", "binance", "--pair", "BTC-USDT")
    assert linear.code == 0
    assert "binance lists its perpetuals as binanceusdm" in linear.err
    assert "the rate is the venue's estimate so far" in linear.out
    inverse = cli("--venue", "binance", "--pair", "BTC-USD", "--json")
    assert [row["symbol"] for row in inverse.json["fundings"]] == ["BTC/USD:BTC"]


def test_several_venues_are_compared_and_those_without_funding_are_named(cli: Cli) -> None:
    ran = cli("--venues", "binanceusdm,okx,max", "--pair", "BTC-USDT", "--json")
    assert ran.code == 0
    rows = {row["venue"]: row for row in ran.json["fundings"]}
    assert set(rows) == {"binanceusdm", "okx"}
    for row in rows.values():
        assert row["apr"] == pytest.approx(row["rate"] * 365 * 24 * 3600 / row["interval_s"])
        assert row["apy"] == pytest.approx((1 + row["rate"]) ** (365 * 24 * 3600 / row["interval_s"]) - 1)
    assert rows["okx"]["predicted_means"]
    assert rows["binanceusdm"]["predicted_rate"] is None
    assert [row["venue"] for row in ran.json["failures"]] == ["max"]


def test_the_history_is_what_the_venue_paid(cli: Cli, sim: Sim) -> None:
    [row] = cli("--venue", "okx", "--pair", "BTC-USDT", "--history", "5d", "--json").json["fundings"]
    paid = {point["time_ms"]: point["rate"] for point in sim.funding("okx", "BTC/USDT:USDT")}
    assert len(row["history"]) in (14, 15, 16)
    for one in row["history"]:
        assert one["rate"] == paid[one["funding_ns"] // 1_000_000]
        assert one["interval_s"] == 8 * 3600


def test_a_backfill_fills_the_lake_once(cli: Cli) -> None:
    asked = ("backfill", "--venues", "binance,okx", "--pairs", "BTC-USDT", "--since", "2026-06-01", "--json")
    first, again = cli(*asked), cli(*asked)
    assert first.code == again.code == 0
    assert [row["plan"]["venue"] for row in first.json] == ["binanceusdm", "okx"]
    for before, after in zip(first.json, again.json, strict=True):
        assert before["stored"]["new"] == after["stored"]["unchanged"] > 500
        assert (after["stored"]["new"], after["stored"]["revised"], before["missing"]) == (0, 0, 0)


def test_a_file_is_imported_by_its_stated_zone(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("Date,Rate\n" + "".join(f"2024-01-0{day} 03:00:00,0.0001\n" for day in range(1, 8)))
    refused = cli("import", path, "--venue", "gate", "--pair", "BTC/USDT:USDT")
    assert refused.code == 2
    assert "--timezone" in refused.error
    ran = cli("import", path, "--venue", "gate", "--pair", "BTC/USDT:USDT", "--timezone", "+03:00")
    assert (ran.code, ran.out.split(":")[0]) == (0, "7 fundings of BTC/USDT")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--venue", "okx"), "name a pair with --pair"),
        (("--pair", "BTC-USDT"), "name a venue with --venue"),
        (("--venue", "okx", "--pair", "NOPE-USDT"), "unknown symbol 'NOPE-USDT' on okx"),
        (("--venue", "okx", "--pair", "ETH/USDT"), "ETH/USDT on okx is spot: only perpetual contracts are funded"),
        (("--venue", "max", "--pair", "BTC-USDT"), "MAX has no funding"),
        (("--venue", "bitmart", "--pair", "BTC-USDT"), "BitMart shut down on"),
        (("--venue", "nasdaq", "--pair", "BTC-USDT"), "unknown venue 'nasdaq'"),
        (("--venue", "okx", "--pair", "BTC-USDT", "--history", "long"), "--history = 'long'"),
        (("backfill", "--venues", "okx", "--pairs", ",", "--since", "2024-01-01"), "name at least one pair"),
        (("backfill", "--venues", "okx", "--pairs", "BTC-USDT", "--since", "2099-01-01"), "must be after --since"),
        (("backfill", "--venues", "okx", "--pairs", "BTC-USDT", "--since", "0001-01-01"), "--since = '0001-01-01'"),
        (("backfill", "--venues", "max", "--pairs", "BTC-USDT"), "MAX has no funding"),
        (("import", "nothing.csv", "--venue", "okx", "--pair", "BTC/USDT:USDT"), "cannot read nothing.csv"),
        (("import", "nothing.csv", "--venue", "okx", "--pair", "BTC/USDT"), "--pair = 'BTC/USDT' is not valid: a"),
        (("import", "nothing.csv", "--venue", "okx", "--pair", "BTC/USDT:USDT-261225"), "such as BTC/USDT:USDT"),
        (("import", "nothing.csv", "--venue", "O K", "--pair", "BTC/USDT:USDT"), "--venue = 'O K'"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    ran = cli(*arguments)
    assert ran.code == 2
    assert says in ran.error


def test_a_venue_that_is_down_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_VENUES__BYBIT__REST_URL", "http://127.0.0.1:1")
    ran = cli("--venue", "bybit", "--pair", "BTC-USDT", "--timeout", "3s")
    assert ran.code == 2
    assert "bybit" in ran.error
