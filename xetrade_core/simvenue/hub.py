"""From publications to connections: who subscribed to what, what fate a frame meets, and in which order it leaves.

The hub knows sessions and bytes, but no sockets: a session hands its bytes to a `Wire`. Each book message is rendered
once, wrapped once per stream name, framed once, and the same bytes go to all its subscribers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from xetrade_core.clock import NS_PER_S
from xetrade_core.simvenue.account_streams import AccountStreams, Messages
from xetrade_core.simvenue.desk import DeskEvent
from xetrade_core.simvenue.dialects.base import Dialect
from xetrade_core.simvenue.faults import ActiveFault, FaultBoard, Injection
from xetrade_core.simvenue.market import Flush
from xetrade_core.simvenue.venue import Publication
from xetrade_core.simvenue.wire import BINARY, PING, TEXT, close_frame, encode_frame, garble

_FOREVER_NS = 1 << 62


class Wire(Protocol):
    """Where a session's bytes go."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Close after what was written has left."""
        ...

    def abort(self) -> None:
        """Reset the connection at once."""
        ...


class WireSession:
    """One websocket connection: its subscriptions and the frames of the running tick."""

    def __init__(self, hub: Hub, wire: Wire, path: str, now_ns: int) -> None:
        self._hub, self._wire = hub, wire
        self.path = path
        self.combined = False
        self.names: dict[str, tuple[str, str]] = {}
        self.commands: deque[int] = deque(maxlen=16)
        self.account: str | None = None
        self.topics: set[str] = set()
        self.muted = False  # before the handshake is answered nothing may be sent
        self.half_open = False  # neither sends nor answers any more, but the socket stays open
        self.closed = False
        self.opened_ns = self.active_ns = self.heard_ns = self.pinged_ns = now_ns
        self._outbox: list[bytes] = []

    def reply(self, payload: bytes) -> None:
        self.send(encode_frame(TEXT, payload))

    def subscribe(self, name: str, symbol: str, kind: str) -> None:
        self.names[name] = (symbol, kind)
        self._hub.join(self, name, symbol, kind)

    def unsubscribe(self, name: str) -> None:
        topic = self.names.pop(name, None)
        if topic is not None:
            self._hub.leave(self, name, *topic)

    def send(self, frame: bytes) -> None:
        """Queue a frame for the end of the tick (control replies go out in order with the data)."""
        if not self.muted and not self.half_open and not self.closed:
            if not self._outbox:
                self._hub.dirty.append(self)
            self._outbox.append(frame)

    def flush(self) -> None:
        """Hand the queued frames to the socket in one write."""
        frames, self._outbox = self._outbox, []
        if frames and not self.half_open and not self.closed:
            self._wire.write(b"".join(frames))

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and close."""
        if not self.closed:
            self.send(close_frame(code, reason))
            self.flush()
            self.closed = True
            self._wire.close()

    def abort(self) -> None:
        """Reset the connection without a word."""
        self.closed = True
        self._wire.abort()


@dataclass(slots=True)
class _Held:
    """A frame on hold. `targets` None = whoever is subscribed when it leaves."""

    release_ns: int
    fault_id: int
    payload: bytes
    targets: list[tuple[WireSession, str]] | None


@dataclass(slots=True)
class _Topic:
    """The subscribers of one kind of message of one symbol."""

    sessions: dict[tuple[WireSession, str], None] = field(default_factory=dict)
    joining: list[tuple[WireSession, str]] = field(default_factory=list)  # get the greeting at the next publication
    held: deque[_Held] = field(default_factory=deque)
    swapped: bytes | None = None  # waits for the next frame to overtake it


class Hub:
    """All connections of one venue."""

    def __init__(self, venue: str, dialect: Dialect, board: FaultBoard, wall_ns: Callable[[], int]) -> None:
        self.venue, self.dialect, self._board, self._wall_ns = venue, dialect, board, wall_ns
        self.sessions: dict[WireSession, None] = {}
        self.dirty: list[WireSession] = []
        self._topics: dict[str, dict[str, _Topic]] = {}
        self.frame_count = 0
        self._now_ns = 0
        self._accounts = AccountStreams(venue, board, wall_ns, self._tell)

    def add(self, session: WireSession) -> None:
        self.sessions[session] = None

    def remove(self, session: WireSession) -> None:
        if session in self.sessions:
            del self.sessions[session]
            self.dialect.closed(session, self.sessions)
        for name in list(session.names):
            session.unsubscribe(name)

    def join(self, session: WireSession, name: str, symbol: str, kind: str) -> None:
        topic = self._topics.setdefault(symbol, {}).setdefault(kind, _Topic())
        if kind not in self.dialect.greeted_kinds:
            topic.sessions[session, name] = None
        elif (session, name) not in topic.sessions and (session, name) not in topic.joining:
            topic.joining.append((session, name))

    def leave(self, session: WireSession, name: str, symbol: str, kind: str) -> None:
        topic = self._topics[symbol][kind]
        topic.sessions.pop((session, name), None)
        topic.joining = [one for one in topic.joining if one != (session, name)]

    def subscribers(self, symbol: str | None) -> list[WireSession]:
        """The sessions that take anything of a symbol, or all."""
        if symbol is None:
            return list(self.sessions)
        return [session for session in self.sessions if any(topic[0] == symbol for topic in session.names.values())]

    def publish(self, publication: Publication, venue_ns: int) -> None:
        """Send a market's messages. `venue_ns` is what the venue believes the time is."""
        self._now_ns = publication.now_ns
        topics = self._topics.get(publication.market.symbol)
        if not topics:
            return
        for kind, topic in topics.items():
            if topic.sessions:
                for part in self.dialect.parts(kind, publication):
                    for payload in self.dialect.render(kind, part, venue_ns):
                        self._dispatch(kind, topic, part, payload)
            if topic.joining:
                self._greet(kind, topic, publication, venue_ns)

    def tell(self, event: DeskEvent) -> None:
        """Send what happened to an account to its sessions, rendered at once: the order goes on changing."""
        if any(session.account == event.account for session in self.sessions):
            self._accounts.tell(event, self.dialect.render_private(event), self._now_ns)

    def _tell(self, account: str, messages: Messages) -> None:
        for session in [one for one in self.sessions if one.account == account]:
            for message in messages:
                if not message.topic or message.topic in session.topics:
                    session.active_ns = self._now_ns
                    session.reply(message.payload)

    def play(self, kind: str, publication: Publication, payload: bytes, venue_ns: int) -> None:
        """Send a recorded message to those who take that kind of message, and greet those who have just joined."""
        self._now_ns = publication.now_ns
        topic = self._topics.get(publication.market.symbol, {}).get(kind)
        if topic is None:
            return
        if topic.sessions:
            self._dispatch(kind, topic, publication, payload)
        if topic.joining:
            self._greet(kind, topic, publication, venue_ns)

    def _greet(self, kind: str, topic: _Topic, publication: Publication, venue_ns: int) -> None:
        joining, topic.joining = topic.joining, []
        payload = self.dialect.greeting(kind, publication.market, venue_ns)
        topic.sessions.update(dict.fromkeys(joining))
        stall = self._board.lasting("stall", self.venue)
        if topic.held:
            last = topic.held[-1]
            topic.held.append(_Held(last.release_ns, last.fault_id, payload, joining))
        elif stall is not None and stall.covers(self.venue, publication.market.symbol):
            topic.held.append(_Held(stall.end_ns or _FOREVER_NS, stall.fault_id, payload, joining))
        else:
            self._send(payload, joining)

    def _dispatch(self, kind: str, topic: _Topic, publication: Publication, payload: bytes) -> None:
        symbol = publication.market.symbol
        fate = self._board.frame_fate(self.venue, symbol) if kind in self.dialect.book_kinds else None
        if fate is not None:
            variant = fate.fault.variant
            if fate.kind == "garbled" and variant is None:
                variant = fate.rng.choice(self.dialect.garblings)
            self._note(fate, variant, symbol, publication.flush, len(topic.sessions))
            self._injure(fate, variant, topic, payload)
        else:
            self._release(topic, payload)

    def _injure(self, fate: ActiveFault, variant: str | None, topic: _Topic, payload: bytes) -> None:
        if fate.kind == "doubled":
            self._release(topic, payload)
            self._release(topic, payload)
        elif fate.kind == "reordered" and topic.swapped is None:
            topic.swapped = payload
        elif fate.kind == "delayed":
            release = self._now_ns + round(fate.fault.delay_s * NS_PER_S)
            topic.held.append(_Held(release, fate.fault_id, payload, None))
        elif fate.kind == "stall" and variant != "drop":
            topic.held.append(_Held(fate.end_ns or _FOREVER_NS, fate.fault_id, payload, None))
        elif fate.kind == "garbled" and variant is not None:
            spoiled = garble(payload, variant, fate.rng, self.dialect.book_shape)
            self._send(spoiled, topic.sessions, plain=variant in ("not_json", "binary"), binary=variant == "binary")
        elif fate.kind == "reordered":
            self._release(topic, payload)

    def _release(self, topic: _Topic, payload: bytes) -> None:
        """Send a frame now, or behind those on hold; a frame waiting to be overtaken follows it."""
        if topic.held:
            topic.held.append(_Held(topic.held[-1].release_ns, topic.held[-1].fault_id, payload, None))
            return
        self._send(payload, topic.sessions)
        if topic.swapped is not None:
            overtaken, topic.swapped = topic.swapped, None
            self._send(overtaken, topic.sessions)

    def _send(
        self,
        payload: bytes,
        targets: Iterable[tuple[WireSession, str]],
        *,
        plain: bool = False,
        binary: bool = False,
    ) -> None:
        frames: dict[str | None, bytes] = {}
        for session, name in targets:
            key = name if session.combined and not plain else None
            frame = frames.get(key)
            if frame is None:
                wrapped = payload if key is None else self.dialect.envelope(key, payload)
                frame = frames[key] = encode_frame(BINARY if binary else TEXT, wrapped)
            session.active_ns = self._now_ns
            session.send(frame)
            self.frame_count += 1

    def _note(self, fate: ActiveFault, variant: str | None, symbol: str, flush: Flush, connections: int) -> None:
        self._board.note(
            Injection(
                fault_id=fate.fault_id,
                kind=fate.kind,
                variant=variant,
                venue=self.venue,
                symbol=symbol,
                wall_ns=self._wall_ns(),
                previous_id=flush.previous_id,
                first_id=flush.first_id,
                last_id=flush.last_id,
                connections=connections,
            )
        )

    def turn(self, now_ns: int) -> None:
        """Once a tick, before the publications: release what is due, ping, close the idle and the old."""
        self._now_ns = now_ns
        self._accounts.turn(now_ns)
        for topics in self._topics.values():
            for topic in topics.values():
                while topic.held and topic.held[0].release_ns <= now_ns:
                    held = topic.held.popleft()
                    self._send(held.payload, topic.sessions if held.targets is None else held.targets)

    def unhold(self, fault_id: int) -> None:
        """A stall or delay is over or taken back: what it held leaves at the next tick."""
        self._accounts.unhold(fault_id)
        for topics in self._topics.values():
            for topic in topics.values():
                for held in topic.held:
                    if held.fault_id == fault_id:
                        held.release_ns = 0

    def keep_alive(self, now_ns: int) -> None:
        """Ping, and close connections that are idle or have reached their age."""
        config, dialect = self.dialect.venue.config, self.dialect
        ping_s, idle_s, silence_s = dialect.ping_interval_s(), dialect.idle_limit_s(), dialect.silence_limit_s()
        for session in list(self.sessions):
            dialect.tend(session, now_ns)
            if now_ns - session.opened_ns >= config.connection_limit_s * NS_PER_S:
                session.close(1001, "connection age limit")
            elif idle_s is not None and now_ns - session.active_ns >= idle_s * NS_PER_S:
                session.close(4004, "No data received in 30s.")
            elif silence_s is not None and now_ns - session.heard_ns >= silence_s * NS_PER_S:
                session.close(1000, "no ping of the client")
            elif ping_s is not None and now_ns - session.pinged_ns >= ping_s * NS_PER_S:
                session.pinged_ns = now_ns
                session.send(encode_frame(PING, b""))

    def flush(self) -> None:
        """The end of a tick: everything queued goes out."""
        dirty, self.dirty = self.dirty, []
        for session in dirty:
            session.flush()
