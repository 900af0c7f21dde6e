"""The whole simulation without sockets: venues, dialects, hubs and the fault board, moved tick by tick.

`SimServer` gives it sockets and a clock. Lasting faults (maintenance, refused connections, a wrong clock) begin and
end here; what they mean for listening sockets is told to the `doors`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import ConfigError, UnknownVenue
from xetrade_core.simvenue.config import SimConfig
from xetrade_core.simvenue.desk import AccountConfig, Desk
from xetrade_core.simvenue.desk_faults import DeskFaults
from xetrade_core.simvenue.dialects import DIALECTS
from xetrade_core.simvenue.dialects.base import Dialect, Reply, Request
from xetrade_core.simvenue.faults import ActiveFault, FaultBoard, Injection
from xetrade_core.simvenue.funding_payments import FundingPayments
from xetrade_core.simvenue.hub import Hub
from xetrade_core.simvenue.levels import TruthForgotten
from xetrade_core.simvenue.playback import Player
from xetrade_core.simvenue.venue import Venue
from xetrade_core.simvenue.wire import spoil_body, without

_MAX_LAG_NS = NS_PER_S  # further behind than this, skipped time is not simulated


class RestOutcome:
    """A reply, and how long to wait before sending it; `dropped`: the connection is reset instead."""

    __slots__ = ("delay_s", "dropped", "reply")

    def __init__(self, reply: Reply, delay_s: float, *, dropped: bool = False) -> None:
        self.reply, self.delay_s, self.dropped = reply, delay_s, dropped


class Place:
    """Everything of one simulated venue but its sockets."""

    def __init__(
        self, venue: str, config: SimConfig, board: FaultBoard, wall_ns: Callable[[], int], now_ns: int = 0
    ) -> None:
        self.name = venue
        self._board, self._wall_ns = board, wall_ns
        self._late: list[tuple[int, Request]] = []  # calls to be carried out after these times
        self.venue = Venue(venue, config.venues[venue], config.seed, config.tick_ms)
        self.dialect: Dialect = DIALECTS[venue](self.venue)
        self.hub = Hub(venue, self.dialect, board, wall_ns)
        self.payments: FundingPayments | None = None
        self.desk = self._open_desk(now_ns)
        self.routes, self.named_routes = self.dialect.routes, self.dialect.named_routes
        self.refusing = False
        recording = self.venue.config.recording
        self._player = Player(self.dialect, self.hub, recording) if recording else None

    def _open_desk(self, now_ns: int) -> Desk | None:
        """The desk that takes orders from outside; None where there is no matching engine, or no private side yet."""
        config, rules = self.venue.config, self.dialect.desk_rules
        if rules is None:
            if config.accounts is not None:
                raise ConfigError(f"venues.{self.name}.accounts: this simulated venue takes no orders")
            return None
        if config.mode != "orders" or config.recording is not None:
            return None
        accounts = {"main": AccountConfig()} if config.accounts is None else config.accounts
        if config.history_s is not None:
            rules = dataclasses.replace(rules, history_s=config.history_s)
        desk = Desk(self.venue.markets.values(), accounts, rules, self.venue_ns(now_ns))
        desk.listen(self.hub.tell)
        DeskFaults(self.name, desk, self._board, self._wall_ns)
        self.payments = FundingPayments(desk, self.venue.funding, desk.now_ns)
        self.dialect.desk = desk
        return desk

    def venue_ns(self, now_ns: int) -> int:
        """What this venue's clock says."""
        fault = self._board.lasting("clock", self.name)
        offset_s = self.venue.config.clock_offset_s + (fault.fault.offset_s if fault else 0.0)
        return now_ns + round(offset_s * NS_PER_S)

    def step(self, now_ns: int) -> None:
        """One tick: the markets move, or the recording goes on, and the messages are on their way."""
        venue_ns = self.venue_ns(now_ns)
        self.hub.turn(now_ns)
        if self.desk is not None:
            self.desk.turn(venue_ns)
        if self.payments is not None:
            self.payments.turn(venue_ns)
        self._carry_out_late(now_ns)
        if self._player is not None:
            self._player.turn(now_ns, venue_ns)
            return
        for publication in self.venue.step(now_ns):
            self.hub.publish(publication, venue_ns)

    def rest(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        now_ns: int,
        wall_ns: int,
        body: bytes = b"",
        host: str = "",
        headers: Mapping[str, str] | None = None,
        raw_query: str = "",
    ) -> RestOutcome:
        """Answer a REST call, with whatever faults hit it."""
        if body:
            query = {**query, **_fields(body)}
        symbol = self.dialect.request_symbol(query)
        if self.venue.maintenance:
            return RestOutcome(self.dialect.unavailable(503), 0.0)
        fates = self._board.rest_fates(self.name, symbol, path)
        sequence, delay_s = None, 0.0
        for fate in fates:
            self._board.note(Injection(fate.fault_id, fate.kind, None, self.name, symbol, wall_ns, detail=path))
            if fate.kind == "rest_delay":
                delay_s += fate.fault.delay_s
            elif fate.kind == "rest_stale" and symbol is not None:
                sequence = self.venue.activities[symbol].id_before(now_ns - round(fate.fault.age_s * NS_PER_S))
        request = Request(method, path, query, self.venue_ns(now_ns), sequence, body, host, headers or {}, raw_query)
        reply = self._prevented(fates, request, now_ns) or self._answer(request, request.now_ns)
        for fate in fates:
            reply = self._spoil(fate, reply)
        return RestOutcome(reply, delay_s, dropped=any(_drops(fate) for fate in fates))

    def _answer(self, request: Request, venue_ns: int) -> Reply:
        beginning = request.path.rpartition("/")[0]
        handler = self.routes.get((request.method, request.path)) or self.named_routes.get((request.method, beginning))
        if self.desk is not None:
            self.desk.now_ns = venue_ns
        try:
            return self.dialect.not_found(request) if handler is None else handler(request)
        except TruthForgotten:
            return self.dialect.unavailable(500)

    def _carry_out_late(self, now_ns: int) -> None:
        due = [request for at_ns, request in self._late if at_ns <= now_ns]
        if due:
            self._late = [late for late in self._late if late[0] > now_ns]
            for request in due:
                self._answer(request, self.venue_ns(now_ns))

    def _prevented(self, fates: list[ActiveFault], request: Request, now_ns: int) -> Reply | None:
        """The answer of a fault that comes before anything is done about the call."""
        for fate in fates:
            if fate.kind == "rest_late":
                self._late.append((now_ns + round(fate.fault.delay_s * NS_PER_S), request))
                return self.dialect.unavailable(fate.fault.status or 503)
            if fate.kind == "rest_error" and fate.fault.variant == "before":
                return self.dialect.unavailable(fate.fault.status or 500)
            if fate.kind == "rate_limit":
                wait = self.dialect.retry_after(fate.fault.retry_after_s, request.now_ns)
                return self.dialect.limited(fate.fault.status or 429, wait)
        return None

    def _spoil(self, fate: ActiveFault, reply: Reply) -> Reply:
        fault = fate.fault
        if fate.kind == "rest_error":
            return self.dialect.unavailable(fault.status or 500)
        if fate.kind == "rest_empty":
            return Reply(200, b"", reply.headers)
        if fate.kind == "rest_garbled":
            return Reply(200, spoil_body(reply.body, fate.rng), reply.headers)
        if fate.kind == "rest_no_id":
            return Reply(reply.status, without(reply.body, self.dialect.order_id_fields), reply.headers)
        return reply


