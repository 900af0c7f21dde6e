"""Funding in the lake: fetched again it changes nothing, unless the venue has changed it; then it says so."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from xetrade_core.errors import LakeConflict
from xetrade_core.lake import day_tables
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.funding_days import store_fundings, store_quotes
from xetrade_core.lake.funding_schemas import FUNDING_QUOTES, FUNDING_RATES, FUNDING_REVISIONS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.funding import FundingQuote, SettledFunding

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
START = 20_500 * DAY
NOW = START + 9 * DAY
VENUE, BTC = "okx", "BTC/USDT:USDT"


def funding(index: int, rate: float = 0.0001, symbol: str = BTC, interval_h: float | None = 8) -> SettledFunding:
    """The funding `index` periods of eight hours after START."""
    at = START + index * 8 * HOUR
    apr = None if interval_h is None else rate * 365 * 24 / interval_h
    return SettledFunding(VENUE, symbol, at, at + 5_000_000, rate, interval_h and interval_h * 3600.0, apr)


def rows(store: ObjectStore, name: str, day: int = 0) -> list[object]:
    table = read_day(store, FUNDING_RATES, VENUE, START + day * DAY)
    return [] if table is None else table.column(name).to_pylist()


def versions(store: ObjectStore) -> dict[str, str]:
    return {info.key: info.etag for info in store.list("funding_")}


def test_rows_are_kept_by_day_in_order_of_symbol_and_time(store: ObjectStore) -> None:
    given = [funding(4), funding(1, symbol="ETH/USDT:USDT"), funding(1), funding(0)]
    stored = store_fundings(store, VENUE, given, NOW)
    assert (stored.new, stored.days_changed) == (4, [START, START + DAY])
    assert rows(store, "symbol") == [BTC, BTC, "ETH/USDT:USDT"]
    assert rows(store, "revision") == [0, 0, 0]
    assert rows(store, "exchange_timestamp", 1)[0].value == funding(4).stated_ns  # type: ignore[attr-defined]


def test_the_same_rows_again_leave_every_file_as_it_is(store: ObjectStore) -> None:
    given = [funding(index) for index in range(9)]
    store_fundings(store, VENUE, given, NOW)
    before = versions(store)
    stored = store_fundings(store, VENUE, given, NOW + DAY)
    assert (stored.unchanged, stored.new, stored.days_changed) == (9, 0, [])
    assert versions(store) == before


def test_a_rate_that_the_venue_changed_is_the_next_revision_and_the_old_one_is_kept(local_store: ObjectStore) -> None:
    store_fundings(local_store, VENUE, [funding(0), funding(1)], NOW)
    stored = store_fundings(local_store, VENUE, [funding(0, 0.0002), funding(1)], NOW + DAY)
    assert (stored.revised, stored.unchanged, stored.days_changed) == (1, 1, [START])
    assert [(one["rate_before"], one["rate_after"]) for one in stored.revisions] == [(0.0001, 0.0002)]
    store_fundings(local_store, VENUE, [funding(0, 0.0003)], NOW + 2 * DAY)
    assert rows(local_store, "rate") == [0.0003, 0.0001]
    assert rows(local_store, "revision") == [2, 0]
    ledger = read_day(local_store, FUNDING_REVISIONS, VENUE, START)
    assert ledger is not None
    assert ledger.column("rate_before").to_pylist() == [0.0001, 0.0002]
    assert ledger.column("revision").to_pylist() == [1, 2]


def test_what_is_learnt_later_is_added_without_a_revision(local_store: ObjectStore) -> None:
    store_fundings(local_store, VENUE, [funding(0, interval_h=None)], NOW)
    stored = store_fundings(local_store, VENUE, [replace(funding(0), mark_price=60_000.0)], NOW + DAY)
    assert (stored.refined, stored.revised) == (1, 0)
    assert rows(local_store, "interval_s") == [28_800.0]
    assert rows(local_store, "mark_price") == [60_000.0]
    again = store_fundings(local_store, VENUE, [funding(0, interval_h=None)], NOW + DAY)
    assert again.unchanged == 1  # what was known is not forgotten


def test_a_row_that_the_venue_shows_no_more_is_kept(local_store: ObjectStore) -> None:
    store_fundings(local_store, VENUE, [funding(0), funding(1)], NOW)
    store_fundings(local_store, VENUE, [funding(1)], NOW)
    assert len(rows(local_store, "rate")) == 2


def test_a_file_never_overrides_the_venue_and_the_venue_always_a_file(local_store: ObjectStore) -> None:
    store_fundings(local_store, VENUE, [funding(0, 0.5), funding(1)], NOW, source="file")
    stored = store_fundings(local_store, VENUE, [funding(0), funding(1)], NOW)
    assert (stored.revised, stored.unchanged) == (1, 1)
    assert rows(local_store, "source") == ["venue", "file"]
    refused = store_fundings(local_store, VENUE, [funding(0, 0.5)], NOW, source="file")
    assert (refused.overruled, refused.days_changed) == (1, [])
    assert rows(local_store, "rate") == [0.0001, 0.0001]


def test_impossible_rows_are_refused_with_their_reasons(local_store: ObjectStore) -> None:
    odd = replace(funding(2), funding_ns=funding(2).funding_ns + 1_000_000_000)
    wrong_apr = replace(funding(1), apr=0.5)
    stored = store_fundings(local_store, VENUE, [funding(0), wrong_apr, odd, funding(0, 7.0, "X/USDT:USDT")], NOW)
    assert (stored.new, stored.rejected) == (1, 3)
    [info] = local_store.list("funding_rates_rejected/")
    from xetrade_core.lake import parquet

    refused = parquet.from_bytes(local_store.read(info.key), info.key).column("rejected_reason").to_pylist()
    assert refused == [
        "apr is not that of rate and interval_s",
        "timestamp is not on a full minute",
        "rate is above 1",
    ]


def test_another_runs_rows_are_merged_and_not_undone(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes the day after it was read and before it is written."""
    real, raced = day_tables.put_if_unchanged, []

    def put(store: ObjectStore, key: object, data: bytes, etag: str | None) -> bool:
        if not raced:
            raced.append(True)
            monkeypatch.setattr(day_tables, "put_if_unchanged", real)
            store_fundings(local_store, VENUE, [funding(0)], NOW)
        return real(store, key, data, etag)  # type: ignore[arg-type]

    monkeypatch.setattr(day_tables, "put_if_unchanged", put)
    stored = store_fundings(local_store, VENUE, [funding(1)], NOW)
    assert stored.new == 1
    assert len(rows(local_store, "rate")) == 2


