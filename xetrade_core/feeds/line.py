"""A line: the connections, one after another, that carry one group of symbols.

It connects, subscribes, and stays connected: a lost connection is reported and replaced after a capped, fully jittered
wait; a connection near the end of its life is replaced *before* it ends. For that the new connection is opened and
subscribed beside the old; its frames are held until it has been complete for `overlap_s` and are then applied at one
stroke: what the old one had brought is ignored by the sequencers, what it had not follows on. Had the frames of both
been applied as they came, the faster one would look like a gap to the books of the slower.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import RateLimited, VenueUnavailable
from xetrade_core.feeds.address import Address
from xetrade_core.feeds.connection import Connection, LocationRefused
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.subscriptions import Dialect, Reply, Subscriptions
from xetrade_core.model.book_events import GapCause
from xetrade_core.model.instruments import Instrument
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.venue import BookProtocol, Venue

_log = structlog.get_logger(__name__)
_STABLE_S = 10.0  # a connection that lived so long starts the backoff anew
_ROTATION_SHARE = (0.85, 0.95)  # of the venue's lifetime, drawn anew each time so that lines do not rotate together
_OVERLAP_PATIENCE = 20  # overlaps to wait for the first frame of each instrument on a new connection


class LineOwner(Protocol):
    """The feed, as its lines see it."""

    def apply(self, line: Line, connection: Connection, frame: bytes) -> None:
        """Show a frame to the sink and apply it."""
        ...

    def streaming(self, line: Line) -> None:
        """The line's subscriptions run on a fresh connection, its books are not synced yet."""
        ...

    def lost(self, line: Line, cause: GapCause) -> None:
        """The line's connection is gone."""
        ...


