"""How calls of MAX are signed, over REST and on the websocket.

Source: https://max.maicoin.com/documents/api_v3 and github.com/maicoin/max-exchange-api-node (checked 2026-11). The
parameters travel twice: as they are, and in the signed payload, where the nonce and the path are added to them. A nonce
is a time in milliseconds that a key may use once, within 30 s of the venue's clock.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from xetrade_core.clock import NS_PER_MS, Clock

Params = Mapping[str, str | int | bool | list[str]]
_WINDOW_MS = 25_000  # of the venue's 30 s, as its clock is known to a second


@dataclass(frozen=True, slots=True)
class MaxKey:
    """An access key and its secret, neither of which is shown."""

    access_key: str = field(repr=False)
    secret: str = field(repr=False)


class Nonces(Protocol):
    """Where a key's nonces come from: one source a key, shared by REST and websocket."""

    def next(self, offset_ms: int = 0) -> int:
        """A nonce above all before it; `offset_ms` is what to add to our clock to get the venue's."""
        ...


def _above(last: int, now_ms: int) -> int:
    """The time, or the one after the last nonce if that is later.

    A last one that the venue would refuse as too far ahead (a clock was wrong) is forgotten.
    """
    return max(now_ms, last + 1) if last < now_ms + _WINDOW_MS else now_ms


@dataclass(slots=True)
class _Drawn:
    last: int = 0


class ProcessNonces:
    """Nonces of a key that one process alone uses."""

    def __init__(self, clock: Clock, drawn: _Drawn | None = None) -> None:
        """`drawn` is what several of these share of one key."""
        self._clock = clock
        self._drawn = drawn or _Drawn()

    def next(self, offset_ms: int = 0) -> int:
        """See Nonces."""
        self._drawn.last = _above(self._drawn.last, self._clock.wall_ns() // NS_PER_MS + offset_ms)
        return self._drawn.last


_of_process: dict[str, _Drawn] = {}  # by the digest of the key


class SharedNonces:
    """Nonces of a key that several processes of this machine use: the last one is kept in a file, under a lock."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """`path` is one file a key; its directory must exist."""
        self._path = path
        self._clock = clock

    def next(self, offset_ms: int = 0) -> int:
        """As ProcessNonces, above those of all processes. Waits for the lock, which is held for microseconds."""
        with open(self._path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            nonce = _above(int(text) if text.isdigit() else 0, self._clock.wall_ns() // NS_PER_MS + offset_ms)
            file.seek(0)
            file.truncate()
            file.write(b"%d" % nonce)
        return nonce


def nonces_of(access_key: str, directory: Path | None, clock: Clock) -> Nonces:
    """The nonces of a key: of all processes of this machine that share a directory, or of this process alone."""
    digest = hashlib.sha256(access_key.encode()).hexdigest()[:32]
    if directory is None:
        return ProcessNonces(clock, _of_process.setdefault(digest, _Drawn()))
    kept = directory / "nonces"
    kept.mkdir(parents=True, exist_ok=True)
    return SharedNonces(kept / digest, clock)


def signed_headers(key: MaxKey, path: str, params: Params, nonce: int) -> dict[str, str]:
    """The headers of a private call. `params` and `nonce` must be sent as well: see `query` and `json_body`.

    `path` is the URL's path alone, like `/api/v3/wallet/spot/order`.
    """
    payload = base64.b64encode(msgspec.json.encode({"nonce": nonce, **params, "path": path})).decode()
    return {
        "X-MAX-ACCESSKEY": key.access_key,
        "X-MAX-PAYLOAD": payload,
        "X-MAX-SIGNATURE": _signature(key, payload),
        "Content-Type": "application/json",
    }


def query(params: Params, nonce: int) -> tuple[tuple[str, str], ...]:
    """The query of a GET: a list as a repeated key with brackets (`markets[]`), which the payload has without them."""
    pairs: list[tuple[str, str]] = [("nonce", str(nonce))]
    for name, value in params.items():
        if isinstance(value, list):
            pairs += [(f"{name}[]", each) for each in value]
        else:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return tuple(pairs)


def json_body(params: Params, nonce: int) -> bytes:
    """The body of a POST, PUT or DELETE."""
    return msgspec.json.encode({"nonce": nonce, **params})


def websocket_login(key: MaxKey, nonce: int, request_id: str, filters: tuple[str, ...] = ()) -> bytes:
    """The message that opens the private channels; without `filters`: orders, trades and the account."""
    login: dict[str, object] = {"action": "auth", "apiKey": key.access_key, "nonce": nonce}
    login |= {"signature": _signature(key, str(nonce)), "id": request_id}
    return msgspec.json.encode({**login, "filters": filters} if filters else login)


def _signature(key: MaxKey, text: str) -> str:
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