def test_a_day_that_never_comes_to_rest_is_an_error(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(*_: object) -> bool:
        raise LakeConflict("changed")

    monkeypatch.setattr(day_tables, "put_if_unchanged", put)
    with pytest.raises(LakeConflict, match="1 days are being written by other runs"):
        store_fundings(local_store, VENUE, [funding(0)], NOW)


def quote(symbol: str, rate: float | None) -> FundingQuote:
    return FundingQuote(VENUE, symbol, START + 7, rate, START + 8 * HOUR, interval_s=28_800.0)


def test_samples_of_a_day_are_collected_in_its_file(store: ObjectStore) -> None:
    assert store_quotes(store, VENUE, START, [quote(BTC, 0.0001), quote("ETH/USDT:USDT", None)]) == 0
    store_quotes(store, VENUE, START + 60_000_000_000, [quote(BTC, 0.0002)])
    store_quotes(store, VENUE, START, [quote(BTC, 0.0003)])  # the same sample taken again
    table = read_day(store, FUNDING_QUOTES, VENUE, START)
    assert isinstance(table, pa.Table)
    assert table.column("symbol").to_pylist() == [BTC, BTC, "ETH/USDT:USDT"]
    assert table.column("rate").to_pylist() == [0.0003, 0.0002, None]
    assert table.column("apr").to_pylist() == [pytest.approx(0.3285), pytest.approx(0.219), None]
