"""All books of one venue session: frames in, events out.

Two connections may feed the same set (during a planned rotation they overlap): what the other has brought already comes
out as `Ignored`. A frame is decoded and checked in one pass by msgspec: types, positive finite prices, sizes of zero or
more.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import msgspec

from xetrade_core.books.sequencer import BookSequencer, Events
from xetrade_core.model.book_events import BookEvent, GapCause, RefusalReason, Refused
from xetrade_core.model.instruments import Instrument

# Bounds that no real price or size comes near; they are what refuses "inf" (NaN fails any comparison).
Price = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
Size = Annotated[float, msgspec.Meta(ge=0, lt=1e24)]
SequenceId = Annotated[int, msgspec.Meta(ge=0, lt=2**63 - 1)]
Millis = Annotated[int, msgspec.Meta(ge=0, lt=2**63 // 1_000_000)]
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of a recording that were taken at one stroke, up to the index `at` of the first that was not.

    `lines` counts them, `frames` those that were given to a book, and `newest_ns` is the newest receive time of these.
    It ended because of `events`, or since the next message is received at `due_ns`, when a sample is due, or (with
    neither) at a line that is not for this way.
    """

    at: int
    lines: int = 0
    frames: int = 0
    newest_ns: int = 0
    due_ns: int | None = None
    events: Events = ()


class Accelerated(Protocol):
    """Compiled code that applies messages; `taken` counts them."""

    taken: int


class BookSet(ABC):
    """The books of some instruments of one venue, fed with that venue's frames.

    Subclasses decode the venue's protocol; what cannot be decoded is refused here, counted, and attributed to a symbol
    if the frame still names one. `feed` never raises on any input.
    """

    sequencers: Mapping[str, BookSequencer]
    """By universal symbol."""

    unattributed_refusals: int
    """Frames refused that named no symbol of ours."""

    _symbol_pattern: re.Pattern[bytes]

    _fast: Accelerated | None = None
    """The compiled code, where it is in use."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.unattributed_refusals = 0
        self.sequencers = {}
        self._groups: dict[str, dict[str, Any]] = {"": {}}
        """By group of connections and the venue's id."""
        for instrument in instruments:
            sequencer = self._sequencer(instrument.symbol)
            self.sequencers[instrument.symbol] = sequencer
            self._groups.setdefault(self.group_of(instrument), {})[instrument.venue_id] = sequencer
        named = Counter(venue_id for group in self._groups.values() for venue_id in group)
        self._groups[""] |= {
            venue_id: sequencer
            for group in self._groups.values()
            for venue_id, sequencer in group.items()
            if named[venue_id] == 1
        }
        self._by_venue_id = self._groups[""]

    def symbol_of(self, venue_id: str) -> str | None:
        """The universal symbol of a venue's id, if it is of these books."""
        sequencer = self._by_venue_id.get(venue_id)
        return None if sequencer is None else str(sequencer.symbol)

    @staticmethod
    def group_of(instrument: Instrument) -> str:
        """Which connections carry this instrument, where the same id means another one on others; else empty."""
        return ""

    def of_group(self, group: str) -> None:
        """The frames to come are of this group's connections; of none that is known: empty, for ids that are unique."""
        self._by_venue_id = self._groups.get(group, {})

    @abstractmethod
    def _sequencer(self, symbol: str) -> BookSequencer: ...

    @abstractmethod
    def _apply(self, frame: bytes, received_ns: int) -> Events:
        """Decode and apply; may raise msgspec.DecodeError, which `feed` turns into a refusal."""

    def feed(self, frame: bytes | str | memoryview, received_ns: int) -> Events:
        """Apply one websocket frame; events of each book message in it, () for other channels and control replies."""
        if type(frame) is not bytes:
            frame = frame.encode() if isinstance(frame, str) else bytes(frame)
        try:
            return self._apply(frame, received_ns)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return self._refuse_frame(frame, received_ns, str(error))

    def accelerate(self) -> bool:
        """Apply messages by compiled code from now on, with the same outcome; False: there is none for this venue.

        To be called before the first frame, for it gives the sequencers other books; raises what `fast.load` does.
        """
        return False

    @property
    def accelerated_count(self) -> int:
        """How many messages compiled code has applied."""
        return 0 if self._fast is None else self._fast.taken

    def apply_lines(self, text: bytes, at: int, until_ns: int, skip_other_channels: bool) -> Run:
        """Apply lines `<receive ns> <frame>` of a recording from index `at` on at one stroke, as many as can be.

        It ends at a line received at or after `until_ns`, or that is not just another message in sequence of the symbol
        that it began with: such a line is for `feed`. `text` ends with a line break. Books that are not accelerated
        take none.
        """
        return Run(at)

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> Events:
        """Apply the body of a REST snapshot.

        Venues whose snapshots come on the websocket have none: see their subclass.
        """
        raise NotImplementedError(
            f"{type(self).__name__} takes its snapshots from the websocket, not from REST ({symbol})"
        )

    def lose(self, symbols: Iterable[str], cause: GapCause, received_ns: int) -> Events:
        """The connection (or anything else that these books hang on) is lost: a `Gap` for each that was in sync."""
        return tuple(event for symbol in symbols for event in self.sequencers[symbol].lose(cause, received_ns))

    def _no_book(self, frame: bytes, received_ns: int) -> Events:
        """A frame that is no book message: of another channel or an answer, or too broken to tell."""
        return () if _looks_whole(frame) else self._refuse_frame(frame, received_ns, "not a JSON object")

    def _unasked(self, venue_id: str, received_ns: int) -> Events:
        """A message of an instrument that is none of these books'."""
        detail = f"{venue_id!r} was not asked for"
        return self._refuse_unattributed(RefusalReason.UNKNOWN_SYMBOL, received_ns, detail)

    def _refuse_frame(self, frame: bytes, received_ns: int, detail: str) -> Events:
        reason = refusal_reason(frame)
        events: list[BookEvent] = []
        for venue_id in dict.fromkeys(self._symbol_pattern.findall(frame)):
            sequencer = self._by_venue_id.get(venue_id.decode(errors="replace"))
            if sequencer is not None:
                events += sequencer.refuse(reason, received_ns, detail)
        return tuple(events) or self._refuse_unattributed(reason, received_ns, detail)

    def _refuse_unattributed(self, reason: RefusalReason, received_ns: int, detail: str) -> Events:
        self.unattributed_refusals += 1
        return (Refused("", reason, received_ns, detail),)


