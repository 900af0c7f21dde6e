"""One websocket connection on picows: opened once, watched, closed once.

picows parses frames inside the read callback and hands over their payload without a task switch: 3.7 us a frame against
5.3 us of aiohttp's receive loop (500-byte frames), and, more to the point, no queue of messages in between.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import math
import socket
import termios
from collections.abc import Callable

import picows
import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import RateLimited, VenueUnavailable
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.model.book_events import GapCause
from xetrade_core.venues.replies import retry_after_s
from xetrade_core.venues.venue import WebsocketRules

_log = structlog.get_logger(__name__)
_OVERSLEPT_S = 1.0
_UNSTATED_WAIT_S = 60.0
_TEXT, _BINARY, _MORE = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION
_CLOSE = picows.WSMsgType.CLOSE


class LocationRefused(VenueUnavailable):
    """The venue does not serve this location (HTTP 451): no retry will heal that."""


FrameHandler = Callable[["Connection", bytes], None]


class Connection(picows.WSListener):
    """An open websocket. `closed` resolves once, to why: DISCONNECT, or STALLED when it stopped answering.

    A server's pings are answered by picows. When nothing at all arrives for `idle_ping_s` we ping (with `ping_text`
    where the venue wants a text), and if nothing arrives for another `pong_timeout_s` the socket is half open: it is
    aborted. A venue that wants to hear from its clients gets a ping each `ping_every_s`, whatever arrives.
    """

    def __init__(self, on_frame: FrameHandler, clock: Clock, options: FeedOptions, rules: WebsocketRules) -> None:
        self._on_frame = on_frame
        self._clock = clock
        self._options = options
        self._ping_text = None if rules.ping_text is None else rules.ping_text.encode()
        self._ping_every_s = math.inf if rules.ping_every_s is None else rules.ping_every_s
        self._parts: list[bytes] = []
        self._transport: picows.WSTransport | None = None
        self._watch: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[GapCause] = asyncio.get_running_loop().create_future()
        self.opened_ns = self.last_received_ns = self.last_data_ns = clock.monotonic_ns()
        self.frames = 0

    @classmethod
    async def open(
        cls, url: str, on_frame: FrameHandler, clock: Clock, options: FeedOptions, rules: WebsocketRules
    ) -> Connection:
        """Connect; raises RateLimited, LocationRefused or VenueUnavailable."""
        connection = cls(on_frame, clock, options, rules)
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await picows.ws_connect(
                    lambda: connection,
                    url,
                    websocket_handshake_timeout=options.connect_timeout_s,
                    max_frame_size=options.max_frame_bytes,
                    enable_auto_pong=True,
                )
        except picows.WSHandshakeError as error:
            raise _refusal(url, error, clock.wall_ns()) from error
        except (TimeoutError, OSError, picows.WSError) as error:
            raise VenueUnavailable(f"{url} cannot be connected to: {error or type(error).__name__}") from error
        connection._watch = asyncio.create_task(connection._watch_idle())
        return connection

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        if (sock := self._socket()) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._options.receive_buffer_bytes)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self.last_received_ns = self._clock.monotonic_ns()
        kind = frame.msg_type
        if kind is _TEXT or kind is _BINARY or kind is _MORE:
            payload = frame.get_payload_as_bytes()
            if not frame.fin or self._parts:
                self._parts.append(payload)
                if not frame.fin:
                    return
                payload = b"".join(self._parts)
                self._parts.clear()
            self.frames += 1
            self._on_frame(self, payload)
        elif kind is _CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._end(GapCause.DISCONNECT)

    def send(self, text: bytes) -> None:
        """Send a text message; nothing happens on a closed connection, whose `closed` tells the caller."""
        if self._transport is not None and not self.closed.done():
            self._transport.send(_TEXT, text)

    def close(self, cause: GapCause = GapCause.DISCONNECT) -> None:
        """Close without waiting for the other side: a dead one never answers."""
        self._end(cause)
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def unread_bytes(self) -> int:
        """Bytes that wait in the kernel's receive buffer."""
        sock = self._socket()
        if sock is None or self.closed.done():
            return 0
        waiting = array.array("i", [0])
        try:
            fcntl.ioctl(sock.fileno(), termios.FIONREAD, waiting)
        except (OSError, ValueError):  # closed just now
            return 0
        return waiting[0]

    def _socket(self) -> socket.socket | None:
        if self._transport is None:
            return None
        found: socket.socket | None = self._transport.underlying_transport.get_extra_info("socket")
        return found

    def _end(self, cause: GapCause) -> None:
        if not self.closed.done():
            self.closed.set_result(cause)
        if self._watch is not None:
            self._watch.cancel()

    def _ping(self) -> None:
        if self._transport is None:
            return
        if self._ping_text is None:
            self._transport.send_ping(b"")
        else:
            self._transport.send(_TEXT, self._ping_text)

    async def _watch_idle(self) -> None:
        clock, options = self._clock, self._options
        step_s = min(options.idle_ping_s, options.pong_timeout_s, self._ping_every_s) / 2
        pinged_ns: int | None = None
        last_ping_ns = clock.monotonic_ns()
        while True:
            slept_from = clock.monotonic_ns()
            await clock.sleep(step_s)
            now = clock.monotonic_ns()
            if now - last_ping_ns >= self._ping_every_s * NS_PER_S:
                last_ping_ns = now
                self._ping()
            if now - slept_from > (step_s + _OVERSLEPT_S) * NS_PER_S:
                pinged_ns = None  # we were suspended, not they silent: what has arrived since is not read yet
            elif now - self.last_received_ns < options.idle_ping_s * NS_PER_S:
                pinged_ns = None
            elif pinged_ns is None:
                pinged_ns = last_ping_ns = now
                self._ping()
            elif now - pinged_ns > options.pong_timeout_s * NS_PER_S:
                _log.warning("connection_stalled", silent_s=round((now - self.last_received_ns) / NS_PER_S, 1))
                self._watch = None
                self.close(GapCause.STALLED)
                return


def _refusal(url: str, error: picows.WSHandshakeError, wall_ns: int) -> VenueUnavailable:
    """A failed handshake as one of our errors."""
    reply = error.response
    status = None if reply is None else int(reply.status)
    if reply is not None and status in (418, 429):
        stated_s = retry_after_s(reply.headers.get("Retry-After"), wall_ns)
        wait_s = _UNSTATED_WAIT_S if stated_s is None else stated_s
        return RateLimited(f"{url} answered {status}: no connections for {wait_s:g} s", wait_s)
    if status == 451:
        return LocationRefused(f"{url} answered 451: this location is not served; use another network or venue")
    return VenueUnavailable(f"{url} refused the websocket: {status or error}")
