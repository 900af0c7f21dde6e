"""Frames as a bad line brings them: damaged, lost, doubled, out of order."""

from __future__ import annotations

import random

from hypothesis import strategies as st


def damaged(frames: list[bytes], data: st.DataObject) -> list[bytes]:
    """The frames, and before one of them (not the first) a copy of it with bytes changed, taken out or put in."""
    victim = data.draw(st.integers(1, len(frames) - 1))
    copy = bytearray(frames[victim])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(copy) - 1))
        new = data.draw(st.sampled_from(b'0123456789.-+eE"[]{},: \\\n\x00\xff@abdpuUEsT') | st.integers(0, 255))
        kind = data.draw(st.sampled_from(["change", "insert", "remove", "cut"]))
        if kind == "change":
            copy[at] = new
        elif kind == "insert":
            copy.insert(at, new)
        elif kind == "remove" and len(copy) > 1:
            del copy[at]
        elif kind == "cut" and at:
            del copy[at:]
    return [*frames[:victim], bytes(copy), *frames[victim:]]


def disordered(frames: list[bytes], seed: int) -> list[bytes]:
    """The frames with some lost and some doubled, and perhaps two neighbours in turn."""
    rng = random.Random(seed)
    played = [frame for frame in frames for _ in range(rng.choice((1, 1, 1, 0, 2)))]
    if len(played) > 1 and rng.random() < 0.5:
        at = rng.randrange(len(played) - 1)
        played[at], played[at + 1] = played[at + 1], played[at]
    return played
