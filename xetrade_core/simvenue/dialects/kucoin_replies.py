"""How KuCoin answers: everything in an envelope with a code, an error with its words beside it."""

from __future__ import annotations

import msgspec

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.dialects.base import Reply

Row = dict[str, object]
#: some rows of futures hold JSON numbers, which are as exact as the text of others
encode = msgspec.json.Encoder(decimal_format="number").encode


class KucoinRefused(XETradeError):
    """A refusal of the venue: its code, its words, the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.status = code, message, status


def answer(data: object) -> Reply:
    """A call that went well."""
    return Reply(200, encode({"code": "200000", "data": data}))


def refused(code: str, message: str, status: int = 200) -> Reply:
    """A call that did not."""
    return Reply(status, encode({"code": code, "msg": message}))