def _looks_whole(frame: bytes) -> bool:
    """Whether a frame that is no book message can be passed over:

    A JSON object from brace to brace, or a keepalive word.
    """
    return (frame[:1] == b"{" and frame[-1:] == b"}") or frame in (b"pong", b"ping")


def refusal_reason(frame: bytes) -> RefusalReason:
    """Why a frame that failed its typed decode is wrong, found the slow way: it is rare."""
    try:
        levels = _levels_of(msgspec.json.decode(frame))
        for price, size in levels:
            if not (math.isfinite(price) and math.isfinite(size)):
                return RefusalReason.NOT_FINITE
            if price <= 0:
                return RefusalReason.BAD_PRICE
            if size < 0:
                return RefusalReason.BAD_SIZE
    except (msgspec.DecodeError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        pass  # not of the shape that a level has
    return RefusalReason.MALFORMED


def _levels_of(value: Any) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    if isinstance(value, dict):
        for key, part in value.items():
            if key in ("b", "a", "bids", "asks"):
                found += [_price_and_size(level) for level in part]
            elif key == "change":  # KuCoin futures: `price,side,size`
                price, _, size = str(part).split(",")
                found.append((float(price), float(size)))
            else:
                found += _levels_of(part)
    elif isinstance(value, list):
        for part in value:
            found += _levels_of(part)
    return found


def _price_and_size(level: Any) -> tuple[float, float]:
    """The first two numbers of a level; Deribit puts a word before them."""
    first = 1 if level[0] in ("new", "change", "delete") else 0
    return float(level[first]), float(level[first + 1])
