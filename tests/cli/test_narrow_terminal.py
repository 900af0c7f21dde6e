"""Results on a narrow terminal: ids, times and numbers in one piece, and no line beyond its edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.cli import cross, output
from xetrade_core.cli.desk import show_rows

HISTORY = [
    {"time": "2026-11-28T14:38:08.916Z", "event": "ambiguous", "what": "no reply that says what came of it", "n": 3},
    {"time": "2026-11-28T14:38:09.001Z", "event": "accepted", "what": "order 1000011", "n": 4},
]


def shown(rows: list[dict[str, object]], width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        show_rows("history", rows)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_row_is_a_line_where_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(HISTORY, 100, capsys)
    assert [line.split()[0] for line in lines if "2026" in line] == [row["time"] for row in HISTORY]
    assert any("ambiguous  no reply that says what came of it  3" in line for line in lines)


def test_words_are_broken_before_anything_else(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(HISTORY, 72, capsys)
    assert max(map(len, lines)) <= 72
    assert any("2026-11-28T14:38:08.916Z  ambiguous  no reply that says what" in line for line in lines)


def test_too_narrow_for_that_each_row_stands_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(HISTORY, 60, capsys) == [
        "history",
        "time     2026-11-28T14:38:08.916Z",
        "  event  ambiguous",
        "  what   no reply that says what came of it",
        "  n      3",
        "time     2026-11-28T14:38:09.001Z",
        "  event  accepted",
        "  what   order 1000011",
        "  n      4",
    ]


@given(st.lists(st.fixed_dictionaries({
    "client id": st.from_regex(r"x[0-9a-v]{29}", fullmatch=True),
    "quantity": st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "reason": st.none() | st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=30).map(" ".join),
}), min_size=1, max_size=3), st.integers(60, 200))  # fmt: skip
def test_no_id_and_no_number_is_ever_broken(rows: list[dict[str, object]], width: int) -> None:
    import contextlib
    import io

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setenv("COLUMNS", str(width))
        show_rows("", rows)
    for row in rows:
        for name in ("client id", "quantity"):
            assert output.cell_text(row[name]) in said.getvalue()


def test_cross_orders_keep_their_keys_and_numbers_and_tell_the_rest_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    row = dict.fromkeys(cross.COLUMNS, "0") | {"key": "e649a4f4-f5e7-4ecc-93f6-86e4a2b9370b", "state": "unwound"}
    row |= {"buy": "binance/main BTC/USDT", "sell": "okx/main BTC/USDT", "quantity": "0.001", "filled": "0.001"}
    cross.show_all([row | {"unwound": "0.001", "base": "BTC", "result": "-0.5", "quote": "USDT"}])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    words = " ".join(said.split())
    assert "e649a4f4-f5e7-4ecc-93f6-86e4a2b9370b unwound buy 0.001 BTC on" in words
    assert "filled 0.001, unwound 0.001 result -0.5 USDT" in words
