"""OKX's envelopes: what a REST call answers. A call about orders answers a row each, with a code of its own."""

from __future__ import annotations

import msgspec

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.dialects.base import Reply

Row = dict[str, object]


class OkxRefused(XETradeError):
    """A call that the venue refuses, with its own code and words, and the HTTP status that goes with it."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def data(rows: object) -> Reply:
    """A call that succeeded."""
    return Reply(200, msgspec.json.encode({"code": "0", "msg": "", "data": rows}))


def refused(refusal: OkxRefused) -> Reply:
    """A call that did not, as a whole."""
    body = {"code": refusal.code, "msg": refusal.message, "data": []}
    return Reply(refusal.status, msgspec.json.encode(body))


def each(rows: list[Row]) -> Reply:
    """A call about orders: code 0 if all went well, 1 if none did, 2 if some did."""
    failed = sum(row["sCode"] != "0" for row in rows)
    code = "0" if not failed else "1" if failed == len(rows) else "2"
    message = "" if not failed else "All operations failed" if code == "1" else "Bulk operation partially succeeded"
    body = {"code": code, "data": rows, "inTime": "0", "msg": message, "outTime": "0"}
    return Reply(200, msgspec.json.encode(body))
