"""Positions as people see them, at terminals of every width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from xetrade_core.cli.output import console
from xetrade_core.cli.position_table import COLUMNS, amount_text, shown
from xetrade_core.market_data.marks import MarkKind
from xetrade_core.monitor.view import PositionView

Show = Callable[..., list[str]]

ONE = PositionView(
    "binanceusdm", "main", "BTC/USDT:USDT", "maker", "short", Decimal("-0.0312345"), Decimal("61801.61999997"),
    Decimal("61800.125"), MarkKind.MARK, 0.31, False, Decimal("1930.29"), Decimal("-0.00624375"), Decimal("12.5"),
    Decimal("3.0900125"), Decimal("-0.25"), Decimal("9.15374375"), None, "USDT", Decimal("95000"), Decimal("53.72"),
    unit="BTC",
)  # fmt: skip
OTHER = replace(
    ONE, venue="okx", account="second", strategy="", side="long", quantity=Decimal(5), unit="contracts of 0.01 BTC",
    mark_age_s=75.0, mark_stale=True, liquidation_distance=None,
)  # fmt: skip


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    def lines(width: int, *positions: PositionView) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        console().print(shown(0, positions))
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return lines


@pytest.mark.parametrize("width", [50, 80, 100, 120, 160, 240])
def test_what_was_asked_for_is_there_in_one_piece_at_every_width(show: Show, width: int) -> None:
    lines = show(width, ONE, OTHER)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in (
        "binanceusdm", "okx", "second", "BTC/USDT:USDT", "short", "long", "-0.0312345", "61,801.62", "61,800.125",
        "75.0 stale", "-0.00624375", "9.1537438",
    ):  # fmt: skip
        assert word in text, f"{word}\n{text}"


def test_a_wide_terminal_has_a_line_each(show: Show) -> None:
    assert sum("BTC/USDT:USDT" in line and "9.1537438" in line for line in show(240, ONE, OTHER)) == 2


def test_a_narrow_one_has_two_lines_each_and_says_once_what_is_the_same(show: Show) -> None:
    title, *lines = show(80, ONE, replace(OTHER, account="main"))
    assert title == "1970-01-01 00:00:00 UTC, account main, in USDT"
    [first, second] = [line for line in lines if line.split()[:1] == ["BTC/USDT:USDT"]]
    assert "61,801.62" in first
    assert lines[lines.index(second) + 1].split()[:5] == ["okx", "5", "x", "0.01", "BTC"]


def test_a_single_position_has_a_line_a_number(show: Show) -> None:
    _, head, *lines = show(80, ONE)
    assert head == "BTC/USDT:USDT on binanceusdm main"
    assert [line[2:14].strip() for line in lines] == list(COLUMNS[3:])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-6.93707896", "-6.937079"), ("1234567.891", "1,234,567.89"), ("0.00000809", "0.00000809"), ("0", "0"),
        ("100", "100"), ("123456789012", "123,456,789,012"),
    ],
)  # fmt: skip
def test_money_has_no_more_digits_than_help(value: str, text: str) -> None:
    assert amount_text(Decimal(value)) == text
