"""The gap ledger: ids, hours, revisions, and what a log of it gives back."""

from __future__ import annotations

from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.ledger import GapLedger, GapLog, gap_table, read_gap_log
from xetrade_core.lake.schemas import L2_GAPS
from xetrade_core.model.book_events import GapCause

HOUR = 472_222 * HOUR_NS
S = 1_000_000_000
NEVER = 2**63 - 1


def ledger() -> tuple[GapLedger, list[bytes]]:
    lines: list[bytes] = []
    return GapLedger("binance", "s1", lines.append), lines


def test_a_gap_has_both_sequence_ids_and_how_long_the_resync_took() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.SEQUENCE, HOUR + 1, HOUR, 10, 15)
    book.close_gap("BTC/USDT", HOUR + 2 * S + 1, 99, HOUR + 2 * S)
    (gap,) = book.take_pending(NEVER)
    assert (gap.gap_id, gap.from_ns, gap.to_ns) == ("s1-binance-1", HOUR + 1, HOUR + 2 * S + 1)
    assert (gap.from_sequence, gap.to_sequence, gap.resync_ms) == (10, 15, 2000.0)


def test_a_disconnect_ends_at_the_sequence_it_was_joined_again() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.DISCONNECT, HOUR + 1, HOUR, 10, None)
    book.close_gap("BTC/USDT", HOUR + 3, 99, HOUR + 2)
    assert book.take_pending(NEVER)[0].to_sequence == 99


def test_the_first_cause_stands_while_a_gap_is_open() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.SEQUENCE, HOUR + 1, HOUR)
    book.open_gap("BTC/USDT", GapCause.DISCONNECT, HOUR + 5, HOUR)
    book.close_gap("BTC/USDT", HOUR + 9)
    assert [gap.cause for gap in book.take_pending(NEVER)] == [GapCause.SEQUENCE]


def test_a_gap_over_three_hours_is_three_records_of_one_id() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.DISCONNECT, HOUR + 5, HOUR)
    book.close_gap("BTC/USDT", HOUR + 2 * HOUR_NS + 7, 1, HOUR + 2 * HOUR_NS + 6)
    spans = [(gap.gap_id, gap.from_ns - HOUR, (gap.to_ns or 0) - HOUR) for gap in book.take_pending(NEVER)]
    assert spans == [
        ("s1-binance-1", 5, HOUR_NS),
        ("s1-binance-1", HOUR_NS, 2 * HOUR_NS),
        ("s1-binance-1", 2 * HOUR_NS, 2 * HOUR_NS + 7),
    ]


def test_an_open_gap_is_told_once_an_hour_and_again_when_it_closes() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.DISCONNECT, HOUR + 5, HOUR)
    told = [
        [(gap.from_ns - HOUR, None if gap.to_ns is None else gap.to_ns - HOUR) for gap in book.take_pending(before)]
        for before in (HOUR + 60 * S, HOUR + 120 * S, HOUR + HOUR_NS, HOUR + HOUR_NS + 60 * S)
    ]
    assert told == [[(5, None)], [], [(5, HOUR_NS)], [(HOUR_NS, None)]]
    book.close_gap("BTC/USDT", HOUR + HOUR_NS + 61 * S)
    assert [gap.to_ns for gap in book.take_pending(NEVER)] == [HOUR + HOUR_NS + 61 * S]
    assert book.take_pending(NEVER) == []


def test_missing_ranges_that_touch_are_one_gap() -> None:
    book, _ = ledger()
    book.missing(["BTC/USDT"], HOUR, HOUR + S, GapCause.OVERFLOW)
    book.missing(["BTC/USDT"], HOUR + S, HOUR + 2 * S, GapCause.OVERFLOW)
    book.missing(["BTC/USDT"], HOUR + 5 * S, HOUR + 6 * S, GapCause.OVERFLOW)
    spans = [(gap.from_ns - HOUR, (gap.to_ns or 0) - HOUR) for gap in book.take_pending(NEVER)]
    assert spans == [(0, 2 * S), (5 * S, 6 * S)]


def test_being_in_sync_before_the_window_leaves_no_record() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.STARTUP, HOUR, HOUR - 10 * S)
    book.close_gap("BTC/USDT", HOUR, 5, HOUR - 9 * S)
    assert book.take_pending(NEVER) == []
    assert book.causes["BTC/USDT"][GapCause.STARTUP] == 0


def test_the_log_gives_back_what_is_open_and_what_no_segment_has() -> None:
    book, lines = ledger()
    book.open_gap("BTC/USDT", GapCause.SEQUENCE, HOUR + 1, HOUR)
    book.close_gap("BTC/USDT", HOUR + 3)
    sealed = b'{"venue":"binance","revision":%d,"sealed":true,"rows_through_ns":%d}\n' % (book.revision, HOUR + 2)
    book.take_pending(NEVER)
    later = len(lines)
    book.missing(["BTC/USDT"], HOUR + 5, HOUR + 7, GapCause.RECORDER_LATE)
    book.open_gap("ETH/USDT", GapCause.DISCONNECT, HOUR + 9, HOUR + 8)
    content = b"".join(lines[:later]) + sealed + b"".join(lines[later:]) + b'{"venue":"binance","rev'
    logs, torn = read_gap_log(content)
    log = logs["binance"]
    assert (torn, log.rows_through_ns, len(log.gaps)) == (1, HOUR + 2, 3)
    resumed = GapLedger.resume("binance", "s1", log, lambda _: None)
    assert resumed.is_open("ETH/USDT")
    assert not resumed.is_open("BTC/USDT")
    resumed.close_gap("ETH/USDT", HOUR + 20)
    resumed.missing(["BTC/USDT"], HOUR + 20, HOUR + 30, GapCause.RECORDER_DOWN)
    told = {(gap.gap_id, gap.cause) for gap in resumed.take_pending(NEVER)}
    assert told == {
        ("s1-binance-2", GapCause.RECORDER_LATE),
        ("s1-binance-3", GapCause.DISCONNECT),
        ("s1-binance-4", GapCause.RECORDER_DOWN),
    }


def test_a_change_made_while_the_segment_was_being_written_is_not_taken_for_sealed() -> None:
    book, lines = ledger()
    book.missing(["BTC/USDT"], HOUR + 1, HOUR + 2, GapCause.RECORDER_LATE)
    revision = book.revision
    book.missing(["ETH/USDT"], HOUR + 5, HOUR + 7, GapCause.RECORDER_LATE)
    logs, _ = read_gap_log(b"".join(lines) + b'{"venue":"binance","revision":%d,"sealed":true}\n' % revision)
    assert logs["binance"].unsealed == {"s1-binance-2"}


def test_an_empty_log_can_be_resumed() -> None:
    resumed = GapLedger.resume("binance", "s1", GapLog(), lambda _: None)
    resumed.missing(["BTC/USDT"], HOUR, HOUR + 1, GapCause.RECORDER_DOWN)
    assert resumed.take_pending(NEVER)[0].gap_id == "s1-binance-1"


def test_records_are_rows_of_l2_gaps() -> None:
    book, _ = ledger()
    book.open_gap("BTC/USDT", GapCause.SEQUENCE, HOUR + 1, HOUR, 10, 15, "u 15 after 10")
    table = gap_table(book.take_pending(HOUR + S))
    assert L2_GAPS.validate(table).rejected.num_rows == 0
    assert table.column("to_timestamp").to_pylist() == [None]
    assert table.column("cause").to_pylist() == ["sequence"]
