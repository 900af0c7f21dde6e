"""Looking whether a local lake can be written leaves it, and whoever writes to it meanwhile, as they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xetrade_core.lake.store import open_store


def test_a_store_writes_after_it_was_probed(tmp_path: Path) -> None:
    store = open_store(tmp_path / "lake")
    store.check_writable()
    store.create("l2/a.parquet", b"rows")
    assert store.read("l2/a.parquet") == b"rows"


def test_a_probe_does_not_disturb_another_process(tmp_path: Path) -> None:
    recorder, doctor = open_store(tmp_path / "lake"), open_store(tmp_path / "lake")
    recorder.create("l2/a.parquet", b"rows")
    doctor.check_writable()
    recorder.create("l2/b.parquet", b"rows")
    assert [info.key for info in recorder.list("")] == ["l2/a.parquet", "l2/b.parquet"]


@pytest.mark.parametrize("gone", [".tmp", ""])
def test_a_store_makes_its_directories_again(tmp_path: Path, gone: str) -> None:
    store = open_store(tmp_path / "lake")
    store.create("l2/a.parquet", b"rows")
    shutil.rmtree(tmp_path / "lake" / gone)
    store.create("l2/b.parquet", b"rows")
    assert store.exists("l2/b.parquet")
