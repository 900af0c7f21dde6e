"""Faults that hit orders inside the venue, whatever its wire: refused for no reason, filled while being canceled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from xetrade_core.simvenue.desk import Desk, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.faults import ActiveFault, FaultBoard, Injection


class DeskFaults:
    """Stands before a desk's `place` and `cancel`."""

    def __init__(self, venue: str, desk: Desk, board: FaultBoard, wall_ns: Callable[[], int]) -> None:
        self._venue, self._desk, self._board, self._wall_ns = venue, desk, board, wall_ns
        desk.before_place = self._refuse
        desk.before_cancel = self._fill

    def _refuse(self, symbol: str) -> None:
        """Raises DeskRefusal."""
        fate = self._board.order_fate("order_refused", self._venue, symbol)
        if fate is not None:
            kind = RefusalKind(fate.fault.variant or RefusalKind.BUSY)
            self._note(fate, kind, symbol, "")
            raise DeskRefusal(kind, "by a fault")

    def _fill(self, order: DeskOrder) -> None:
        symbol = order.market.symbol
        fate = self._board.order_fate("fill_on_cancel", self._venue, symbol)
        if fate is not None:
            variant = fate.fault.variant or "whole"
            self._note(fate, variant, symbol, str(order.order_id))
            lot = order.market.listing.instrument.lot
            part = max(lot, Decimal(int(order.remaining / lot / 2)) * lot)
            self._desk.fill(order, part if variant == "part" else None)

    def _note(self, fate: ActiveFault, variant: str, symbol: str, detail: str) -> None:
        wall_ns = self._wall_ns()
        self._board.note(Injection(fate.fault_id, fate.kind, variant, self._venue, symbol, wall_ns, detail=detail))
