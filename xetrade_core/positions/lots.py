"""Which entries a close releases: the average of all, the oldest first, or the newest first.

Lots keep quantities with their sign and the worth per unit at entry (the price, or its reciprocal for an inverse
contract), so that the average entry of an inverse position is harmonic without a special case. What is left and what
was released always add up to what was put in.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Generic, Protocol

from xetrade_core.positions.numbers import N


class LotMethod(StrEnum):
    """How entries are matched with a close."""

    AVERAGE = "average"
    FIFO = "fifo"
    LIFO = "lifo"


class Lots(Protocol[N]):
    """Open lots: `quantity` is their sum, `basis` the sum of quantity x worth."""

    quantity: N
    basis: N

    def enter(self, quantity: N, worth: N) -> None:
        """Add a signed quantity, of the sign that is held."""

    def release(self, quantity: N) -> N:
        """Take out a signed quantity, of the sign that is held and no more than that; the basis that goes with it."""

    def open_lots(self) -> list[tuple[N, N]]:
        """Each as (quantity, worth), the oldest first; none when flat."""


class AverageLots(Generic[N]):
    """One pool, of which a close takes its share."""

    __slots__ = ("basis", "quantity")

    quantity: N
    basis: N

    def __init__(self, zero: N) -> None:
        self.quantity = zero
        self.basis = zero

    def enter(self, quantity: N, worth: N) -> None:
        self.quantity += quantity
        self.basis += quantity * worth

    def release(self, quantity: N) -> N:
        released: N = self.basis if quantity == self.quantity else self.basis * quantity / self.quantity
        self.quantity -= quantity
        self.basis -= released
        return released

    def open_lots(self) -> list[tuple[N, N]]:
        return [(self.quantity, self.basis / self.quantity)] if self.quantity else []


class QueuedLots(Generic[N]):
    """Each entry by itself, the oldest at the left; neighbours of the same worth are one lot."""

    __slots__ = ("_lots", "_newest_first", "basis", "quantity")

    quantity: N
    basis: N

    def __init__(self, zero: N, newest_first: bool) -> None:
        self.quantity = zero
        self.basis = zero
        self._lots: deque[tuple[N, N]] = deque()
        self._newest_first = newest_first

    def enter(self, quantity: N, worth: N) -> None:
        self.quantity += quantity
        self.basis += quantity * worth
        if self._lots and self._lots[-1][1] == worth:
            quantity += self._lots.pop()[0]
        self._lots.append((quantity, worth))

    def release(self, quantity: N) -> N:
        self.quantity -= quantity
        released = quantity - quantity
        while quantity:
            lot, worth = self._lots.pop() if self._newest_first else self._lots.popleft()
            taken = quantity if abs(lot) > abs(quantity) else lot
            released += taken * worth
            quantity -= taken
            if lot != taken:
                rest = (lot - taken, worth)
                if self._newest_first:
                    self._lots.append(rest)
                else:
                    self._lots.appendleft(rest)
        self.basis = self.basis - released if self._lots else released - released
        return released

    def open_lots(self) -> list[tuple[N, N]]:
        return list(self._lots)


def lots_of(method: LotMethod, zero: N) -> Lots[N]:
    """Empty lots of a method; `zero` says in which numbers."""
    if method is LotMethod.AVERAGE:
        return AverageLots(zero)
    return QueuedLots(zero, newest_first=method is LotMethod.LIFO)