def _drops(fate: ActiveFault) -> bool:
    return fate.kind == "rest_dropped" or (fate.kind == "rest_late" and fate.fault.variant == "dropped")


def _fields(body: bytes) -> dict[str, str]:
    """The plain fields of a JSON object or a form, as text; none of anything else."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return dict(parse_qsl(body.decode(errors="replace")))
    return {key: str(value) for key, value in fields.items() if isinstance(value, str | int | float)}


class Simulation:
    """All venues of a `SimConfig`. `tick` moves time by one `tick_ms`; everything that happens, happens in it."""

    def __init__(self, config: SimConfig, start_ns: int, wall_ns: Callable[[], int]) -> None:
        self.config = config
        self.board = FaultBoard(tuple(config.venues), config.seed)
        self.now_ns = start_ns
        self.tick_ns = config.tick_ms * NS_PER_MS
        self.ticks = 0
        self._wall_ns = wall_ns
        self.places = {venue: Place(venue, config, self.board, wall_ns, start_ns) for venue in config.venues}
        self.rng = random.Random(f"{config.seed}:simulation")
        for fault in config.faults:
            self.board.add(fault, start_ns)

    def place(self, venue: str) -> Place:
        try:
            return self.places[venue]
        except KeyError:
            raise UnknownVenue(venue, self.places) from None

    def catch_up(self, wall_ns: int) -> None:
        """Tick until simulated time has reached `wall_ns`; more than a second, forth or back, is skipped."""
        if abs(wall_ns - self.now_ns) > _MAX_LAG_NS:
            self.now_ns = wall_ns - self.tick_ns
        while self.now_ns + self.tick_ns <= wall_ns:
            self.tick()

    def tick(self) -> None:
        """Move time by one tick: faults begin and end, markets move, messages leave."""
        self.now_ns += self.tick_ns
        self.ticks += 1
        begin, over = self.board.turn(self.now_ns)
        for fault in begin:
            self._begin(fault)
        for fault in over:
            self._end(fault)
        # A tenth of a second is fine enough for pings and idle limits.
        housekeeping = self.ticks % max(1, 100 // self.config.tick_ms) == 0
        for place in self.places.values():
            place.step(self.now_ns)
            if housekeeping:
                place.hub.keep_alive(self.now_ns)
            place.hub.flush()

    def remove_fault(self, fault_id: int | None) -> int:
        """Take back one fault or all of them, and end their effects; gives how many were active."""
        gone = self.board.remove(fault_id)
        for fault in gone:
            self._end(fault)
            for place in self._targets(fault):
                place.hub.unhold(fault.fault_id)
        return len(gone)

    def _targets(self, fault: ActiveFault) -> list[Place]:
        return [place for place in self.places.values() if fault.fault.venue in (None, place.name)]

    def _begin(self, active: ActiveFault) -> None:
        for place in self._targets(active):
            kind = active.kind
            if kind in ("disconnect", "half_open", "maintenance"):
                self._cut(active, place)
            elif kind == "sequence_reset":
                place.venue.reset_sequences(active.fault.symbol)
            if kind == "maintenance":
                place.venue.maintenance = True
            elif kind == "refuse":
                place.refusing = True
            if kind in ("clock", "refuse", "sequence_reset"):
                self._note(active, place, 0)
        if active.kind in ("disconnect", "half_open", "sequence_reset"):
            active.left = 0

    def _cut(self, active: ActiveFault, place: Place) -> None:
        sessions = place.hub.subscribers(active.fault.symbol)
        for session in sessions:
            if active.kind == "half_open":
                session.half_open = True
            elif active.fault.variant == "abort":
                session.abort()
            else:
                session.close(1001, "going away")
        self._note(active, place, len(sessions))

    def _end(self, active: ActiveFault) -> None:
        """Undo the lasting effect of a fault."""
        for place in self._targets(active):
            if active.kind == "maintenance":
                place.venue.reset_sequences()
                place.venue.maintenance = self.board.lasting("maintenance", place.name) is not None
            elif active.kind == "refuse":
                place.refusing = self.board.lasting("refuse", place.name) is not None
            elif active.kind == "stall":
                place.hub.unhold(active.fault_id)

    def _note(self, active: ActiveFault, place: Place, connections: int) -> None:
        fault = active.fault
        self.board.note(
            Injection(
                active.fault_id,
                active.kind,
                fault.variant,
                place.name,
                fault.symbol,
                self._wall_ns(),
                connections=connections,
            )
        )
