"""MAX's spot wallet in its own words, over signed calls of our own: ccxt does not know the venue.

The venue only takes note: a reply to a placement shows an order that waits, whatever becomes of it at once, and one to
a cancel shows nothing. So what must trade at once is asked for right after it was placed.
Source: the API's description, max-api.maicoin.com/doc/v3.html (2026-08).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.max_calls import MaxCalls
from xetrade_core.execution.max_rows import balance, fills, report
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, needed_number, plain, text
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType, ReportStatus, TimeInForce
from xetrade_core.trading.execution import ErrorReply, ExecutionError, NoReply, NotSent, OrderRef
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.max_client import MaxMarketData
from xetrade_core.venues.max_signing import Nonces
from xetrade_core.venues.venue import ErrorKind

PAGE = 1000
_SPOT = "/api/v3/wallet/spot"
_ORDER = "/api/v3/order"
_NO_SUCH_ORDER = "2004"
_BAD_PARAMETER = "1001"
_EARLIEST_MS = 1_512_950_400_000  # the least that the venue takes for a time
_ASKED_AGAIN_S = (0.1, 0.2, 0.4)  # after these waits, as it may match an order after it has answered
_FILTERS = ("order", "trade_update", "account")  # of the stream: trades come with their fees
_RECKONED_NS = 60 * NS_PER_S  # a trade this old without a fee has none

Words = dict[str, str | int]


class MaxExecution:
    """Orders of the spot wallet."""

    def __init__(
        self, client: MaxMarketData, account: str, credentials: Credentials, nonces: Nonces, clock: Clock
    ) -> None:
        """`client` is closed with this."""
        self.rules = client.rules
        self.account = account
        self.clock = clock
        self._calls = MaxCalls(client, credentials, nonces, clock)
        self._open_by_market = False  # its descriptions differ on whether open orders are listed without a market

    # -- Execution -----------------------------------------------------------------------------------------------------

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. What became of an order that must trade or end at once is asked for; else it is open."""
        what = f"order of {intent.symbol}"
        if intent.time_in_force not in self.rules.times_in_force:
            raise NotSent(f"{what}: {self.rules.id} has no {intent.time_in_force.value}")
        market = await self._calls.market(what, intent.symbol)
        row = await self._calls.call(what, "POST", f"{_SPOT}/order", {"market": market, **_wanted(intent)})
        with self._calls.reading(what):
            placed = report(row, intent.symbol)
        if intent.type is OrderType.LIMIT and intent.time_in_force is TimeInForce.GTC and not intent.post_only:
            return placed
        return await self._as_it_stands(intent, placed)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. The venue only takes note of it."""
        what = f"cancel of {ref.symbol}"
        row = await self._calls.call(what, "DELETE", _ORDER, _named(ref), Priority.CANCEL)
        with self._calls.reading(what):
            return _noted(row, ref)

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        what = f"cancel of all orders of {symbol or 'the account'}"
        await self._calls.call(what, "DELETE", f"{_SPOT}/orders", await self._of(what, symbol), Priority.CANCEL)

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """Raises NotSent: the venue changes no order in place."""
        raise NotSent(f"{self.rules.id} changes no order in place: cancel it and place another")

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. One call tells of open orders and of those that have ended."""
        what = f"order of {ref.symbol}"
        try:
            row = await self._calls.call(what, "GET", _ORDER, _named(ref))
        except ErrorReply as error:
            if self.is_unknown_order(error):
                return None
            raise
        with self._calls.reading(what):
            return report(row, ref.symbol)

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution. Those of all markets at once where the venue lists them so, else market by market."""
        what = "open orders"
        if symbol is not None or not self._open_by_market:
            try:
                return await self._open(what, await self._of(what, symbol))
            except ErrorReply as error:
                if symbol is not None or error.code != _BAD_PARAMETER:
                    raise
                self._open_by_market = True
        found = [await self._open(what, {"market": market}) for market in await self._markets_with_orders(what)]
        return tuple(report for reports in found for report in reports)

    async def _markets_with_orders(self, what: str) -> list[str]:
        """Ids of the markets in which an order may be open: it locks what it would pay with."""
        locked = {balance.currency for balance in await self.balances() if balance.free != balance.total}
        known = await self._calls.symbols(what)
        return [market for market, symbol in known.items() if locked.intersection(symbol.split("/"))]

    async def _open(self, what: str, of: Words) -> tuple[OrderReport, ...]:
        """Page by page, oldest first; a page begins with the moment that the last one ended at."""
        since_ms = _EARLIEST_MS
        symbols = await self._calls.symbols(what)
        found: dict[str | None, OrderReport] = {}
        while True:
            page: Words = {"order_by": "asc", "timestamp": since_ms, "limit": PAGE}
            rows = await self._calls.rows(what, f"{_SPOT}/orders/open", {**of, **page})
            known = len(found)
            with self._calls.reading(what):
                for row in rows:
                    one = report(row, symbols[row["market"]])
                    found[one.venue_order_id] = one
            if len(rows) < PAGE:
                return tuple(found.values())
            if len(found) == known:
                raise NoReply(f"the {what} on {self.rules.id}: more than a page of them are of one moment")
            with self._calls.reading(what):
                since_ms = int(rows[-1]["created_at"])

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        """See Execution. Pages go on by trade id: many trades share a millisecond."""
        what = f"trades of {symbol}"
        of = await self._of(what, symbol)
        since: Words = {"timestamp": max(_EARLIEST_MS, since_ns // NS_PER_MS)}
        found: dict[str, Fill] = {}
        while True:
            rows = await self._calls.rows(what, f"{_SPOT}/trades", {**of, **since, "order": "asc", "limit": PAGE})
            with self._calls.reading(what):
                found |= {one.trade_id: one for row in rows for one in self.fills(row, symbol)}
            if len(rows) < PAGE:
                break
            with self._calls.reading(what):
                since = {"from_id": max(_id(row) for row in rows) + 1}
        late = [one for one in found.values() if one.exchange_ns is None or one.exchange_ns >= since_ns]
        return tuple(sorted(late, key=lambda one: (one.exchange_ns or 0, len(one.trade_id), one.trade_id)))

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        rows = await self._calls.rows("balances", f"{_SPOT}/accounts", {})
        with self._calls.reading("balances"):
            return tuple(self.held(row) for row in rows)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution."""
        return ()

    async def close(self) -> None:
        """See Execution."""
        await self._calls.close()

    # -- AccountClient -------------------------------------------------------------------------------------------------

    async def permissions(self) -> KeyPermissions:
        """Nothing: the venue does not tell. It is asked whose the key is, so that a wrong one is found out."""
        await self._calls.call("owner of the key", "GET", "/api/v3/info", {})
        return KeyPermissions()

    def is_unknown_order(self, error: Exception) -> bool:
        """Whether the venue says that it has no such order, or none that can still be cancelled."""
        return isinstance(error, ErrorReply) and self.rules.errors.get(error.code or "") is ErrorKind.UNKNOWN_ORDER

    # -- for a private stream ------------------------------------------------------------------------------------------

    async def symbols(self) -> Callable[[str, str], str]:
        """From the venue's name of a market to the universal symbol; its kind is always spot.

        Also makes sure that the venue's clock is known. Raises NotSent.
        """
        what = "private stream"
        await self._calls.set_clock(what)
        known = await self._calls.symbols(what)
        return lambda venue_id, kind: known[venue_id]

    @property
    def behind_ns(self) -> int:
        """See KnowsVenueTime."""
        return self._calls.behind_ns

    def login(self) -> bytes:
        """The message that opens the private channels. Draws a nonce."""
        return self._calls.login(_FILTERS)

    def fills(self, row: Row, symbol: str) -> list[Fill]:
        """What a row of the account's trades says; nothing while the venue still reckons its fee. Raises ValueError.

        A recorded fee is kept for ever, so a trade that is not wholly told is taken for one that is not told yet.
        """
        now_ns = self.clock.wall_ns()
        found = fills(row, symbol, self.rules.id, self.account, now_ns)
        whole = all(one.fee is not None or now_ns - (one.exchange_ns or 0) > _RECKONED_NS for one in found)
        return found if whole else []

    def held(self, row: Row) -> Balance:
        """What a row of the account's balances says, as of now. Raises ValueError."""
        return balance(row, self.rules.id, self.account, self.clock.wall_ns())

    # ------------------------------------------------------------------------------------------------------------------

    async def _as_it_stands(self, intent: Intent, placed: OrderReport) -> OrderReport:
        """What became of an order that must trade or end at once; if that cannot be asked, it is open."""
        ref = OrderRef(intent.symbol, None, placed.venue_order_id)
        for wait_s in (0.0, *(() if intent.post_only else _ASKED_AGAIN_S)):
            await self.clock.sleep(wait_s)
            try:
                found = await self.find(ref)
            except ExecutionError:
                break
            if found is not None and found.status is not ReportStatus.OPEN:
                ended = found.status is ReportStatus.CANCELED  # nobody has asked for that: the venue ended it
                return msgspec.structs.replace(found, status=ReportStatus.EXPIRED) if ended else found
        return placed

    async def _of(self, what: str, symbol: str | None) -> Words:
        """The parameter that names a market, if one is meant."""
        return {} if symbol is None else {"market": await self._calls.market(what, symbol)}


