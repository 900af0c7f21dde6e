"""While samples are taken, garbage collection leaves the start-up's heap alone and threads take short turns."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from tests.capture.test_session import Rig
from xetrade_core.capture.undisturbed import YOUNG, YOUNG_OF_ORDERS, undisturbed


def test_it_is_undone_even_after_an_error() -> None:
    before_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    inside = []

    def fail() -> None:
        with undisturbed():
            inside.append((gc.get_freeze_count(), sys.getswitchinterval()))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    ((frozen, switch_s),) = inside
    assert frozen > 10_000
    assert switch_s == pytest.approx(0.0005)
    assert gc.get_freeze_count() == 0
    assert (sys.getswitchinterval(), gc.get_threshold()) == (before_s, thresholds)


def test_young_objects_are_looked_at_by_as_many_as_are_said() -> None:
    with undisturbed(YOUNG_OF_ORDERS):
        assert gc.get_threshold()[0] == YOUNG_OF_ORDERS
    with undisturbed():
        assert gc.get_threshold()[0] == YOUNG


async def test_a_session_samples_undisturbed_and_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before_s = sys.getswitchinterval()
    rig = Rig(tmp_path)
    session = rig.session()
    running = await rig.start(session)
    await asyncio.sleep(0.3)
    assert gc.get_freeze_count() > 10_000
    assert sys.getswitchinterval() < before_s
    session.request_stop()
    await running
    assert gc.get_freeze_count() == 0
    assert sys.getswitchinterval() == before_s
