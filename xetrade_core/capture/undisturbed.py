"""Keeps samples and orders from being late: by garbage collection of a large heap, by long turns of threads."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TURN_S = 0.0005
YOUNG = 10_000  # objects; looking at so many takes one to three milliseconds
#: of a desk: two hundred orders under way are some twenty thousand, and next to nothing is left once they are over
YOUNG_OF_ORDERS = 50_000


@contextmanager
def undisturbed(young: int = YOUNG) -> Iterator[None]:
    """For the time that samples are taken, or orders placed.

    What the start-up has left is set apart from garbage collection: a full one looks at all of it and stops every
    thread meanwhile, 50 to 90 ms where ccxt and pandas are loaded. And a thread that wants the interpreter (the event
    loop, with a frame or a reply) gets it within half a millisecond, not five, from a sealer, an uploader or an
    order store in the middle of Python code. New objects are looked at by the `young` and not by 700, as most of what
    an order or a frame needs is gone by then, without any collection.
    """
    before_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    gc.collect(1)  # of the old objects few are garbage, and looking at them all takes longer than placing an order
    gc.freeze()
    gc.set_threshold(max(young, thresholds[0]) if thresholds[0] else 0, *thresholds[1:])
    sys.setswitchinterval(min(before_s, _TURN_S))
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(before_s)
        gc.unfreeze()
