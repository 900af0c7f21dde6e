"""Derive's envelope: JSON-RPC, whose errors have a code, words and sometimes data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Row = dict[str, object]


class DeriveRefused(Exception):
    """A call that is answered with an error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(message)
        self.error: Row = {"code": code, "message": message, **({"data": data} if data else {})}


def rpc(outcome: Mapping[str, object], call_id: int | str | None) -> bytes:
    """A reply: `outcome` is a result or an error."""
    return msgspec.json.encode({"id": call_id, **outcome})


def invalid(data: str) -> DeriveRefused:
    """A parameter is missing or makes no sense."""
    return DeriveRefused(-32602, "Invalid params", data)
