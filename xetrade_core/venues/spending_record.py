"""The record of a shared budget: weights in slots of time and a pause, in one page of a file. No I/O here.

The window is cut into `SLOTS` slots, and what was spent in a slot counts until all of the slot has left the window: so
the record never forgets too early, and at most one slot (a fiftieth of the window) too late.

Times are monotonic, which all processes of a machine share until it restarts, so that a stepped wall clock moves
nothing. The wall clock is written beside them for one purpose: to know after a restart what is still to be kept.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

SLOTS = 50
_KEPT = SLOTS + 1  # the slot that is leaving the window is still counted
_MAGIC = b"XEBUDG01"
_BODY = struct.Struct(f"<16s5q{_KEPT}q{_KEPT}q")
_HEAD = struct.Struct("<8sI")
SIZE = _HEAD.size + _BODY.size


class Damaged(Exception):
    """The bytes are no record that can be trusted."""


@dataclass(slots=True)
class Record:
    """`boot` names the run of the machine that the monotonic times belong to.

    `pause_ns` is how long the pause was when it was stated, the bound of what is kept of it over a restart.
    """

    boot: bytes
    window_ns: int
    paused_until_ns: int = 0
    paused_until_wall_ns: int = 0
    pause_ns: int = 0
    written_wall_ns: int = 0
    slots: list[int] = field(default_factory=lambda: [0] * _KEPT)
    weights: list[int] = field(default_factory=lambda: [0] * _KEPT)

    @property
    def slot_ns(self) -> int:
        """The length of a slot."""
        return -(-self.window_ns // SLOTS)

    def used(self, now_ns: int) -> int:
        """Weight in the window that ends now, and in the slot that is leaving it."""
        oldest = now_ns // self.slot_ns - SLOTS
        return sum(weight for slot, weight in zip(self.slots, self.weights, strict=True) if slot >= oldest)

    def spend(self, weight: int, now_ns: int) -> None:
        """Count `weight` as spent now."""
        slot = now_ns // self.slot_ns
        place = slot % _KEPT
        if self.slots[place] != slot:
            self.slots[place], self.weights[place] = slot, 0
        self.weights[place] += weight

    def wait_ns(self, weight: int, ceiling: int, now_ns: int) -> int:
        """How long until `weight` fits under `ceiling`; 0 when it fits now."""
        if self.paused_until_ns > now_ns:
            return self.paused_until_ns - now_ns
        excess = self.used(now_ns) + weight - ceiling
        if excess <= 0:
            return 0
        oldest = now_ns // self.slot_ns - SLOTS
        for slot, spent in sorted(zip(self.slots, self.weights, strict=True)):
            if slot >= oldest:
                excess -= spent
                if excess <= 0:
                    return (slot + _KEPT) * self.slot_ns - now_ns
        return self.window_ns

    def pause(self, ns: int, now_ns: int, wall_ns: int) -> None:
        """Pause for that long, unless a longer pause is under way."""
        if now_ns + ns > self.paused_until_ns:
            self.paused_until_ns, self.paused_until_wall_ns, self.pause_ns = now_ns + ns, wall_ns + ns, ns

    def pack(self) -> bytes:
        """The record as bytes, with a checksum."""
        body = _BODY.pack(
            self.boot,
            self.window_ns,
            self.paused_until_ns,
            self.paused_until_wall_ns,
            self.pause_ns,
            self.written_wall_ns,
            *self.slots,
            *self.weights,
        )
        return _HEAD.pack(_MAGIC, zlib.crc32(body)) + body


def unpack(data: bytes, boot: bytes, window_ns: int | None, now_ns: int, wall_ns: int) -> Record:
    """The record in `data`, as it counts in the machine's run `boot`. Raises Damaged, for another window too.

    Of another run nothing is left but the rest of a pause, and, if it was written less than a window ago, what had been
    spent by then.
    """
    if len(data) < SIZE:
        raise Damaged(f"{len(data)} bytes instead of {SIZE}")
    magic, checksum = _HEAD.unpack_from(data)
    body = data[_HEAD.size : SIZE]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise Damaged("its checksum is wrong")
    written_by, window, paused_until, paused_until_wall, pause, written_wall, *rows = _BODY.unpack(body)
    record = Record(
        written_by, window, paused_until, paused_until_wall, pause, written_wall, rows[:_KEPT], rows[_KEPT:]
    )
    if record.window_ns < 1 or window_ns not in (None, record.window_ns):
        raise Damaged(f"its window is {record.window_ns} ns instead of {window_ns}")
    if record.boot != boot:
        return _carried_over(record, boot, now_ns, wall_ns)
    if max(record.slots) > now_ns // record.slot_ns + 1:
        raise Damaged("its times lie ahead of this machine's clock")
    return record


def _carried_over(old: Record, boot: bytes, now_ns: int, wall_ns: int) -> Record:
    record = Record(boot, old.window_ns)
    if wall_ns - old.written_wall_ns < old.window_ns:  # a clock that went back counts as just now
        newest = max(old.slots)
        spent = sum(w for slot, w in zip(old.slots, old.weights, strict=True) if slot > newest - _KEPT)
        record.spend(spent, now_ns)
    left_ns = min(old.paused_until_wall_ns - wall_ns, old.pause_ns)
    if left_ns > 0:
        record.pause(left_ns, now_ns, wall_ns)
    return record
