"""What the sessions of an account are told, and what goes wrong on the way: lost, doubled, late, in another order."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xetrade_core.clock import NS_PER_S
from xetrade_core.simvenue.desk import DeskEvent, LedgerChanged, OrderChanged
from xetrade_core.simvenue.dialects.base import PrivateMessage
from xetrade_core.simvenue.faults import ActiveFault, FaultBoard, Injection

_OVERTAKEN_NS = NS_PER_S  # a reordered event waits for the next one no longer than that

Messages = Sequence[PrivateMessage]


@dataclass(slots=True)
class _Waiting:
    release_ns: int
    fault_id: int
    messages: Messages


@dataclass(slots=True)
class _Line:
    """What waits to be told to one account: `held` in order, `overtaken` for the next event to pass it."""

    held: deque[_Waiting] = field(default_factory=deque)
    overtaken: _Waiting | None = None


class AccountStreams:
    """The events of all accounts of one venue, on their way to `send`."""

    def __init__(
        self, venue: str, board: FaultBoard, wall_ns: Callable[[], int], send: Callable[[str, Messages], None]
    ) -> None:
        self._venue, self._board, self._wall_ns, self._send = venue, board, wall_ns, send
        self._lines: defaultdict[str, _Line] = defaultdict(_Line)

    def tell(self, event: DeskEvent, messages: Messages, now_ns: int) -> None:
        """Send the messages of an event, or do to them what a fault says. An event is hit as a whole."""
        if not messages:
            return
        symbol, variant = _described(event)
        fate = self._board.event_fate(self._venue, symbol, variant)
        line = self._lines[event.account]
        if fate is None:
            self._pass(event.account, line, messages)
            return
        self._note(fate, variant, symbol)
        if fate.kind == "event_doubled":
            self._pass(event.account, line, [*messages, *messages])
        elif fate.kind == "event_delayed":
            release_ns = now_ns + round(fate.fault.delay_s * NS_PER_S)
            line.held.append(_Waiting(release_ns, fate.fault_id, messages))
        elif fate.kind == "event_reordered" and line.overtaken is None:
            line.overtaken = _Waiting(now_ns + _OVERTAKEN_NS, fate.fault_id, messages)
        elif fate.kind == "event_reordered":
            self._pass(event.account, line, messages)

    def _pass(self, account: str, line: _Line, messages: Messages) -> None:
        """Send now, or behind what is held; what waits to be overtaken follows."""
        if line.held:
            line.held.append(_Waiting(line.held[-1].release_ns, line.held[-1].fault_id, messages))
            return
        self._send(account, messages)
        if line.overtaken is not None:
            overtaken, line.overtaken = line.overtaken, None
            self._send(account, overtaken.messages)

    def turn(self, now_ns: int) -> None:
        """Once a tick: send what is due."""
        for account, line in self._lines.items():
            while line.held and line.held[0].release_ns <= now_ns:
                self._send(account, line.held.popleft().messages)
            if line.overtaken is not None and line.overtaken.release_ns <= now_ns:
                overtaken, line.overtaken = line.overtaken, None
                self._send(account, overtaken.messages)

    def unhold(self, fault_id: int) -> None:
        """A fault is taken back: what it holds leaves at the next tick."""
        for line in self._lines.values():
            for waiting in [*line.held, *([line.overtaken] if line.overtaken else [])]:
                if waiting.fault_id == fault_id:
                    waiting.release_ns = 0

    def _note(self, fate: ActiveFault, variant: str, symbol: str | None) -> None:
        self._board.note(Injection(fate.fault_id, fate.kind, variant, self._venue, symbol, self._wall_ns()))


def _described(event: DeskEvent) -> tuple[str | None, str]:
    """The symbol that an event is about, and what kind of event it is, in a fault's words."""
    if isinstance(event, OrderChanged):
        return event.order.market.symbol, "order" if event.fill is None else "fill"
    if isinstance(event, LedgerChanged):
        return None, "balance"
    return event.symbol, "position"
