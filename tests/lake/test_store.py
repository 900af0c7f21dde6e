"""What every store promises, on a local directory and on a real S3 server alike."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from xetrade_core.errors import ConfigError, LakeConflict, LakeUnavailable, ObjectNotFound, StorageFull
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.store import ObjectStore, S3Options, open_store


def test_an_object_reads_back_as_it_was_created(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_bytes(b"x" * 3_000_000)
    store.create("a/bytes", b"content")
    store.create("a/file", file)
    assert store.read("a/bytes") == b"content"
    assert store.read("a/file") == file.read_bytes()
    assert [(info.key, info.size) for info in store.list("a/")] == [("a/bytes", 7), ("a/file", 3_000_000)]


def test_create_never_overwrites(store: ObjectStore) -> None:
    store.create("key", b"first")
    with pytest.raises(LakeConflict, match="key exists with other content"):
        store.create("key", b"other")
    assert store.read("key") == b"first"


def test_create_again_with_the_same_content_is_silent(store: ObjectStore) -> None:
    store.create("key", b"same")
    store.create("key", b"same")
    assert store.read("key") == b"same"


def test_of_many_racing_creates_exactly_one_wins(store: ObjectStore) -> None:
    won: list[bytes] = []

    def create(content: bytes) -> None:
        try:
            store.create("race", content)
        except LakeConflict:
            return
        won.append(content)

    threads = [threading.Thread(target=create, args=(bytes([65 + i]) * 5000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store.read("race")]


def test_replace_overwrites_and_changes_the_etag(store: ObjectStore) -> None:
    store.replace("key", b"one")
    before = store.stat("key")
    store.replace("key", b"two")
    assert store.read("key") == b"two"
    assert before is not None
    assert store.stat("key") != before


def test_replace_with_a_stale_etag_changes_nothing(store: ObjectStore) -> None:
    store.create("key", b"one")
    seen = store.stat("key")
    assert seen is not None
    store.replace("key", b"two", if_match=seen.etag)
    with pytest.raises(LakeConflict, match="changed by another writer"):
        store.replace("key", b"three", if_match=seen.etag)
    assert store.read("key") == b"two"


def test_replace_of_a_deleted_object_by_etag_is_a_conflict(store: ObjectStore) -> None:
    store.create("key", b"one")
    seen = store.stat("key")
    assert seen is not None
    store.delete("key")
    with pytest.raises(LakeConflict):
        store.replace("key", b"two", if_match=seen.etag)
    assert not store.exists("key")


def test_of_racing_compare_and_swaps_exactly_one_wins(store: ObjectStore) -> None:
    store.create("key", b"start")
    seen = store.stat("key")
    assert seen is not None
    outcomes: list[bytes] = []

    def swap(content: bytes) -> None:
        try:
            store.replace("key", content, if_match=seen.etag)
        except LakeConflict:
            return
        outcomes.append(content)

    threads = [threading.Thread(target=swap, args=(bytes([65 + i]) * 100,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [store.read("key")]


def test_what_is_not_there(store: ObjectStore) -> None:
    assert store.stat("no/such") is None
    assert not store.exists("no/such")
    assert list(store.list("no/")) == []
    assert list(store.folders("no/")) == []
    store.delete("no/such")
    for read in (store.read, store.open):
        with pytest.raises(ObjectNotFound, match="no/such"):
            read("no/such")


def test_deleted_objects_are_gone(store: ObjectStore) -> None:
    store.create("d/one", b"1")
    store.create("d/two", b"2")
    store.delete("d/one")
    assert [info.key for info in store.list("d/")] == ["d/two"]


def test_a_prefix_need_not_end_at_a_slash(store: ObjectStore) -> None:
    for key in ("l2/date=2024-08-09/a", "l2/date=2024-08-08/b", "l2/date=2024-09-01/c"):
        store.create(key, b"")
    assert [info.key for info in store.list("l2/date=2024-08")] == ["l2/date=2024-08-08/b", "l2/date=2024-08-09/a"]
    assert list(store.folders("l2/")) == ["date=2024-08-08", "date=2024-08-09", "date=2024-09-01"]


def test_an_open_object_can_be_read_anywhere(store: ObjectStore) -> None:
    content = bytes(range(256)) * 2000
    store.create("key", content)
    with store.open("key") as file:
        file.seek(-10, os.SEEK_END)
        assert file.read() == content[-10:]
        file.seek(300_000)
        assert file.read(1000) == content[300_000:301_000]
        assert file.tell() == 301_000
        file.seek(0)
        assert file.read() == content


def test_a_usable_store_says_so_and_leaves_no_trace(store: ObjectStore) -> None:
    store.check_writable()
    assert list(store.list("")) == []


@pytest.mark.parametrize("key", ["", "/abs", "a//b", "../up", "a/../b", "a/./b", "a\\b", "a b", "a/", "a\n"])
def test_unsafe_keys_are_refused(local_store: ObjectStore, key: str) -> None:
    with pytest.raises(ConfigError, match="key"):
        local_store.create(key, b"")


@pytest.mark.parametrize("root", ["", "gs://bucket/x", "s3://", "https://host/x"])
def test_a_root_that_is_no_lake_is_refused(root: str) -> None:
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        open_store(root)


class TestLocal:
    def test_a_full_disk_is_named_and_leaves_no_half_file(
        self, tmp_path: Path, local_store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        monkeypatch.setattr("xetrade_core.lake.local_store._sync_directory", lambda folder: None)
        with pytest.raises(StorageFull, match="free space on the lake's disk"):
            local_store.create("key", b"content")
        monkeypatch.undo()
        assert not local_store.exists("key")
        assert [path.name for path in (tmp_path / "lake" / ".tmp").iterdir()] == []

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_directory_without_permission_is_one_clear_line(self, tmp_path: Path) -> None:
        (tmp_path / "lake").mkdir(mode=0o500)
        with pytest.raises(LakeUnavailable, match="Permission denied"):
            open_store(tmp_path / "lake").check_writable()

    def test_a_root_below_a_file_is_one_clear_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(LakeUnavailable, match="Not a directory"):
            open_store(tmp_path / "file" / "lake").check_writable()

    def test_a_root_that_cannot_be_made_is_away_and_not_missing(self) -> None:
        with pytest.raises(LakeUnavailable, match="No such file or directory"):
            open_store("/proc/lake").create("key", b"content")

    def test_a_failed_replace_leaves_the_old_content(
        self, local_store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local_store.create("key", b"old")

        def broken(source: object, target: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "replace", broken)
        with pytest.raises(LakeUnavailable, match="Input/output error"):
            local_store.replace("key", b"new")
        assert local_store.read("key") == b"old"

    def test_what_a_crash_left_is_swept_when_it_is_old(self, tmp_path: Path) -> None:
        folder = tmp_path / "lake" / ".tmp"
        folder.mkdir(parents=True)
        old, young = folder / "1-old", folder / "2-young"
        for path in (old, young):
            path.write_bytes(b"half")
        os.utime(old, (0, 0))
        store = open_store(tmp_path / "lake")
        store.create("key", b"")
        assert not old.exists()
        assert young.exists()
        assert [info.key for info in store.list("")] == ["key"]

    def test_creating_while_another_process_empties_the_directory(self, local_store: LocalStore) -> None:
        """Deleting the last segment of an hour takes its directory away under whoever is about to create there."""
        stop = threading.Event()

        def churn() -> None:
            while not stop.is_set():
                local_store.create("hour/churn", b"")
                local_store.delete("hour/churn")

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for i in range(50):
                local_store.create(f"hour/keep-{i}", b"")
                local_store.delete(f"hour/keep-{i}")
        finally:
            stop.set()
            thread.join()


class TestOptions:
    def test_keys_are_never_shown(self) -> None:
        options = S3Options(access_key_id="AKIAEXAMPLE", secret_access_key="hunter2", session_token="token3")
        for secret in ("AKIAEXAMPLE", "hunter2", "token3"):
            assert secret not in repr(options)

    def test_a_password_in_the_endpoint_is_refused_and_not_shown(self) -> None:
        with pytest.raises(ConfigError) as refusal:
            S3Options(endpoint_url="https://user:hunter2@host")
        assert "hunter2" not in str(refusal.value)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("endpoint_url", "s3.example.com"), ("addressing", "dns"), ("max_attempts", 0), ("access_key_id", "alone")],
    )
    def test_wrong_options_are_named(self, field: str, value: object) -> None:
        with pytest.raises(ConfigError):
            S3Options(**{field: value})  # type: ignore[arg-type]
