"""JSON-RPC 2.0 replies as Deribit writes them, with the times of the call in microseconds."""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode


class RpcError(Exception):
    """A JSON-RPC error; `param` and `reason` say which parameter is wrong and why. `status` is HTTP's, over REST."""

    def __init__(
        self,
        code: int,
        message: str,
        param: str = "",
        reason: str = "",
        *,
        status: int = 400,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s
        self._error: dict[str, object] = {"message": message, "code": code}
        if param:
            self._error["data"] = {"reason": reason, "param": param}

    def body(self, now_ns: int, call_id: int | str | None = None) -> bytes:
        """The reply; without an id where there was none (REST)."""
        return _reply({"error": self._error}, now_ns, call_id)


def rpc_result(result: object, now_ns: int, call_id: int | str | None = None) -> bytes:
    """The reply to a call that worked. Decimals are written as numbers, to the last digit."""
    return _reply({"result": result}, now_ns, call_id)


def rpc_notice(channel: str, data: bytes) -> bytes:
    """A message of a channel."""
    head = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"%b","data":' % channel.encode()
    return head + data + b"}}"


def rpc_data(data: object) -> bytes:
    """What a message of a channel holds, as JSON with exact numbers."""
    return _encode(data)


def _reply(outcome: dict[str, object], now_ns: int, call_id: int | str | None) -> bytes:
    head: dict[str, object] = {"jsonrpc": "2.0"} if call_id is None else {"jsonrpc": "2.0", "id": call_id}
    now_us = now_ns // 1000
    return _encode({**head, **outcome, "usIn": now_us, "usOut": now_us, "usDiff": 0, "testnet": False})
