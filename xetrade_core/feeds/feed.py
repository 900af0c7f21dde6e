"""What a feed is to those who use it: frames shown to a sink, applied to books, and a status at any time.

For every frame a feed does, in this order and without a pause in between: stamp it with the wall clock, show it to the
sink, apply it to the books, show the sink what came of it. So a sink that samples the books *before* each frame sees,
for a grid time T, the state after exactly the frames received before T.

**Queues.** There is none between the socket and the books: a frame is handled within the callback that the socket's
bytes arrive in, and while it is handled nothing more is read. What waits, waits in the kernel's receive buffer, which
is bounded (`FeedOptions.receive_buffer_bytes`) and pushes back on the venue through TCP's window: a venue that is not
read closes the connection, which is a DISCONNECT gap, never a silent loss. `FeedStatus.unread_bytes` is that backlog.
The one exception are the frames of a connection that is about to replace another (`queue_depth`): beyond
`held_frames_limit` the replacement is given up and tried again later, while the old connection goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from xetrade_core.books.book_set import BookSet
from xetrade_core.errors import ConfigError
from xetrade_core.model.book_events import BookEvent, GapCause
from xetrade_core.model.instruments import Instrument
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.budget import NOT_SHARED, Sharing, WeightBudget
from xetrade_core.venues.venue import require_no_userinfo


class FeedSink(Protocol):
    """Who a feed shows its frames to: the capture's sampler, a test, a table on a screen."""

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        """A frame is about to be applied.

        `source` is `ws`, `ws:<group>` where a venue has groups of connections, or `rest:<symbol>` for the body of a
        snapshot.
        """
        ...

    def events(self, events: tuple[BookEvent, ...]) -> None:
        """What came of it."""
        ...

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        """These symbols' connection is lost; the books are told right after this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How a feed connects and what it puts up with. The defaults are for live venues.

    Times are seconds. `rest_url` and `ws_url` replace the venue's own (a simulated venue, a proxy); a `ws_url` that is
    a host alone gets the venue's own path. `budget` is given to share one among several feeds of a host in this
    process; None opens the one that `sharing` says. `feed`: `stream` is the venue's websocket; `poll` asks for whole
    books over REST through ccxt, every `poll_interval_s`.
    """

    feed: Literal["stream", "poll"] = "stream"
    rest_url: str | None = None
    ws_url: str | None = None
    testnet: bool = False
    depth: int = 100
    staleness_limit_s: float = 30.0
    symbols_per_connection: int = 50
    connect_timeout_s: float = 10.0
    idle_ping_s: float = 8.0
    pong_timeout_s: float = 7.0
    data_silence_limit_s: float = 120.0
    rotation_s: float | None = None
    overlap_s: float = 1.0
    held_frames_limit: int = 50_000
    backoff: Backoff = field(default_factory=Backoff)
    ack_timeout_s: float = 5.0
    resync_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    snapshot_concurrency: int = 6
    snapshot_levels: int | None = None
    refresh_check_s: float = 5.0
    budget: WeightBudget | None = None
    sharing: Sharing = NOT_SHARED
    receive_buffer_bytes: int = 4 * 1024 * 1024
    max_frame_bytes: int = 8 * 1024 * 1024
    poll_interval_s: float = 1.0
    poll_concurrency: int = 4

    def __post_init__(self) -> None:
        if self.feed not in ("stream", "poll"):
            raise ConfigError.of("feed", self.feed, "stream or poll")
        require_no_userinfo(self.rest_url, "rest_url")
        require_no_userinfo(self.ws_url, "ws_url")
        counts = ("depth", "symbols_per_connection", "snapshot_concurrency", "poll_concurrency", "held_frames_limit")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError.of(name, getattr(self, name), "at least 1")
        times = ("staleness_limit_s", "connect_timeout_s", "idle_ping_s", "pong_timeout_s", "overlap_s")
        for name in (*times, "poll_interval_s"):
            if getattr(self, name) <= 0:
                raise ConfigError.of(name, getattr(self, name), "a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class SymbolStatus:
    """One symbol: `age_s` since its last applied message, None before the first.

    `refused` is the venue's word if it refused the subscription.
    """

    symbol: str
    synced: bool
    stale: bool
    age_s: float | None
    resyncs: int
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed at one moment; counts are since it was opened.

    `queue_depth` frames are held for a rotation; `dropped` counts held frames that were given up (their connection was
    never in use); `unread_bytes` wait in the kernel. `trouble`: why a connection is missing, in the words of the last
    error.
    """

    venue: str
    connections: int
    connections_wanted: int
    last_frame_age_s: float | None
    frames: int
    reconnects: int
    rotations: int
    resyncs: int
    refused: int
    handling_errors: int
    queue_depth: int
    dropped: int
    unread_bytes: int
    budget_used: int
    budget_paused_s: float
    symbols: tuple[SymbolStatus, ...]
    trouble: str | None = None

    @property
    def stale(self) -> tuple[str, ...]:
        """Symbols in sync that have had no update for longer than the staleness limit."""
        return tuple(row.symbol for row in self.symbols if row.stale)


class Feed(Protocol):
    """One venue's symbols, from wherever."""

    venue: str
    instruments: tuple[Instrument, ...]
    books: BookSet

    async def run(self, sink: FeedSink) -> None:
        """Feed the books and the sink until cancelled (a recorded feed: until its end).

        Reconnects and resyncs by itself; raises only an XETradeError that no retry can heal.
        """
        ...

    def status(self) -> FeedStatus:
        """How it goes."""
        ...

    async def close(self) -> None:
        """Let go of connections, for a feed that was opened but never run; `run` does so itself at its end."""
        ...
