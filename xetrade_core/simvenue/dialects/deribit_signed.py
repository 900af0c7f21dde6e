"""Who calls: Deribit's keys, signatures, tokens and scopes, over REST and on the websocket.

A REST signature is the hex HMAC SHA256 of time, nonce, method, path with its query, and body, a line each; that of
`public/auth` of time, nonce and any data. Either is good for a minute. A nonce must be there, but that it is used once
is not checked. A token stands for the key that it was granted to.
Source: docs.deribit.com/articles/authentication, "Deribit signature credentials" (2026-11).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from xetrade_core.simvenue.desk import Account, ApiKey, Desk
from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.json_rpc import RpcError

Caller = tuple[Account, ApiKey]
_SCHEME = "deri-hmac-sha256 "
_BEARER = "bearer "
_WINDOW_MS = 60_000
_TOKEN_S = 31_536_000


class DeribitKeys:
    """The keys of a desk, and the tokens that were granted to them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tokens: dict[str, str] = {}  # token -> key

    def caller(self, request: Request) -> Caller:
        """Who signed a REST call, or whose token it carries. Raises RpcError."""
        header = request.headers.get("Authorization", "")
        if header.lower().startswith(_BEARER):
            return self._of_token(header[len(_BEARER) :])
        if not header.startswith(_SCHEME):
            raise RpcError(10000, "authorization_required")
        parts = dict(part.strip().partition("=")[::2] for part in header[len(_SCHEME) :].split(","))
        uri = f"{request.path}?{request.raw_query}" if request.raw_query else request.path
        data = f"{request.method}\n{uri}\n{request.body.decode(errors='replace')}\n"
        key, stamp, nonce, signature = (parts.get(name, "") for name in ("id", "ts", "nonce", "sig"))
        return self._signed(key, stamp, nonce, data, signature, now_ms=request.now_ms)

    def grant(self, fields: Mapping[str, str], now_ms: int) -> tuple[Caller, dict[str, object]]:
        """What `public/auth` answers, and to whom. Raises RpcError."""
        kind = fields.get("grant_type", "")
        if kind == "client_signature":
            named = [fields.get(name, "") for name in ("client_id", "timestamp", "nonce", "data", "signature")]
            caller = self._signed(*named, now_ms=now_ms)
        elif kind == "client_credentials":
            caller = self._known(fields.get("client_id", ""))
            if not hmac.compare_digest(caller[1].secret.encode(), fields.get("client_secret", "").encode()):
                raise RpcError(13004, "invalid_credentials")
        elif kind == "refresh_token":
            caller = self._of_token(fields.get("refresh_token", ""))
        else:
            raise RpcError(-32602, "Invalid params", "grant_type", "unknown grant type")
        issued = caller[1]
        tokens = [self._token(issued, now_ms, use) for use in ("access", "refresh")]
        return caller, {
            "token_type": "bearer",
            "scope": scope_of(issued),
            "refresh_token": tokens[1],
            "expires_in": _TOKEN_S,
            "enabled_features": [],
            "access_token": tokens[0],
        }

    def _token(self, issued: ApiKey, now_ms: int, use: str) -> str:
        named = f"{use}:{issued.key}:{len(self._tokens)}"
        token = f"{now_ms}.{hmac.new(issued.secret.encode(), named.encode(), hashlib.sha256).hexdigest()}"
        self._tokens[token] = issued.key
        return token

    def _of_token(self, token: str) -> Caller:
        key = self._tokens.get(token)
        if key is None:
            raise RpcError(13009, "unauthorized", "access_token", "invalid token")
        return self._known(key)

    def _known(self, key: str) -> Caller:
        known = self._desk.key(key)
        if known is None:
            raise RpcError(13004, "invalid_credentials")
        return known

    def _signed(self, key: str, stamp: str, nonce: str, data: str, signature: str, *, now_ms: int) -> Caller:
        if not nonce:
            raise RpcError(-32602, "Invalid params", "nonce", "invalid format")
        if not stamp.isascii() or not stamp.isdigit():
            raise RpcError(-32602, "Invalid params", "timestamp", "invalid format")
        caller = self._known(key)
        right = hmac.new(caller[1].secret.encode(), f"{stamp}\n{nonce}\n{data}".encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature) or abs(now_ms - int(stamp)) > _WINDOW_MS:
            raise RpcError(13004, "invalid_credentials")
        return caller


def scope_of(issued: ApiKey) -> str:
    """What a key may do, as a token's scope says it."""
    trade, wallet = ("read_write" if may else "read" for may in (issued.trade, issued.withdraw))
    return f"account:read block_trade:read connection mainaccount trade:{trade} wallet:{wallet}"


def require_trading(issued: ApiKey) -> None:
    """Raise RpcError if the key may only read."""
    if not issued.trade:
        raise RpcError(13021, "forbidden", "scope", "trade:read_write is required")
