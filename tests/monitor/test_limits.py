"""What is alarming about positions, told when it begins and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from xetrade_core.market_data.marks import Mark, MarkKind
from xetrade_core.monitor.accounts import Stated
from xetrade_core.monitor.limits import PositionLimits, Watchman, mismatch
from xetrade_core.monitor.view import totals, view
from xetrade_core.monitor.watch import Update
from xetrade_core.positions.book import Holder
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import streamed
from xetrade_core.telemetry import add_alarm_sink

HOLDER = Holder("binance", "main", "BTC/USDT", "maker")


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    alarms: list[dict[str, Any]] = []
    remove = add_alarm_sink(alarms.append)
    yield alarms
    remove()


def at(
    price: str | None, age_s: int = 0, stated: Stated | None = None, strategies: tuple[str, ...] = ("maker",)
) -> Update:
    """Two coins bought at 100, by each strategy, at a mark."""
    position = streamed(Payout.of_symbol("BTC/USDT"))
    position.trade(D(2), D(100))
    mark = None if price is None else Mark("binance", "BTC/USDT", D(price), MarkKind.MID, 0)
    rows = tuple(
        view(HOLDER._replace(strategy=one), position, mark, age_s * 10**9, 60, stated=stated) for one in strategies
    )
    return Update(1, age_s * 10**9, 0, rows, tuple(totals(rows)), (), results=tuple(totals(rows)))


def kinds(alarms: list[dict[str, Any]]) -> list[str]:
    return [one["alarm"] for one in alarms]


def test_a_position_that_is_too_large_is_told_once_until_it_was_not(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits(max_notional=D(210)))
    for price in ("100", "106", "107", "104", "106"):
        watchman.look(at(price))
    assert kinds(told) == ["position_too_large", "position_too_large"]
    assert told[0]["message"].startswith("BTC/USDT on binance main maker is worth 212 USDT, allowed is 210")


def test_a_drawdown_is_measured_from_the_best(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits(max_drawdown=D(20)))
    for price in ("100", "150", "141", "140", "139"):
        watchman.look(at(price))
    assert kinds(told) == ["position_drawdown"]
    assert told[0]["message"].startswith("positions in USDT are 22 below their best, allowed is 20")


def test_closing_a_position_is_no_drawdown_and_does_not_undo_one(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits(max_drawdown=D(20)))
    both = at("150", strategies=("maker", "taker"))
    watchman.look(both)
    watchman.look(replace(at("150"), results=both.results))  # one is closed: what it made is not lost
    assert kinds(told) == []
    lost = at("130", strategies=("maker", "taker"))
    for update in (lost, replace(lost, positions=(), totals=())):
        assert [one.kind for one in watchman.look(update)] == ["position_drawdown"]
    assert kinds(told) == ["position_drawdown"]


def test_old_and_missing_marks_are_told(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits())
    assert watchman.look(at("100", age_s=59)) == []
    watchman.look(at("100", age_s=61))
    assert "a mark of 61 s ago" in told[0]["message"]
    watchman.look(at("100"))
    watchman.look(at(None))
    assert kinds(told) == ["position_unmarked", "position_unmarked"]
    assert "has no mark" in told[1]["message"]
    assert Watchman(PositionLimits(fresh_marks=False)).look(at(None)) == []


def test_a_first_mark_that_may_still_come_is_not_missing(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits())
    assert watchman.look(replace(at(None), awaited=frozenset({"binance"}))) == []
    assert len(watchman.look(replace(at(None), awaited=frozenset({"okx"})))) == 1


def test_a_mark_near_the_price_of_liquidation_is_told_once_for_the_account(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits(min_liquidation_distance=D(10)))
    for price in ("100", "89", "88", "90", "88"):  # 80 is 10 % below 88.9
        watchman.look(at(price, stated=Stated(D(4), D(80)), strategies=("maker", "taker")))
    assert kinds(told) == ["position_near_liquidation"] * 2
    assert told[0]["message"] == (
        "BTC/USDT on binance main is 9.09 % from where the venue liquidates it (mark 88, liquidation 80), allowed is "
        "10 %: reduce it, or add margin"
    )


def test_a_short_is_near_from_below_and_past_its_price_it_is_still_told(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits(min_liquidation_distance=D(10)))
    found = [len(watchman.look(at(price, stated=Stated(D(-4), D(120))))) for price in ("100", "110", "125")]
    assert found == [0, 1, 1]
    assert kinds(told) == ["position_near_liquidation"]


@pytest.mark.parametrize("stated", [None, Stated(D(4), None), Stated(D(0), D(99))])
def test_what_no_venue_says_is_not_alarming(stated: Stated | None) -> None:
    limits = PositionLimits(min_liquidation_distance=D(10))
    assert Watchman(limits).look(at("100", stated=stated)) == []
    assert Watchman(PositionLimits()).look(at("100", stated=Stated(D(4), D(99)))) == []


def test_a_difference_to_the_venue_is_told_once_whatever_its_numbers(told: list[dict[str, Any]]) -> None:
    watchman = Watchman(PositionLimits())
    for words in ("1 here, 2 at the venue", "1 here, 3 at the venue"):
        watchman.look(replace(at("100"), mismatches=(f"okx/main BTC/USDT:USDT: {words}",)))
    watchman.tell(mismatch("okx/main BTC/USDT:USDT: 1 here, 4 at the venue"))
    assert kinds(told) == ["position_mismatch"]
    assert told[0]["message"].startswith("okx/main BTC/USDT:USDT: 1 here, 2 at the venue: compare")
