"""The venues' dead-man switches: what rests is canceled by the venue once we have fallen silent.

There are two kinds. A client states which its venue has (`dead_man`), and works it:

* one that counts down fires unless it is told again in time: the client is a `CountsDown`, a symbol or the account at a
  time;
* one of the connection fires when the private stream that switched it on is lost: the stream's words are `GuardedWords`
  (see streams/words.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from xetrade_core.errors import ConfigError


class Fires(StrEnum):
    """When a switch fires."""

    SILENCE = "silence"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class DeadMan:
    """A venue's switch. `least_s` and `most_s` bound how long it may be made to wait; None: it fires at once, whatever
    is asked for. `by_symbol`: it is about the orders of one symbol, else about all of the account, whoever placed them.
    """

    fires: Fires
    least_s: float | None
    most_s: float | None
    by_symbol: bool = False

    def require(self, venue: str, within_s: float) -> None:
        """Raises ConfigError for a time that the venue does not take."""
        if self.least_s is None or self.most_s is None:
            return
        if not self.least_s <= within_s <= self.most_s:
            allowed = f"{self.least_s:g} to {self.most_s:g} seconds on {venue}"
            raise ConfigError.of("dead man", f"{within_s:g} s", allowed)


@runtime_checkable
class HasDeadMan(Protocol):
    """A client that says what switch its venue has."""

    dead_man: DeadMan | None


@runtime_checkable
class CountsDown(Protocol):
    """A client of a venue that counts down."""

    async def count_down(self, symbol: str | None, within_s: float) -> None:
        """Let the venue cancel in so many seconds unless told again; 0 takes that back. `symbol`: whose orders; None
        where the switch is of the account. Raises ExecutionError."""
        ...


def dead_man_of(client: object) -> DeadMan | None:
    """The switch of a client's venue; None where it has none."""
    return client.dead_man if isinstance(client, HasDeadMan) else None
