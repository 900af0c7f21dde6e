"""`xetrade position` and `xetrade monitor`, over an order store and simulated venues."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.monitor.conftest import Trade, reach, sim, store, trade
from tests.support.sim import Sim
from xetrade_core.model.orders import Side

__all__ = ["reach", "sim", "store", "trade"]

Run = Callable[..., Ran]


@pytest.fixture
def ask(answer: Run, sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The commands on that store, at the marks of the simulated venues."""

    def run(*arguments: object) -> Ran:
        for venue in sim.venues:
            monkeypatch.setenv(f"XETRADE_VENUES__{venue.upper()}__REST_URL", sim.url(venue).rest)
        monkeypatch.setenv("XETRADE_TRADING__STORE", f"sqlite:///{tmp_path}/orders.db")
        return answer(*arguments)

    return run


def test_the_positions_of_an_account(ask: Run, trade: Trade) -> None:
    trade(("0.5", "50000"), fee={"fee": _d("0.0001"), "fee_currency": "BTC"})
    trade(("2", "3000"), symbol="ETH/USDT", side=Side.SELL, strategy="")
    trade(("1", "3000"), account="second")
    found = ask("position", "--account", "main", "--json").json
    rows = {row["symbol"]: row for row in found["positions"]}
    assert set(rows) == {"BTC/USDT", "ETH/USDT"}
    btc = rows["BTC/USDT"]
    assert (btc["side"], btc["quantity"], btc["entry"], btc["fees"]) == ("long", "0.4999", "50000", "5")
    assert (btc["mark_kind"], btc["mark_stale"], btc["settle"]) == ("mid", False, "USDT")
    assert rows["ETH/USDT"]["side"] == "short"
    assert [(total["settle"], total["positions"]) for total in found["totals"]] == [("USDT", 2)]


def test_the_position_of_an_order_by_either_id(ask: Run, trade: Trade) -> None:
    trade(("1", "40000"))
    one = trade(("0.5", "50000"))
    by_ours = ask("position", "--order-id", one.client_id, "--json").json
    by_theirs = ask("position", "--venue", "binance", "--pair", "BTC-USDT", "--order-id", "v2", "--json").json
    assert by_ours["positions"][0]["quantity"] == by_theirs["positions"][0]["quantity"] == "0.5"
    assert by_ours["order"] == by_theirs["order"] == {"client_id": one.client_id, "venue_order_id": "v2"}


def test_a_monitor_prints_a_line_of_json_an_update(ask: Run, trade: Trade) -> None:
    trade(("0.5", "50000"))
    ran = ask("monitor", "--pair", "BTCUSDT", "--interval", "0.05", "--max-updates", "3", "--json")
    assert [json.loads(line)["number"] for line in ran.out.splitlines()] == [1, 2, 3]


def test_a_limit_of_the_settings_is_told_unless_the_command_has_another(
    ask: Run, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(("0.5", "50000"))
    monkeypatch.setenv("XETRADE_MONITOR__MAX_NOTIONAL", "1000")
    once = ("monitor", "--max-updates", "1", "--json")
    assert "BTC/USDT on binance main maker is worth" in ask(*once).err
    assert "is worth" not in ask(*once, "--max-notional", "1000000").err


def test_every_move_of_a_mark_is_a_line_where_that_is_asked_for(ask: Run, trade: Trade) -> None:
    trade(("0.5", "50000"))
    ran = ask("monitor", "--on-change", "--max-updates", "3", "--json")
    marks = [json.loads(line)["positions"][0]["mark"] for line in ran.out.splitlines()]
    assert len(marks) == 3
    assert marks[0] != marks[1] != marks[2]


def test_people_get_a_table(ask: Run, trade: Trade) -> None:
    trade(("0.5", "50000"), fee={"fee": _d("0.01"), "fee_currency": "BNB"})
    shown = ask("position").out
    assert "BTC/USDT" in shown
    assert "long" in shown
    assert "fees in BNB are not in it" in shown


def test_a_strategy_that_has_not_traded_is_told_beside_those_that_have(ask: Run, trade: Trade) -> None:
    """It may yet: so that is no mistake."""
    trade(("1", "100"))
    trade(("1", "100"), strategy="")
    ran = ask("position", "--strategy", "makre", "--json")
    assert (ran.code, ran.json["positions"]) == (0, [])
    assert ran.err == "strategy 'makre' has not traded yet: those that have are maker\n"
    assert ask("position", "--strategy", "maker", "--json").err == ""


def test_a_sum_of_what_has_no_mark_is_not_known(
    ask: Run, answer: Run, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(("0.5", "50000"))
    ask("position")
    monkeypatch.setenv("XETRADE_VENUES__BINANCE__REST_URL", "http://127.0.0.1:9")
    ran = answer("position", "--timeout", "300ms")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "net in USDT of 1 not known")
    assert ran.err.startswith("binance left out: ")


def test_a_venue_that_does_not_answer_is_told_once_and_is_in_each_update(
    ask: Run, answer: Run, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(("0.5", "50000"))
    ask("position")
    monkeypatch.setenv("XETRADE_VENUES__BINANCE__REST_URL", "http://127.0.0.1:9")
    ran = answer("monitor", "--interval", "50ms", "--max-updates", "3", "--timeout", "5s", "--json")
    assert [[one["venue"] for one in json.loads(line)["failures"]] for line in ran.out.splitlines()] == [
        ["binance"]
    ] * 3
    assert ran.err.count("binance left out: ") == 1


def test_nothing_to_show_is_said(ask: Run, trade: Trade) -> None:
    trade(("1", "100"))
    trade(("1", "150"), side=Side.SELL, at_ns=2_000)
    assert "no open position: all are closed; --flat shows them" in ask("position").out
    assert ask("position", "--flat", "--json").json["positions"][0]["net"] == "50"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("position", "--order-id", "nonsense"), "unknown order 'nonsense'"),
        (("position", "--order-id", "v1", "--pair", "ETH-USDT"), "order v1 is of BTC/USDT"),
        (("position", "--pair", "DOGE-USDT"), "--pair = 'DOGE-USDT' is not valid: fills are of BTC/USDT"),
        (("position", "--account", "nobody"), "account = 'nobody' is not valid: one that has traded or is in the"),
        (("position", "--venue", "nowhere"), "unknown venue 'nowhere'"),
        (("monitor", "--interval", "never"), "--interval = 'never' is not valid"),
        (("monitor", "--max-updates", "0"), "--max-updates"),
        (("position", "--store", "mysql://x/y"), "mysql"),
        (("monitor", "--min-liquidation-distance", "0"), "--min-liquidation-distance = '0' is not valid"),
        (("position", "--store", "none.db"), "trading.store = 'none.db' is not valid: there is no order store yet"),
    ],
)
def test_a_mistake_is_one_line(ask: Run, trade: Trade, arguments: tuple[str, ...], says: str) -> None:
    trade(("1", "100"))
    ran = ask(*arguments)
    assert ran.code == 2
    assert says in ran.error


def _d(text: str) -> object:
    from decimal import Decimal

    return Decimal(text)
