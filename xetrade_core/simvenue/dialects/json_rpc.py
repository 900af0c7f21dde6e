"""JSON-RPC 2.0 replies as Deribit writes them, with the times of the call in microseconds."""

from __future__ import annotations

import msgspec


class RpcError(Exception):
    """A JSON-RPC error; `param` and `reason` say which parameter is wrong and why."""

    def __init__(self, code: int, message: str, param: str = "", reason: str = "") -> None:
        super().__init__(message)
        self._error: dict[str, object] = {"message": message, "code": code}
        if param:
            self._error["data"] = {"reason": reason, "param": param}

    def body(self, now_ns: int, call_id: int | str | None = None) -> bytes:
        """The reply; without an id where there was none (REST)."""
        return _reply({"error": self._error}, now_ns, call_id)


def rpc_result(result: object, now_ns: int, call_id: int | str | None = None) -> bytes:
    """The reply to a call that worked."""
    return _reply({"result": result}, now_ns, call_id)


def _reply(outcome: dict[str, object], now_ns: int, call_id: int | str | None) -> bytes:
    head: dict[str, object] = {"jsonrpc": "2.0"} if call_id is None else {"jsonrpc": "2.0", "id": call_id}
    now_us = now_ns // 1000
    return msgspec.json.encode({**head, **outcome, "usIn": now_us, "usOut": now_us, "usDiff": 0, "testnet": False})
