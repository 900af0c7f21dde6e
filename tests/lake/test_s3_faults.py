"""The S3 store behind a proxy that breaks things: nothing half, nothing twice, one clear line."""

from __future__ import annotations

import random

import pytest

from tests.support.proxy import FaultProxy, Mode
from tests.support.s3 import SECRET_KEY, S3Server
from xetrade_core.errors import LakeConflict, LakeError, LakeUnavailable
from xetrade_core.lake.s3_store import S3Store, make_client
from xetrade_core.lake.store import ObjectStore, open_store

BODY = b"0123456789" * 50_000
PASSING = [Mode.ERROR_500, Mode.SLOW_DOWN, Mode.RESET_REQUEST, Mode.LOSE_RESPONSE]


@pytest.fixture
def behind(proxy: FaultProxy, s3_root: str, s3_server: S3Server) -> ObjectStore:
    """A store that reaches the server through the proxy, three attempts a call, backoff without waiting."""
    client = make_client(s3_server.options(endpoint_url=proxy.url, read_timeout_s=0.5))
    bucket, _, prefix = s3_root.removeprefix("s3://").partition("/")
    return S3Store(client, bucket, prefix, max_attempts=3, sleep=lambda seconds: None, rng=random.Random(1))


@pytest.fixture
def direct(s3_root: str, s3_server: S3Server) -> ObjectStore:
    """The same store without the proxy."""
    return open_store(s3_root, s3_server.options())


@pytest.mark.parametrize("mode", PASSING)
def test_a_passing_fault_is_overcome(behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy, mode: Mode) -> None:
    proxy.fail(mode, times=2)
    behind.create("key", BODY)
    assert direct.read("key") == BODY


@pytest.mark.parametrize("mode", [*PASSING, Mode.REFUSE, Mode.BLACKHOLE])
def test_a_lasting_fault_is_unavailable(behind: ObjectStore, proxy: FaultProxy, mode: Mode) -> None:
    proxy.fail(mode)
    with pytest.raises(LakeUnavailable, match="cannot write s3://"):
        behind.create("key", BODY)


def test_a_body_that_was_cut_off_leaves_no_object(behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy) -> None:
    proxy.fail(Mode.RESET_REQUEST)
    with pytest.raises(LakeUnavailable):
        behind.create("key", BODY)
    assert not direct.exists("key")


def test_our_own_first_try_is_no_conflict(behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy) -> None:
    """The server stored it and the answer was lost; the second try is told 412 and must know its own content."""
    proxy.fail(Mode.LOSE_RESPONSE, times=1)
    behind.create("key", BODY)
    assert [mode for method, _, mode in proxy.requests if method == "PUT"] == [Mode.LOSE_RESPONSE, Mode.PASS]
    assert direct.read("key") == BODY


def test_another_writers_object_is_a_conflict_even_after_a_lost_answer(
    behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy
) -> None:
    direct.create("key", b"other")
    proxy.fail(Mode.LOSE_RESPONSE, times=1)
    with pytest.raises(LakeConflict):
        behind.create("key", BODY)
    assert direct.read("key") == b"other"


def test_a_swap_whose_answer_was_lost_succeeded(behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy) -> None:
    direct.create("key", b"old")
    seen = behind.stat("key")
    assert seen is not None
    proxy.fail(Mode.LOSE_RESPONSE, times=1)
    behind.replace("key", BODY, if_match=seen.etag)
    assert direct.read("key") == BODY


def test_an_answer_that_breaks_off_is_read_again(behind: ObjectStore, direct: ObjectStore, proxy: FaultProxy) -> None:
    direct.create("key", BODY)
    proxy.fail(Mode.RESET_RESPONSE, times=1, methods=("GET",))
    assert behind.read("key") == BODY
    proxy.fail(Mode.RESET_RESPONSE, times=1, methods=("GET",))
    with behind.open("key") as file:
        assert file.read() == BODY


def test_a_slow_store_still_works(behind: ObjectStore, proxy: FaultProxy) -> None:
    proxy.fail(Mode.LATENCY, delay_s=0.1)
    behind.create("key", BODY)
    assert behind.read("key") == BODY


def test_the_store_comes_back(behind: ObjectStore, proxy: FaultProxy) -> None:
    proxy.fail(Mode.REFUSE)
    with pytest.raises(LakeUnavailable):
        behind.create("key", BODY)
    proxy.pass_through()
    behind.create("key", BODY)
    assert behind.read("key") == BODY


def test_wrong_credentials_are_one_line_without_them(s3_root: str, s3_server: S3Server) -> None:
    store = open_store(s3_root, s3_server.options(secret_access_key="not-the-secret"))
    with pytest.raises(LakeUnavailable, match="check the access key") as refusal:
        store.create("key", b"")
    assert "\n" not in str(refusal.value)
    assert "not-the-secret" not in str(refusal.value)
    assert SECRET_KEY not in str(refusal.value)


def test_a_missing_bucket_is_one_line(s3_server: S3Server) -> None:
    store = open_store("s3://no-such-bucket-here/lake", s3_server.options())
    with pytest.raises(LakeError, match="no-such-bucket-here") as refusal:
        list(store.list(""))
    assert "\n" not in str(refusal.value)


def test_a_server_that_ignores_conditions_is_found_out(s3_root: str, s3_server: S3Server) -> None:
    client = make_client(s3_server.options())

    def forget(params: dict[str, object], **_: object) -> None:
        headers = params["headers"]
        assert isinstance(headers, dict)
        headers.pop("If-None-Match", None)
        headers.pop("If-Match", None)

    client.meta.events.register("before-call.s3.PutObject", forget)
    store = open_store(s3_root, s3_client=client)
    with pytest.raises(LakeError, match="ignores conditional writes"):
        store.check_writable()


def test_an_injected_client_is_used(s3_root: str, s3_server: S3Server) -> None:
    store = open_store(s3_root, s3_client=s3_server.client())
    store.create("key", b"content")
    assert open_store(s3_root, s3_server.options()).read("key") == b"content"