class Line:
    """One group of symbols and its connection; `run` keeps it. Counts are since creation."""

    def __init__(
        self,
        name: str,
        venue: Venue,
        group: str,
        address: Address,
        instruments: Sequence[Instrument],
        owner: LineOwner,
        dialect: Dialect,
        options: FeedOptions,
        connects: WeightBudget,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.name = name
        self.group = group
        self.source = f"ws:{group}" if group else "ws"
        """How a sink is told that a frame is of this line: see FeedSink."""
        self.symbols = tuple(row.symbol for row in instruments)
        self.venue_ids = {row.symbol: row.venue_id for row in instruments}
        self.active: Connection | None = None
        self.subscriptions: Subscriptions | None = None
        self.streaming = False
        self.trouble: str | None = None
        """Why it has no connection, in the words of the last error; None while it has one."""
        self.generation = 0  # counts losses: a snapshot asked for under an earlier one is of no use
        self.reconnects = self.rotations = self.dropped = 0
        self._venue, self._address, self._owner, self._dialect = venue, address, owner, dialect
        self._options, self._connects, self._clock, self._rng = options, connects, clock, rng
        self._next: Connection | None = None
        self._next_subscriptions: Subscriptions | None = None
        self._early: list[tuple[Connection, Reply]] = []  # said on a connection that is still being opened
        self._held: list[bytes] = []
        self._overflowed = False
        self._rotate = asyncio.Event()
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Until cancelled; raises LocationRefused, which no retry heals."""
        attempt = 0
        try:
            while True:
                started_ns = self._clock.monotonic_ns()
                wait_s = 0.0
                try:
                    await self._connect()
                    await self._serve()
                except LocationRefused:
                    raise
                except RateLimited as error:
                    wait_s, self.trouble = error.retry_after_s, str(error)
                    _log.warning("connect_limited", line=self.name, wait_s=wait_s)
                except VenueUnavailable as error:
                    # Said once: a venue that is away for hours would fill the log with one sentence.
                    say = _log.debug if str(error) == self.trouble else _log.warning
                    say("connection_failed", line=self.name, error=str(error))
                    self.trouble = str(error)
                self._lose(self.active.closed.result() if self.active and self.active.closed.done() else None)
                if self._clock.monotonic_ns() - started_ns > _STABLE_S * NS_PER_S:
                    attempt = 0
                await self._clock.sleep(wait_s + self._options.backoff.delay_s(attempt, self._rng))
                attempt += 1
                self.reconnects += 1
        finally:
            self._close()

    def rotate_soon(self) -> None:
        """Replace the connection without losing it: its end was announced, or its books need new snapshots."""
        self._rotate.set()

    @property
    def held(self) -> int:
        """Frames held for a rotation."""
        return len(self._held)

    def refused(self, symbol: str) -> str | None:
        """The venue's word if it refused this symbol's subscription."""
        return None if self.subscriptions is None else self.subscriptions.refused.get(self.venue_ids[symbol])

    async def _open(self) -> tuple[Connection, Subscriptions]:
        await self._connects.acquire(1)
        rules = self._venue.websocket
        try:
            url = await self._address.url()
            connection = await Connection.open(url, self._on_frame, self._clock, self._options, rules)
        except RateLimited as error:  # the venue means the address: it binds every line, and rotations too
            self._connects.pause(error.retry_after_s)
            raise
        subscriptions = Subscriptions(
            connection.send,
            self._dialect,
            self._clock,
            interval_s=rules.send_interval_s,
            timeout_s=self._options.ack_timeout_s,
            batch=rules.batch,
            welcome=rules.welcome,
        )
        connection.closed.add_done_callback(lambda _: subscriptions.end())
        early, self._early = self._early, []
        for said_on, reply in early:
            if said_on is connection:
                self._heard(connection, subscriptions, reply)
        for text in self._dialect.opening:
            connection.send(text)
        return connection, subscriptions

    async def _connect(self) -> None:
        self.active, self.subscriptions = await self._open()
        adding = asyncio.ensure_future(self.subscriptions.add(self.venue_ids.values()))
        try:
            await _first(adding, self.active.closed)
            if self.active.closed.done():
                raise VenueUnavailable(f"{self.name} was closed by the venue while subscribing")
            adding.result()
        finally:
            adding.cancel()
            await asyncio.gather(adding, return_exceptions=True)
        self.streaming, self.trouble = True, None
        self._owner.streaming(self)

    async def _serve(self) -> None:
        """Until the connection is lost, replacing it in time."""
        rotation_s = self._rotation_s()
        while self.active is not None and not self.active.closed.done():
            if not await self._rotation_due(self.active, rotation_s):
                continue
            preparing = asyncio.ensure_future(self._prepare())
            try:
                await _first(preparing, self.active.closed)
                if not preparing.done() and not self._ready():
                    continue  # the old one died before the new one was of use
                if preparing.done() and (error := preparing.exception()) is not None:
                    _log.warning("rotation_put_off", line=self.name, error=str(error))
                    await _first(self.active.closed, timeout_s=self._options.backoff.delay_s(4, self._rng))
                    self._rotate.set()
                    continue
                self._hand_over()
                rotation_s = self._rotation_s()
            finally:
                preparing.cancel()
                self._discard_next()

    async def _rotation_due(self, active: Connection, rotation_s: float) -> bool:
        """Wait for a reason to rotate (True), for the loss of the connection, or a minute (False)."""
        now = self._clock.monotonic_ns()
        silence_ns = round(self._options.data_silence_limit_s * NS_PER_S)
        left_ns = min(active.opened_ns + round(rotation_s * NS_PER_S), active.last_data_ns + silence_ns) - now
        if left_ns > 0 and not self._rotate.is_set():
            waiting = asyncio.ensure_future(self._rotate.wait())
            try:
                await _first(waiting, active.closed, timeout_s=min(left_ns / NS_PER_S, 60.0))
            finally:
                waiting.cancel()
            if not self._rotate.is_set():
                return False
        self._rotate.clear()
        return not active.closed.done()

    async def _prepare(self) -> None:
        """Open the next connection beside the active one and wait until it carries everything."""
        self._held, self._seen, self._overflowed = [], set(), False
        self._next, self._next_subscriptions = await self._open()
        await self._next_subscriptions.add(self.venue_ids.values())
        carries_all = self._venue.protocol is BookProtocol.CHANNEL_SNAPSHOT  # each instrument begins with a snapshot
        for _ in range(_OVERLAP_PATIENCE):
            await self._clock.sleep(self._options.overlap_s)
            if self._overflowed or self._next.closed.done():
                raise VenueUnavailable("the new connection was lost, or more frames came than may be held")
            if not carries_all or self._ready():
                return
        raise VenueUnavailable("the new connection does not bring every instrument")

    def _ready(self) -> bool:
        """Whether the next connection carries every instrument that the venue has not refused."""
        subscriptions = self._next_subscriptions
        if self._next is None or subscriptions is None or self._next.closed.done() or self._overflowed:
            return False
        wanted = set(self.venue_ids.values()) - set(subscriptions.refused)
        if not wanted <= subscriptions.confirmed:
            return False
        return self._venue.protocol is BookProtocol.REST_SNAPSHOT or wanted <= self._seen

    def _hand_over(self) -> None:
        """Make the next connection the active one and apply what it has brought so far, at one stroke."""
        old, new = self.active, self._next
        assert new is not None
        held, self._held = self._held, []
        self.active, self.subscriptions = new, self._next_subscriptions
        self._next = self._next_subscriptions = None
        self.rotations += 1
        for frame in held:
            self._owner.apply(self, new, frame)
        if old is not None:
            old.close()
        _log.info("rotated", line=self.name, frames=len(held))

    def _on_frame(self, connection: Connection, frame: bytes) -> None:
        if connection is self.active:
            self._owner.apply(self, connection, frame)
        elif connection is self._next and self._next_subscriptions is not None:
            if (reply := self._dialect.read(frame)) is not None:
                self._heard(connection, self._next_subscriptions, reply)
            elif len(self._held) >= self._options.held_frames_limit:
                self._overflowed = True
            else:
                self._held.append(frame)
                if (venue_id := self._dialect.book_id(frame)) is not None:
                    self._seen.add(venue_id)
        elif (reply := self._dialect.read(frame)) is not None:
            self._early.append((connection, reply))

    def on_control(self, connection: Connection, frame: bytes) -> None:
        """A frame that was no book message: an acknowledgement, an error, or something of no concern."""
        reply = self._dialect.read(frame)
        if reply is None:
            return
        if reply.closing:
            _log.info("venue_will_close", line=self.name)
            self._rotate.set()
        elif self.subscriptions is not None:
            self._heard(connection, self.subscriptions, reply)

    @staticmethod
    def _heard(connection: Connection, subscriptions: Subscriptions, reply: Reply) -> None:
        if reply.answer is not None:
            connection.send(reply.answer)
        else:
            subscriptions.on_reply(reply)

    def _rotation_s(self) -> float:
        if self._options.rotation_s is not None:
            return self._options.rotation_s
        return self._venue.websocket.lifetime_s * self._rng.uniform(*_ROTATION_SHARE)

    def _discard_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self.dropped += len(self._held)
        self._next = self._next_subscriptions = None
        self._held = []

    def _lose(self, cause: GapCause | None) -> None:
        self.streaming = False
        self.generation += 1
        active = self.active
        self._close()
        if active is not None:
            self._owner.lost(self, cause or GapCause.DISCONNECT)

    def _close(self) -> None:
        self._discard_next()
        active, self.active = self.active, None
        if active is not None:
            active.close()


async def _first(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    """Return when one of them is done, or after `timeout_s`; cancels none of them."""
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
