"""The uploader: a file leaves the spool when the store has it, not before, and nothing is overwritten."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from xetrade_core.capture.spool import SessionDir
from xetrade_core.capture.upload import Uploader, upload
from xetrade_core.errors import LakeConflict, LakeUnavailable
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.store import Source

KEY = "l2_segments/venue=binance/date=2026-01-01/hour=00/1-2-s1.parquet"


class FlakyStore(LocalStore):
    """Fails the next `failures` creates."""

    failures = 0
    attempts = 0

    def create(self, key: str, source: Source) -> None:
        self.attempts += 1
        if self.failures > 0:
            self.failures -= 1
            raise LakeUnavailable("down")
        super().create(key, source)


@pytest.fixture
def store(tmp_path: Path) -> FlakyStore:
    return FlakyStore(tmp_path / "lake")


@pytest.fixture
def session(tmp_path: Path) -> SessionDir:
    return SessionDir(tmp_path / "s1")


def put(session: SessionDir, key: str = KEY, content: bytes = b"rows") -> Path:
    path = session.ready / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_sent_as_they_come(session: SessionDir, store: FlakyStore) -> None:
    uploader = Uploader(session, store, random.Random(1))
    uploader.start()
    path = put(session)
    uploader.notify()
    deadline = time.monotonic() + 5
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert uploader.close(1)
    assert store.read(KEY) == b"rows"
    assert (uploader.status().uploaded_files, uploader.status().waiting_files) == (1, 0)


def test_it_goes_on_trying_until_the_store_answers(session: SessionDir, store: FlakyStore) -> None:
    store.failures = 3
    path = put(session)
    uploader = Uploader(session, store, random.Random(1))
    uploader.start()
    assert uploader.close(20)
    assert (store.attempts, path.exists()) == (4, False)


def test_what_is_left_at_the_end_of_the_grace_stays(session: SessionDir, store: FlakyStore) -> None:
    store.failures = 10**9
    path = put(session)
    uploader = Uploader(session, store, random.Random(1))
    uploader.start()
    began = time.monotonic()
    assert not uploader.close(0.5)
    assert time.monotonic() - began < 2
    assert path.read_bytes() == b"rows"
    assert uploader.status().error == "down"


def test_abandoning_ends_a_long_grace_at_once(session: SessionDir, store: FlakyStore) -> None:
    store.failures = 10**9
    put(session)
    uploader = Uploader(session, store, random.Random(1))
    uploader.start()
    threading.Timer(0.3, uploader.abandon).start()
    began = time.monotonic()
    assert not uploader.close(60)
    assert time.monotonic() - began < 5


def test_sending_the_same_again_is_silent(session: SessionDir, store: FlakyStore) -> None:
    store.create(KEY, b"rows")
    assert upload(store, put(session), KEY) == KEY
    assert [info.key for info in store.list("")] == [KEY]


def test_other_content_under_the_name_is_kept_and_ours_gets_a_name_of_its_own(
    session: SessionDir, store: FlakyStore
) -> None:
    store.create(KEY, b"somebody else's")
    name = upload(store, put(session), KEY)
    assert store.read(KEY) == b"somebody else's"
    assert name == KEY.replace(".parquet", ".conflict1.parquet")
    assert store.read(name) == b"rows"


def test_it_does_not_go_on_finding_names_forever(
    session: SessionDir, store: FlakyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(key: str, source: Source) -> None:
        raise LakeConflict(key)

    monkeypatch.setattr(store, "create", conflict)
    path = put(session)
    with pytest.raises(LakeConflict, match="look at it by hand"):
        upload(store, path, KEY)
    assert path.exists()


def test_a_file_that_another_process_has_sent_meanwhile_is_no_failure(session: SessionDir, store: FlakyStore) -> None:
    """A session that gives up waiting sends its last file on, while a recovery may begin."""
    assert upload(store, session.ready / KEY, KEY) == KEY
    assert not store.exists(KEY)
