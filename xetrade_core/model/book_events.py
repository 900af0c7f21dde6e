"""What happens to a book: the words that sequencers, feeds, the gap ledger and reports share.

A frame goes in; each book message in it comes out as one of these. `Gap` opens an out-of-sync period that `Synced`
closes; the two together are one row of the gap ledger. All times are UTC nanoseconds of the recorder's own clock.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class GapCause(StrEnum):
    """Why a book was out of sync, or a row is missing. The values are stored in the lake."""

    STARTUP = "startup"  # not yet synced since the session (or the symbol's capture) began
    SEQUENCE = "sequence"  # a message is missing: the venue's continuity rule failed
    SEQUENCE_RESET = "sequence_reset"  # the venue restarted its numbering (maintenance)
    CHECKSUM = "checksum"  # the venue's checksum does not fit our book
    CROSSED = "crossed"  # applying the message would cross the book
    MALFORMED = "malformed"  # a frame of this symbol was refused, so its change is unknown
    DISCONNECT = "disconnect"  # the connection closed or failed
    STALLED = "stalled"  # the connection was silent past its limit (half-open) and was replaced
    OVERFLOW = "overflow"  # our own bounded queue was full
    STOPPED = "stopped"  # the session was stopped or ended before the window did
    RECORDER_DOWN = "recorder_down"  # no recorder ran: crash, kill -9, power
    RECORDER_LATE = "recorder_late"  # the recorder ran but could not sample in time (stall, suspended machine)
    CLOCK_STEP = "clock_step"  # the wall clock jumped over these seconds
    UNEXPLAINED = "unexplained"  # found by compaction: missing and in no ledger; fails the completeness check


class RefusalReason(StrEnum):
    """Why a message or frame was refused and not applied."""

    MALFORMED = "malformed"  # not the venue's message format
    NOT_FINITE = "not_finite"  # NaN or infinity
    BAD_PRICE = "bad_price"  # zero or negative price
    BAD_SIZE = "bad_size"  # negative size
    CROSSED = "crossed"
    UNKNOWN_SYMBOL = "unknown_symbol"


class BookEvent(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all; `symbol` is universal, empty where a frame could not be attributed to one."""

    symbol: str


class Applied(BookEvent, frozen=True, gc=False):
    """The message continued the book and was applied."""


class Buffered(BookEvent, frozen=True, gc=False):
    """The book waits for a snapshot; the message is kept to be applied on top of it."""


class Ignored(BookEvent, frozen=True, gc=False):
    """The message is older than the book (a duplicate, or before the snapshot) or a heartbeat; nothing changed."""


class Synced(BookEvent, frozen=True, gc=False):
    """The book is in sync from here on, at `sequence`; `epoch` counts the snapshots it was built from.

    `sequence` is None where the venue sent none (OKX before 2023).
    """

    sequence: int | None
    epoch: int
    received_ns: int


class Gap(BookEvent, frozen=True, gc=False):
    """The book is out of sync from here on.

    `last_sequence` was the last applied, `next_sequence` the first that did not fit. Either is None where it is not
    known (a disconnect has no next). The feed must now get a snapshot for this symbol.
    """

    cause: GapCause
    last_sequence: int | None
    next_sequence: int | None
    received_ns: int


class Refused(BookEvent, frozen=True, gc=False):
    """The message was refused and counted, never applied.

    A `Gap` follows in the same frame if the book can no longer be trusted.
    """

    reason: RefusalReason
    received_ns: int
    detail: str
