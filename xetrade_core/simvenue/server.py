"""The simulated venues on loopback: one port a venue, one for the admin endpoints.

    async with SimServer(SimConfig()) as sim:
        sim.url("binance").rest    # http://127.0.0.1:40123
        sim.url("binance").ws      # ws://127.0.0.1:40123
        sim.admin_url              # http://127.0.0.1:40125

The host part alone is what differs from the live venue: below it stand the venue's own paths (`/api/v3/depth`,
`/stream?streams=...`, `/ws/v5/public`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import WSMsgType, web

from xetrade_core.clock import NS_PER_S, Clock, SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue.admin import admin_routes
from xetrade_core.simvenue.config import SimConfig
from xetrade_core.simvenue.dialects.base import HandshakeRefused
from xetrade_core.simvenue.hub import WireSession
from xetrade_core.simvenue.simulation import Place, Simulation
from xetrade_core.simvenue.wire import PONG, encode_frame

_WRITE_LIMIT = 32 * 1024 * 1024  # a client this far behind is cut off, as the venues do


class VenueUrl(msgspec.Struct, frozen=True):
    """Where a simulated venue listens: scheme, host and port, to be followed by the venue's own paths."""

    rest: str
    ws: str


class SocketWire:
    """Writes frames to the transport under an aiohttp websocket; they are framed already."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > _WRITE_LIMIT:
            self.abort()
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        sock = self._transport.get_extra_info("socket")
        # The client may have closed it a moment ago, before its handler could tell the hub.
        if sock is not None and sock.fileno() >= 0:
            # Zero linger turns the close into a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class _Door:
    """The listening socket of one venue."""

    def __init__(self, place: Place, simulation: Simulation, clock: Clock, host: str, port: int) -> None:
        self._place, self._simulation, self._clock = place, simulation, clock
        self._host, self.port = host, port
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._site: web.TCPSite | None = None

    async def open(self) -> None:
        if self._runner.server is None:
            await self._runner.setup()
        self._site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True)
        try:
            await self._site.start()
        except OSError as error:
            raise ConfigError(
                f"port {self.port} on {self._host} for {self._place.name} cannot be opened: {error.strerror}"
            ) from None
        self.port = _port_of(self._runner)

    async def follow(self) -> None:
        """Open or close the listening socket as the faults want it."""
        if self._place.refusing and self._site is not None:
            site, self._site = self._site, None
            await site.stop()
        elif not self._place.refusing and self._site is None:
            await self.open()

    async def close(self) -> None:
        for session in list(self._place.hub.sessions):
            session.abort()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._place.refusing and request.transport is not None:
            request.transport.abort()  # a kept-alive connection is no way around a closed door
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        simulation = self._simulation
        body = await request.read()
        outcome = self._place.rest(
            request.method,
            request.path,
            request.query,
            simulation.now_ns,
            self._clock.wall_ns(),
            body,
            request.host,
            request.headers,
            request.rel_url.raw_query_string,
        )
        if outcome.delay_s:
            await self._clock.sleep(outcome.delay_s)
        if outcome.dropped and request.transport is not None:
            request.transport.abort()
        reply = outcome.reply
        return web.Response(
            status=reply.status, body=reply.body, headers=reply.headers, content_type="application/json"
        )

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        place, now_ns = self._place, self._simulation.now_ns
        if place.venue.maintenance:
            return web.Response(status=503)
        transport = request.transport
        if transport is None:
            return web.Response(status=400)
        session = WireSession(place.hub, SocketWire(transport), request.path, now_ns)
        session.muted = True
        try:
            place.dialect.open(session, request.query)
        except HandshakeRefused as refused:
            place.hub.remove(session)
            return web.Response(status=refused.status)
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        try:
            await websocket.prepare(request)
            session.muted = False
            place.hub.add(session)
            place.dialect.opened(session)
            session.flush()
            await self._listen(websocket, session)
        finally:
            place.hub.remove(session)
            session.closed = True
        return websocket

    async def _listen(self, websocket: web.WebSocketResponse, session: WireSession) -> None:
        while True:
            message = await websocket.receive()
            if message.type in (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR):
                return
            if session.half_open:
                continue
            session.active_ns = session.heard_ns = self._simulation.now_ns
            if message.type is WSMsgType.CLOSE:
                session.close(message.data or 1000, "")
                return
            if message.type is WSMsgType.TEXT:
                self._place.dialect.receive(session, message.data, self._simulation.now_ns)
                session.flush()
            elif message.type is WSMsgType.PING:
                session.send(encode_frame(PONG, bytes(message.data)))
                session.flush()


class SimServer:
    """The simulation with sockets and time. Use as an async context manager."""

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._clock: Clock = clock or SystemClock()
        self.simulation = Simulation(config, self._clock.wall_ns(), self._clock.wall_ns)
        self._doors = {
            venue: _Door(place, self.simulation, self._clock, config.host, config.venues[venue].port)
            for venue, place in self.simulation.places.items()
        }
        app = web.Application()
        app.add_routes(admin_routes(self.simulation, self.step))
        self._admin = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._admin_port = config.admin_port
        self._heart: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            for door in self._doors.values():
                await door.open()
            await self._admin.setup()
            await web.TCPSite(self._admin, self.config.host, self._admin_port, reuse_address=True).start()
        except OSError as error:
            await self._close()
            raise ConfigError(
                f"admin port {self._admin_port} on {self.config.host} cannot be opened: {error.strerror}"
            ) from None
        except ConfigError:
            await self._close()
            raise
        self._admin_port = _port_of(self._admin)
        if self.config.auto:
            self._heart = asyncio.create_task(self._beat(), name="simvenue-heart")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        heart_error: BaseException | None = None
        if self._heart is not None:
            self._heart.cancel()
            (heart_error,) = await asyncio.gather(self._heart, return_exceptions=True)
        await self._close()
        if isinstance(heart_error, Exception) and error is None:
            raise heart_error

    async def _close(self) -> None:
        for door in self._doors.values():
            await door.close()
        await self._admin.cleanup()

    @property
    def admin_url(self) -> str:
        return f"http://{self.config.host}:{self._admin_port}"

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def url(self, venue: str) -> VenueUrl:
        """The addresses of a venue. Raises UnknownVenue."""
        self.simulation.place(venue)
        host = f"{self.config.host}:{self._doors[venue].port}"
        return VenueUrl(f"http://{host}", f"ws://{host}")

    def addresses(self) -> dict[str, object]:
        """What the port file holds: `{"admin": url, "venues": {venue: {"rest": url, "ws": url}}}`."""
        return {"admin": self.admin_url, "venues": {venue: self.url(venue) for venue in self._doors}}

    async def until(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises what broke the simulation, so that it never stands still unnoticed."""
        waiting = asyncio.create_task(stop.wait())
        tasks = [waiting] if self._heart is None else [waiting, self._heart]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._heart is not None and self._heart.done():
                self._heart.result()
        finally:
            waiting.cancel()

    async def step(self, ticks: int) -> None:
        """Move time by hand (`auto = false`)."""
        for _ in range(ticks):
            self.simulation.tick()
            await self._follow()

    async def _follow(self) -> None:
        for door in self._doors.values():
            await door.follow()

    async def _beat(self) -> None:
        tick_s = self.simulation.tick_ns / NS_PER_S
        while True:
            self.simulation.catch_up(self._clock.wall_ns())
            await self._follow()
            behind_s = (self.simulation.now_ns + self.simulation.tick_ns - self._clock.wall_ns()) / NS_PER_S
            await self._clock.sleep(min(tick_s, max(0.0, behind_s)))


def _port_of(runner: web.AppRunner) -> int:
    address = runner.addresses[0]
    return int(address[1])
