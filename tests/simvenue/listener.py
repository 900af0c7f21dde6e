"""A client without sockets: takes the bytes a simulated venue writes, and gives the messages in them."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from tests.simvenue.words import WORDS
from xetrade_core.simvenue.hub import WireSession
from xetrade_core.simvenue.simulation import Place, Simulation
from xetrade_core.simvenue.wire import BINARY, CLOSE, PING, TEXT


class Listener:
    """One connection to a place of a simulation; `frames` are (opcode, payload) as they came."""

    def __init__(
        self, simulation: Simulation, venue: str, path: str | None = None, query: dict[str, str] | None = None
    ) -> None:
        self._simulation = simulation
        self.place: Place = simulation.place(venue)
        self.frames: list[tuple[int, bytes]] = []
        self.ended: str | None = None
        self.session = WireSession(self.place.hub, self, path or WORDS[venue].path, simulation.now_ns)
        self.place.dialect.open(self.session, self._ticket() if query is None else query)
        self.place.hub.add(self.session)

    def _ticket(self) -> dict[str, str]:
        """The token that KuCoin wants to see at the handshake."""
        simulation, path = self._simulation, "/api/v1/bullet-public"
        if ("POST", path) not in self.place.routes:
            return {}
        body = self.place.rest("POST", path, {}, simulation.now_ns, simulation.now_ns).reply.body
        return {"token": msgspec.json.decode(body)["data"]["token"]}

    def write(self, data: bytes) -> None:
        while data:
            opcode, size, head = data[0] & 0x0F, data[1], 2
            if size == 126:
                size, head = struct.unpack_from("!H", data, 2)[0], 4
            elif size == 127:
                size, head = struct.unpack_from("!Q", data, 2)[0], 10
            self.frames.append((opcode, data[head : head + size]))
            data = data[head + size :]

    def close(self) -> None:
        self.ended = "close"

    def abort(self) -> None:
        self.ended = "abort"

    def say(self, message: object) -> None:
        """Send a message: text as it is, anything else as JSON."""
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        self.session.active_ns = self.session.heard_ns = self._simulation.now_ns
        self.place.dialect.receive(self.session, text, self._simulation.now_ns)
        self.session.flush()

    def subscribe(self, symbol: str, kind: str) -> None:
        """Subscribe in the venue's own words, and forget the acknowledgement."""
        venue_id = self.place.venue.market(symbol).venue_id
        self.say(WORDS[self.place.name].subscribe(venue_id, kind))
        self.frames.clear()

    def texts(self) -> list[bytes]:
        """The text frames since the last call."""
        texts = [payload for opcode, payload in self.frames if opcode == TEXT]
        self.frames = [frame for frame in self.frames if frame[0] != TEXT]
        return texts

    def messages(self) -> list[dict[str, Any]]:
        """The text frames since the last call, decoded."""
        return [msgspec.json.decode(text) for text in self.texts()]

    def count(self, opcode: int) -> int:
        return sum(1 for frame in self.frames if frame[0] == opcode)

    @property
    def close_code(self) -> int | None:
        """The code of the close frame, if one came."""
        for opcode, payload in self.frames:
            if opcode == CLOSE:
                code: int = struct.unpack_from("!H", payload)[0]
                return code
        return None


__all__ = ["BINARY", "CLOSE", "PING", "TEXT", "Listener"]
