"""A recovery that is killed after its last upload is finished by the next one, wherever it was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from xetrade_core.capture.recovery import recover
from xetrade_core.capture.spool import SessionPlan, create_session, sessions
from xetrade_core.clock import ManualClock
from xetrade_core.lake.store import open_store

NOW_NS = 1_700_000_000 * 10**9


def dead_session(spool: Path) -> Path:
    """The directory of a session whose process is gone, with nothing left to upload."""
    plan = SessionPlan("s1", {"binance": ("BTC/USDT",)}, 10**9, 10, NOW_NS, None, NOW_NS)
    directory, lock = create_session(spool, plan)
    lock.release()
    return directory.path


@pytest.mark.parametrize("already_gone", [[], ["lock"], ["config.json"], ["config.json", "lock"]])
def test_what_an_interrupted_burial_left_is_removed(tmp_path: Path, already_gone: list[str]) -> None:
    path = dead_session(tmp_path)
    (path / "recovered").touch()
    grave = path.rename(tmp_path / ".s1.gone")
    for name in already_gone:
        (grave / name).unlink()
    recover(tmp_path, open_store(tmp_path / "lake"), ManualClock(NOW_NS))
    assert not grave.exists()


def test_a_session_that_was_recovered_but_not_buried_is_buried(tmp_path: Path) -> None:
    path = dead_session(tmp_path)
    (path / "recovered").touch()
    recover(tmp_path, open_store(tmp_path / "lake"), ManualClock(NOW_NS))
    assert not list(sessions(tmp_path))


def test_the_status_of_a_session_that_ended_well_stays_for_those_who_ask(tmp_path: Path) -> None:
    path = dead_session(tmp_path)
    recover(tmp_path, open_store(tmp_path / "lake"), ManualClock(NOW_NS))
    assert path.is_dir()
