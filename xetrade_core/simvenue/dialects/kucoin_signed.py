"""Who calls: KuCoin's keys, passphrases, signatures and times, of spot and futures alike.

A signature is the base64 of the HMAC SHA256 of timestamp, method, path with its query as it was before it was encoded,
and body; the passphrase is signed by the same secret. Source: www.kucoin.com/docs-new/authentication (2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import unquote

from xetrade_core.simvenue.desk import Account, ApiKey, Desk, DeskRefusal
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.call_meter import CallMeter
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, answer, refused

Call = Callable[[Account, Request], object]
Words = Callable[[DeskRefusal], tuple[str, str]]
_WINDOW_MS = 5_000
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_METER_MS = 30_000


def authenticate(desk: Desk, request: Request, *, trades: bool) -> tuple[Account, ApiKey]:
    """The account and key that signed a call. Raises KucoinRefused."""
    headers = {name: request.headers.get(f"KC-API-{name}", "") for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")}
    if not all(headers.values()):
        missing = next(name for name, value in headers.items() if not value)
        raise KucoinRefused("400001", f"Please check the header of your request for KC-API-{missing}", _UNAUTHORIZED)
    stamp = headers["TIMESTAMP"]
    if not stamp.isdigit() or abs(request.now_ms - int(stamp)) > _WINDOW_MS:
        raise KucoinRefused("400002", "Invalid KC-API-TIMESTAMP", _UNAUTHORIZED)
    known = desk.key(headers["KEY"])
    if known is None:
        raise KucoinRefused("400003", "KC-API-KEY not exists", _UNAUTHORIZED)
    account, issued = known
    query = f"?{unquote(request.raw_query)}" if request.raw_query else ""
    sent = f"{stamp}{request.method}{request.path}{query}{request.body.decode(errors='replace')}"
    if not _signed(sent, headers["SIGN"], issued):
        raise KucoinRefused("400005", "Invalid KC-API-SIGN", _UNAUTHORIZED)
    if not _signed(issued.passphrase, headers["PASSPHRASE"], issued):
        raise KucoinRefused("400004", "Invalid KC-API-PASSPHRASE", _UNAUTHORIZED)
    if trades and not issued.trade:
        raise KucoinRefused("400007", "Access denied, require more permission.", _FORBIDDEN)
    return account, issued


def _signed(text: str, signature: str, issued: ApiKey) -> bool:
    right = base64.b64encode(hmac.new(issued.secret.encode(), text.encode(), hashlib.sha256).digest())
    return hmac.compare_digest(right, signature.encode())


class SignedCalls:
    """Makes handlers of signed calls: who calls is verified, and counted by weight for each account."""

    def __init__(self, desk: Desk, limit: int, words: Words, limited: Callable[[int, int], Reply]) -> None:
        """`limit`: weight in 30 s, 0 = any. `words`: the code and words of a refusal. `limited`: of too many calls."""
        self.desk = desk
        self._limit, self._words, self._limited = limit, words, limited
        self._meters: dict[str, CallMeter] = {}

    def handler(self, weight: int, call: Call, *, trades: bool = False) -> Handler:
        """A handler whose answer is what `call` gives, or its refusal."""

        def handle(request: Request) -> Reply:
            try:
                account, _ = authenticate(self.desk, request, trades=trades)
                wait_s = self._meter(account).take(request.now_ms, weight)
                return answer(call(account, request)) if wait_s is None else self._limited(429, wait_s)
            except DeskRefusal as refusal:
                return refused(*self._words(refusal))
            except KucoinRefused as refusal:
                return refused(refusal.code, refusal.message, refusal.status)

        return handle

    def _meter(self, account: Account) -> CallMeter:
        return self._meters.setdefault(account.name, CallMeter(self._limit, _METER_MS))


def key_row(account: Account, issued: ApiKey, trading: str) -> dict[str, object]:
    """What user/api-key tells of a key; `trading` is what the venue calls the permission to trade there."""
    may = ["General", *([trading] if issued.trade else []), *(["Transfer"] if issued.withdraw else [])]
    row: dict[str, object] = {
        "remark": account.name,
        "apiKey": issued.key,
        "apiVersion": 3,
        "permission": ",".join(may),
    }
    row |= {"ipWhitelist": "127.0.0.1"} if issued.ip_restricted else {}
    return {**row, "createdAt": 1_700_000_000_000, "uid": 1, "isMaster": True}