def _wanted(intent: Intent) -> Words:
    """Side, type, amount, price and name of an order."""
    if intent.type is OrderType.MARKET:
        kind = "market"
    elif intent.post_only:
        kind = "post_only"
    else:
        kind = "ioc_limit" if intent.time_in_force is TimeInForce.IOC else "limit"
    wanted: Words = {"side": intent.side.value, "ord_type": kind, "volume": plain(intent.amount)}
    if intent.price is not None:
        wanted["price"] = plain(intent.price)
    return {**wanted, "client_oid": intent.client_id}


def _named(ref: OrderRef) -> Words:
    """The order's name: the venue's own where it is known, as ours may be another order's after a day.

    Raises ErrorReply for an id that no order of the venue has: theirs are numbers.
    """
    if ref.venue_order_id is not None:
        if not (ref.venue_order_id.isascii() and ref.venue_order_id.isdigit()):
            raise ErrorReply(_NO_SUCH_ORDER, f"max has no order {ref.venue_order_id!r}: its ids are numbers")
        return {"id": int(ref.venue_order_id)}
    return {"client_oid": ref.client_id or ""}


def _noted(row: Any, ref: OrderRef) -> OrderReport:
    """The reply to a cancel: `{"success": true}` by the API's description, an order as some clients have seen it."""
    if text(row, "state") is not None:
        return report(row, ref.symbol)
    if row.get("success") is not True:
        raise ValueError(f"it says neither success nor an order: {row}")
    return OrderReport(
        symbol=ref.symbol, status=ReportStatus.OPEN, client_id=ref.client_id, venue_order_id=ref.venue_order_id
    )


def _id(row: Row) -> int:
    return int(needed_number(row, "id"))
