"""Two days of a list: what came, went, was renamed or changed its rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.symbols.test_mapping import instrument
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.changes import ChangeKind, compare

BTC = instrument("okx", "BTC-USDT", "BTC/USDT")
ETH = instrument("okx", "ETH-USDT", "ETH/USDT")
DATED = instrument("okx", "BTC-USDT-261127", "BTC/USDT:USDT-261127")


def told(
    before: list[Instrument], after: list[Instrument], day: str = "261128"
) -> list[tuple[str, str, object, object]]:
    return [(one.kind.value, one.venue_id, one.before, one.after) for one in compare(before, after, day)]


def test_equal_days_have_no_change() -> None:
    assert told([BTC, ETH], [ETH, BTC]) == []


def test_what_came_and_went_is_told_with_its_status() -> None:
    assert told([BTC], [ETH]) == [
        ("delisted", "BTC-USDT", "trading", None),
        ("listed", "ETH-USDT", None, "trading"),
    ]


def test_what_is_gone_after_its_expiry_has_expired() -> None:
    assert told([DATED], []) == [("expired", "BTC-USDT-261127", "trading", None)]
    assert told([DATED], [], day="261126") == [("delisted", "BTC-USDT-261127", "trading", None)]


def test_every_changed_rule_is_told_by_itself() -> None:
    later = replace(
        BTC,
        price_tick=Decimal("0.01"),
        lot=Decimal("0.5"),
        contract_size=Decimal(10),
        min_notional=Decimal("5.0"),
        status=InstrumentStatus.HALTED,
    )
    assert told([BTC], [later]) == [
        ("contract_size", "BTC-USDT", "1", "10"),
        ("lot", "BTC-USDT", "1", "0.5"),
        ("min_notional", "BTC-USDT", None, "5"),
        ("price_tick", "BTC-USDT", "0.1", "0.01"),
        ("status", "BTC-USDT", "trading", "halted"),
    ]


@pytest.mark.parametrize(
    "name", ["max_notional", "max_usd", "max_market_amount", "max_market_notional", "max_market_usd"]
)
def test_a_largest_value_is_a_change_only_where_the_day_before_kept_one(name: str) -> None:
    first, second = replace(BTC, **{name: Decimal(9000)}), replace(BTC, **{name: Decimal(5000)})
    assert told([BTC], [first]) == []
    assert told([first], [second]) == [(name, "BTC-USDT", "9000", "5000")]
    assert told([first], [BTC]) == [(name, "BTC-USDT", "9000", None)]


def test_a_number_written_otherwise_is_no_change() -> None:
    assert told([BTC], [replace(BTC, price_tick=Decimal("0.10"))]) == []


def test_a_new_id_of_the_same_symbol_is_one_rename() -> None:
    assert told([BTC], [replace(BTC, venue_id="XBT-USDT")]) == [("renamed", "XBT-USDT", "BTC-USDT", "XBT-USDT")]


def test_a_new_symbol_of_the_same_id_is_one_rename() -> None:
    assert told([BTC], [replace(BTC, symbol="WBTC/USDT")]) == [("renamed", "BTC-USDT", "BTC/USDT", "WBTC/USDT")]


rows = st.lists(
    st.builds(
        lambda name, tick: instrument("okx", f"{name}-USDT", f"{name}/USDT", price_tick=tick),
        st.sampled_from(["BTC", "ETH", "SOL", "DOGE"]),
        st.sampled_from([Decimal("0.1"), Decimal("0.01")]),
    ),
    unique_by=lambda row: row.venue_id,
)


@given(rows, rows)
def test_the_changes_lead_from_one_day_to_the_other_and_back(before: list[Instrument], after: list[Instrument]) -> None:
    forth, back = compare(before, after, "261128"), compare(after, before, "261128")
    ids = {row.venue_id: row for row in before}
    for change in forth:
        if change.kind is ChangeKind.LISTED:
            ids[change.venue_id] = next(row for row in after if row.venue_id == change.venue_id)
        elif change.kind is ChangeKind.DELISTED:
            del ids[change.venue_id]
        else:
            ids[change.venue_id] = replace(ids[change.venue_id], price_tick=Decimal(str(change.after)))
    assert ids == {row.venue_id: row for row in after}
    assert len(forth) == len(back)
