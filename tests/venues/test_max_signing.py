"""MAX's signatures, held against the venue's documented vector; nonces that only rise."""

from __future__ import annotations

import base64
import json
import multiprocessing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.clock import ManualClock, SystemClock
from xetrade_core.venues.max_signing import (
    MaxKey,
    Params,
    ProcessNonces,
    SharedNonces,
    json_body,
    nonces_of,
    query,
    signed_headers,
    websocket_login,
)

KEY = MaxKey("an-access-key", "0123456789abcdef" * 2)
NONCE = 1_700_000_000_123
ORDER = {
    "market": "btctwd",
    "side": "buy",
    "volume": "0.01",
    "price": "30000.0",
    "ord_type": "limit",
    "client_oid": "xe-0001",
}


def test_a_call_without_parameters_is_signed_as_documented() -> None:
    headers = signed_headers(KEY, "/api/v3/info", {}, NONCE)
    assert headers == {
        "X-MAX-ACCESSKEY": "an-access-key",
        "X-MAX-PAYLOAD": "eyJub25jZSI6MTcwMDAwMDAwMDEyMywicGF0aCI6Ii9hcGkvdjMvaW5mbyJ9",
        "X-MAX-SIGNATURE": "b67317df900720962a260aa473e8f809d6bd3eaba35268fac55afbb104ac4ede",
        "Content-Type": "application/json",
    }


def test_an_order_is_signed_as_documented_and_what_is_sent_is_what_is_signed() -> None:
    headers = signed_headers(KEY, "/api/v3/wallet/spot/order", ORDER, NONCE)
    assert headers["X-MAX-SIGNATURE"] == "6b9cdc353bd5be9cdbf024f39a5662069c532dcb55edbb9f670c2b558b670cd1"
    payload = json.loads(base64.b64decode(headers["X-MAX-PAYLOAD"]))
    assert payload == {**json.loads(json_body(ORDER, NONCE)), "path": "/api/v3/wallet/spot/order"}


def test_the_websocket_login_signs_the_nonce() -> None:
    login = json.loads(websocket_login(KEY, NONCE, "a1"))
    assert login == {
        "action": "auth",
        "apiKey": "an-access-key",
        "nonce": NONCE,
        "signature": "f0ecf93b98de9ddb579af58beb7db7d50113dba84f2bfd676da68b530311e6ae",
        "id": "a1",
    }
    assert json.loads(websocket_login(KEY, NONCE, "a1", ("order", "account")))["filters"] == ["order", "account"]


def test_lists_have_brackets_in_the_query_and_none_in_the_payload() -> None:
    params: Params = {"markets": ["btctwd", "ethtwd"], "limit": 5, "sort_by_price": True}
    assert query(params, 7) == (
        ("nonce", "7"),
        ("markets[]", "btctwd"),
        ("markets[]", "ethtwd"),
        ("limit", "5"),
        ("sort_by_price", "true"),
    )
    payload = base64.b64decode(signed_headers(KEY, "/p", params, 7)["X-MAX-PAYLOAD"])
    assert json.loads(payload)["markets"] == ["btctwd", "ethtwd"]


def test_neither_key_nor_secret_is_shown() -> None:
    assert "an-access-key" not in repr(KEY)
    assert "0123456789abcdef" not in repr(KEY)


@given(steps=st.lists(st.floats(-0.6, 5), max_size=40))
def test_nonces_of_a_process_only_rise_while_the_clock_is_less_wrong_than_the_venue_allows(steps: list[float]) -> None:
    clock = ManualClock()
    nonces, seen = ProcessNonces(clock), []
    for step in steps:
        clock.step_wall(step)
        seen.append(nonces.next())
    assert all(after > before for before, after in pairwise(seen))


@given(offsets=st.lists(st.integers(-120_000, 120_000), min_size=1, max_size=40))
def test_a_nonce_is_never_so_far_ahead_that_the_venue_refuses_it(offsets: list[int]) -> None:
    clock = ManualClock()
    nonces = ProcessNonces(clock)
    for offset_ms in offsets:
        assert 0 <= nonces.next(offset_ms) - (clock.wall_ns() // 10**6 + offset_ms) <= 25_000


@pytest.mark.parametrize("shared", [True, False])
def test_clients_of_one_key_share_its_nonces_whether_other_processes_do_or_not(tmp_path: Path, shared: bool) -> None:
    clock, directory = ManualClock(), tmp_path if shared else None
    one, other = (nonces_of("an-access-key", directory, clock) for _ in range(2))
    drawn = [one.next(), other.next(), one.next(), nonces_of("another", directory, clock).next()]
    assert drawn == [drawn[0], drawn[0] + 1, drawn[0] + 2, drawn[0]]
    assert not [path for path in tmp_path.rglob("*") if "access" in path.name]


def _draw(path: str, count: int) -> list[int]:
    nonces = SharedNonces(Path(path), SystemClock())
    return [nonces.next() for _ in range(count)]


def test_processes_that_share_a_key_never_draw_the_same_nonce(tmp_path: Path) -> None:
    path = str(tmp_path / "nonce")
    with multiprocessing.get_context("forkserver").Pool(4) as pool:
        drawn = pool.starmap(_draw, [(path, 200)] * 4)
    assert all(part == sorted(set(part)) for part in drawn)
    assert len({nonce for part in drawn for nonce in part}) == 800


def test_an_unreadable_nonce_file_starts_over_from_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "nonce"
    path.write_text("not a number")
    first = SharedNonces(path, SystemClock()).next()
    assert abs(first - SystemClock().wall_ns() // 10**6) < 5_000
    assert SharedNonces(path, SystemClock()).next() > first
