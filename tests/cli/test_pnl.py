"""`xetrade pnl`: eight decimal strings a case, from a file or a pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Run = Callable[..., Ran]

CASE = {
    "instrument": {"type": "linear", "multiplier": "1"},
    "fills": [
        {
            "side": "buy", "qty": "1", "price": "100", "fee": "0.1", "fee_currency": "USDT",
            "time": "2026-01-01T00:00:00Z",
        }
    ],
    "funding": [{"rate": "0.0001", "mark": "100", "time": "2026-01-01T08:00:00Z"}],
    "mark": "101",
}  # fmt: skip
RESULT = {
    "qty_signed": "1",
    "avg_entry": "100",
    "realized_pnl": "0",
    "realized_pnl_net_of_fees": "-0.1",
    "unrealized_pnl": "1",
    "fees": "0.1",
    "funding": "-0.01",
    "net_pnl": "0.89",
}


@pytest.fixture
def file(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        path = tmp_path / "fills.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_case_is_one_object_of_decimal_texts(answer: Run, file) -> None:
    assert answer("pnl", file(CASE), "--json").json == RESULT


def test_a_list_of_cases_is_a_list_of_objects(answer: Run, file) -> None:
    assert answer("pnl", file([CASE, CASE]), "--json").json == [RESULT, RESULT]
    assert answer("pnl", file([]), "--json").json == []


def test_the_mark_of_the_command_line_goes_before_the_files(answer: Run, file) -> None:
    assert answer("pnl", file(CASE), "--mark", "99", "--json").json["unrealized_pnl"] == "-1"
    assert "price above 0" in answer("pnl", file(CASE), "--mark", "-1").error


def test_what_is_not_known_is_null(answer: Run, file) -> None:
    found = answer("pnl", file({**CASE, "mark": None}), "--json").json
    assert (found["unrealized_pnl"], found["net_pnl"]) == (None, None)
    assert answer("pnl", file({"instrument": {"type": "spot"}}), "--json").json["avg_entry"] is None


def test_small_and_large_numbers_are_written_without_an_exponent(answer: Run, file) -> None:
    fills = [{"side": "buy", "qty": "1e12", "price": "1E-10"}]
    found = answer("pnl", file({"instrument": {"type": "spot"}, "fills": fills, "mark": 2e-10}), "--json").json
    assert found["qty_signed"] == "1000000000000"
    assert found["avg_entry"] == "0.0000000001"
    assert found["net_pnl"] == "100"


def test_the_method_can_be_chosen(answer: Run, file) -> None:
    fills = [{"side": side, "qty": 1, "price": price} for side, price in (("buy", 1), ("buy", 3), ("sell", 4))]
    case = {"instrument": {"type": "spot"}, "fills": fills}
    found = [
        answer("pnl", file(case), "--method", m, "--json").json["realized_pnl"] for m in ("average", "fifo", "lifo")
    ]
    assert found == ["2", "3", "1"]
    assert "average, fifo or lifo" in answer("pnl", file(case), "--method", "hifo").error


def test_a_table_is_for_people_with_a_row_a_side_in_hedge_mode(answer: Run, file) -> None:
    shown = answer("pnl", file(CASE)).out
    assert "0.89" in shown
    assert "USDT" in shown
    hedge = {**CASE, "fills": [{**CASE["fills"][0], "position": "long"}], "mark": None}
    shown = answer("pnl", file(hedge)).out
    assert [line.split()[0] for line in shown.splitlines() if line.split()[:1] in (["long"], ["short"])] == [
        "long",
        "short",
    ]
    assert "give one with --mark" in shown


def test_where_the_terminal_is_narrow_a_case_has_a_line_a_number(
    answer: Run, file, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = answer("pnl", file([{**CASE, "name": "worked"}, CASE])).out.splitlines()
    assert [lines[0], lines[10]] == ["worked", "case 2"]
    hedge = {**CASE, "fills": [{**CASE["fills"][0], "position": "long"}]}
    heads = [line for line in answer("pnl", file(hedge)).out.splitlines() if not line.startswith(" ")]
    assert heads == ["case 1", "case 1 long", "case 1 short"]
    assert dict(line.rsplit(maxsplit=1) for line in lines[1:10]) == {
        "  quantity": "1", "  avg entry": "100", "  realized": "0", "  fees": "0.1", "  net of fees": "-0.1",
        "  unrealized": "1", "  funding": "-0.01", "  net": "0.89", "  in": "USDT",
    }  # fmt: skip


def test_a_trade_that_was_exported_twice_counts_once_and_that_is_said(answer: Run, file) -> None:
    trade = {**CASE["fills"][0], "trade_id": "7"}
    ran = answer("pnl", file({**CASE, "fills": [trade, trade, {**trade, "trade_id": "8"}]}), "--json")
    assert ran.json["qty_signed"] == "2"
    assert "fills.json: 1 fill of the same id and numbers as another, counted once" in ran.err
    same_order = {**CASE, "fills": [trade, {**trade, "qty": "2"}, CASE["fills"][0], CASE["fills"][0]]}
    assert answer("pnl", file(same_order), "--json").json["qty_signed"] == "5"
    wrong = answer("pnl", file({**CASE, "fills": [trade, trade, {**trade, "fee_currency": "BNB"}]}))
    assert "fills[2].fee_currency = 'BNB'" in wrong.err


def test_a_pipe_is_read(answer: Run, file, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    with file(CASE).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert answer("pnl", "-", "--json").json == RESULT


def test_bad_input_is_one_line_and_exit_code_2(answer: Run, file) -> None:
    wrong = {**CASE, "fills": [{**CASE["fills"][0], "qty": "x"}]}
    ran = answer("pnl", file([CASE, wrong]), "--json")
    assert ran.code == 2
    assert "case 2: fills[0].qty = 'x' is not valid: a decimal number" in ran.error
    assert ran.json == {"error": ran.error.removeprefix("error: ")}
    missing = answer("pnl", f"nowhere{os.sep}fills.json")
    assert missing.code == 2
    assert "a file that can be read (No such file or directory)" in missing.error


def test_details_are_there_when_asked_for(answer: Run, file) -> None:
    case = {
        "instrument": {"symbol": "BTC/USDT:USDT"}, "fills": [{"side": "buy", "qty": "1", "price": "20000", "fee": 10}],
        "mark": "20200", "leverage": 50, "maintenance_rate": "0.005",
        "rates": {"EUR/USDT": {"price": "1.25", "time": "2026-01-01T00:00:00Z"}},
    }  # fmt: skip
    found = answer("pnl", file(case), "--details", "--in", "EUR", "--json").json
    assert (found["break_even"], found["margin"], found["return_on_margin"]) == ("20010", "400", "0.5")
    assert found["notional"] == "20200"
    assert found["fees_paid"] == {"USDT": "10"}
    assert found["lots"] == [{"qty_signed": "1", "entry": "20000"}]
    assert found["liquidation_price"].startswith("19698.49")
    assert found["in"] == {
        "currency": "EUR",
        "net_pnl": "152",
        "path": "USDT -> EUR at EUR/USDT 1.25",
        "as_of": "2026-01-01T00:00:00+00:00",
    }
    shown = answer("pnl", file(case), "--details", "--in", "EUR").out
    assert "breaks even at 20010" in shown
    assert "net 152 EUR (USDT -> EUR at EUR/USDT 1.25)" in shown
    wrong = answer("pnl", file(case), "--in", "JPY").error
    assert 'no rate leads from USDT to JPY: known are EUR/USDT; give "rates": {"JPY/USDT": "..."}' in wrong
    nameless = file({"instrument": {"type": "linear"}, "fills": []})
    assert "nothing tells what it settles in" in answer("pnl", nameless, "--in", "JPY").error


def test_details_in_hedge_mode_are_of_each_side(answer: Run, file) -> None:
    fills = [{"side": "buy", "qty": 1, "price": 100, "position": "long"}]
    found = answer("pnl", file({"instrument": {"type": "linear"}, "fills": fills}), "--details", "--json").json
    assert (found["long"]["break_even"], found["short"]["break_even"]) == ("100", None)
