"""The guard at the door: what each dataset lets in, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import pandera.errors
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.snapshots import gap_rows, snapshot_rows
from xetrade_core.errors import SchemaViolation
from xetrade_core.lake.dataset import LABEL, Column, Dataset
from xetrade_core.lake.schemas import DATASETS, L2_GAPS, L2_SNAPSHOTS
from xetrade_core.model.book_events import GapCause


def reason_for(**columns: Any) -> str | None:
    """Why one synced row with these columns is rejected; None if it is good."""
    split = L2_SNAPSHOTS.validate(snapshot_rows([0], **columns))
    assert len(split.good) + len(split.rejected) == 1
    return split.rejected.column("rejected_reason")[0].as_py() if len(split.rejected) else None


def test_good_rows_pass_unchanged() -> None:
    rows = snapshot_rows(range(50), unsynced=[3, 4])
    split = L2_SNAPSHOTS.validate(rows)
    assert split.good.equals(rows.cast(L2_SNAPSHOTS.schema))
    assert split.good.schema.equals(L2_SNAPSHOTS.schema, check_metadata=True)
    assert len(split.rejected) == 0


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"bid_price": [59_999.0, 60_000.0, 59_998.0]}, "bid_price is not sorted best first"),
        ({"bid_price": [59_999.0, 59_999.0, 59_998.0]}, "bid_price is not sorted best first"),
        ({"ask_price": [60_002.0, 60_001.0, 60_003.0]}, "ask_price is not sorted best first"),
        ({"bid_price": [70_000.0, 59_999.0, 59_998.0]}, "the book is crossed"),
        ({"bid_price": [60_000.5, 59_999.0, 59_998.0]}, "the book is crossed"),  # locked: bid = ask
        ({"bid_size": [1.0, 0.0, 1.0]}, "bid_size is not positive"),
        ({"ask_price": [-1.0, 60_001.0, 60_002.0]}, "ask_price is not positive"),
        ({"ask_size": [1.0, float("nan"), 1.0]}, "ask_size is not finite"),
        ({"ask_price": [60_001.0, 60_002.0, float("inf")]}, "ask_price is not finite"),
        ({"bid_size": [1.0, None, 1.0]}, "bid_size is not finite"),
        ({"bid_size": [1.0, 1.0]}, "bid_price and bid_size differ in length"),
        ({"bid_price": None}, "bid_price is null though the book is in sync"),
        ({"synced": False}, "bid_price is given though the book is not in sync"),
        ({"bid_known": None}, "bid_known is given though the book is not in sync, or missing though it is"),
        ({"ask_known": 4}, "ask_known is more than there are levels"),
        ({"sequence": -1}, "sequence is below 0"),
        ({"update_count": -1}, "update_count is below 0"),
        ({"book_epoch": None}, "book_epoch is null"),
        ({"timestamp": None}, "timestamp is null"),
        ({"symbol": None}, "symbol is null"),
        ({"symbol": ""}, "symbol is empty"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(columns: dict[str, Any], reason: str) -> None:
    assert reason in (reason_for(**columns) or "")


@pytest.mark.parametrize(
    "columns",
    [
        {"sequence": None},  # a venue without sequence ids
        {"exchange_timestamp": None},
        {"bid_price": [], "bid_size": [], "bid_known": 0},  # a one-sided book is thin, not wrong
        {"ask_price": [], "ask_size": [], "ask_known": 0},
        {"stale": True},
    ],
)
def test_what_may_be(columns: dict[str, Any]) -> None:
    assert reason_for(**columns) is None


def test_every_reason_of_a_row_is_told_and_its_neighbours_stay() -> None:
    rows = snapshot_rows(range(10)).to_pylist()
    rows[4]["sequence"] = -5
    rows[4]["bid_size"] = [-1.0, 1.0, 1.0]
    split = L2_SNAPSHOTS.validate(pa.Table.from_pylist(rows, L2_SNAPSHOTS.schema))
    assert split.rejected.column("rejected_reason").to_pylist() == ["sequence is below 0; bid_size is not positive"]
    assert len(split.good) == 9


def test_tables_with_other_columns_are_refused_whole() -> None:
    rows = snapshot_rows([0])
    with pytest.raises(SchemaViolation, match=r"missing \['synced'\]"):
        L2_SNAPSHOTS.validate(rows.drop_columns(["synced"]))
    with pytest.raises(SchemaViolation, match=r"unknown \['extra'\]"):
        L2_SNAPSHOTS.validate(rows.append_column("extra", pa.array([1])))
    with pytest.raises(SchemaViolation, match="cannot take this table"):
        L2_SNAPSHOTS.validate(rows.set_column(7, "synced", pa.array(["perhaps"])))


def test_columns_may_come_in_any_order_and_plain_types() -> None:
    rows = snapshot_rows(range(3))
    plain = rows.set_column(2, "symbol", rows.column("symbol").cast(pa.string()))
    assert L2_SNAPSHOTS.validate(plain.select(list(reversed(plain.column_names)))).good.equals(
        rows.cast(L2_SNAPSHOTS.schema)
    )


def test_a_sliced_table_is_judged_by_its_own_rows() -> None:
    rows = snapshot_rows(range(20), unsynced=[2, 11]).slice(5, 10)
    assert L2_SNAPSHOTS.validate(rows).good.equals(rows.cast(L2_SNAPSHOTS.schema))


def test_no_rows_are_good_rows() -> None:
    for dataset in DATASETS.values():
        split = dataset.validate(dataset.empty())
        assert (len(split.good), len(split.rejected)) == (0, 0)


def test_gaps_know_their_causes_and_do_not_run_backwards() -> None:
    good = gap_rows(*({"start": 0, "end": 0, "cause": cause.value, "gap_id": f"s-{cause}"} for cause in GapCause))
    assert len(L2_GAPS.validate(good).good) == len(GapCause)
    bad = gap_rows({"start": 5, "end": 4}, {"start": 0, "end": None, "cause": "bad luck"})
    reasons = L2_GAPS.validate(bad).rejected.column("rejected_reason").to_pylist()
    assert reasons == ["to_timestamp is before from_timestamp", "cause is not a known value"]


def test_every_column_says_what_it_means() -> None:
    for dataset in DATASETS.values():
        assert dataset.schema.metadata[b"grain"]
        for column in dataset.schema:
            assert column.metadata[b"description"], f"{dataset.name}.{column.name}"


SCALARS = [one for dataset in DATASETS.values() for one in dataset.columns if not pa.types.is_list(one.type)]


def values_of(column: Column) -> st.SearchStrategy[Any]:
    """Values of the column's type, good and bad."""
    if column.type in (LABEL, pa.string()):
        return st.none() | st.sampled_from(["", "BTC/USDT", *(column.one_of or ())])
    if pa.types.is_floating(column.type):
        return st.none() | st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, float("nan"), float("inf"), float("-inf")])
    if pa.types.is_boolean(column.type):
        return st.none() | st.booleans()
    return st.none() | st.integers(-2, 2)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_quick_look_lets_nothing_pass_that_pandera_refuses(data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(SCALARS))
    values = pa.chunked_array([pa.array(data.draw(st.lists(values_of(column), max_size=5)), column.type)])
    schema = Dataset("one", "", "", "", (column,)).pandera_schema
    refused = False
    try:
        schema.validate(pa.table({column.name: values}).to_pandas(date_as_object=False))
    except pandera.errors.SchemaError:
        refused = True
    assert not (column.surely_holds(values) and refused)


def test_good_rows_need_the_quick_look_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dataset, "pandera_schema", None)
    rows = snapshot_rows(range(50), unsynced=[3, 4])
    assert len(L2_SNAPSHOTS.validate(rows).good) == 50
    assert len(L2_GAPS.validate(gap_rows({"start": 1, "end": 5})).rejected) == 0
