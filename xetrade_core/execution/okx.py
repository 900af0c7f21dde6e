"""OKX v5 in its own words: spot and contracts of one account in net mode, amounts of contracts in contracts.

The venue acknowledges: a reply to a placement, an amendment or a cancel holds the order's names and nothing else. So
what must trade at once is asked for right after it was placed. A call is answered 200 with a code for each order in it;
that one is the venue's word. Orders are sent one at a time by their paths, as ccxt's own way is a batch of one and a
market order in quote currency. Shapes: www.okx.com/docs-v5, "Order Book Trading / Trade", "Trading Account" (2026-11).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Iterable
from functools import partial
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.dead_man import DeadMan, Fires
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.positions import signed_positions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, plain, text
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.instruments import MarketType
from xetrade_core.model.orders import (
    Fill,
    Intent,
    Liquidity,
    OrderReport,
    OrderType,
    ReportStatus,
    Side,
    TimeInForce,
)
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.trading.execution import ExecutionError, OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 100
_STATES = {
    "live": ReportStatus.OPEN,
    "partially_filled": ReportStatus.OPEN,
    "filled": ReportStatus.FILLED,
    "canceled": ReportStatus.CANCELED,
    "mmp_canceled": ReportStatus.CANCELED,
}
#: why the venue itself ended an order: nobody to trade with (FOK, IOC), or a post-only order that would have taken
_EXPIRED = {"13": "nobody to fill all of it", "14": "nobody to trade with at once", "31": "it would have taken"}


class OkxExecution(CcxtExecution):
    """Orders of an account in net mode; swaps are on cross margin."""

    passphrased = True
    trade_history_s = 90 * 86_400.0  # so far back the venue tells them
    dead_man = DeadMan(Fires.SILENCE, 10, 120)

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. The whole order but its names and its numbers."""
        swap = ":" in intent.symbol
        kind = intent.type.value
        if intent.post_only:
            kind = "post_only"
        elif intent.type is OrderType.LIMIT and intent.time_in_force is not TimeInForce.GTC:
            kind = intent.time_in_force.value
        params: dict[str, object] = {"side": intent.side.value, "ordType": kind, "tdMode": "cross" if swap else "cash"}
        if intent.type is OrderType.MARKET and not swap:
            params["tgtCcy"] = "base_ccy"
        if intent.reduce_only and swap:
            params["reduceOnly"] = True
        return params

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. What became of an order that must trade at once is asked for; if that fails, it is open."""
        numbers = {"sz": plain(intent.amount)} | ({} if intent.price is None else {"px": plain(intent.price)})
        wanted = {"clOrdId": intent.client_id, **self.order_params(intent), **numbers}
        placed = await self._acting("order", "private_post_trade_order", intent.symbol, wanted)
        return await self.as_it_stands(intent, placed)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. The reply acknowledges: the order may be filled before it is out of the book."""
        return await self._acting(
            "cancel", "private_post_trade_cancel_order", ref.symbol, _names(ref), priority=Priority.CANCEL
        )

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution. The venue has no such call: whatever is open is canceled one by one."""
        for report in await self.open_orders(symbol):
            try:
                await self.cancel(OrderRef(report.symbol, None, report.venue_order_id))
            except ExecutionError as error:
                if not self.is_unknown_order(error):  # it has ended meanwhile
                    raise

    async def count_down(self, symbol: str | None, within_s: float) -> None:
        """See CountsDown. All orders of the account, in whole seconds."""
        wait_s = math.ceil(within_s)
        await self.once(
            "countdown",
            lambda ccxt: ccxt.private_post_trade_cancel_all_after({"timeOut": str(wait_s)}),
            priority=Priority.CANCEL,
        )

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. It keeps both ids; the reply only acknowledges, and the venue may refuse it after that."""
        wanted = {**_names(ref), "newSz": plain(intent.amount)}
        if intent.price is not None:
            wanted["newPx"] = plain(intent.price)
        return await self._acting("amendment", "private_post_trade_amend_order", ref.symbol, wanted)

    async def _acting(
        self, what: str, method: str, symbol: str, wanted: dict[str, object], *, priority: Priority = Priority.ORDER
    ) -> OrderReport:
        """A call about one order, and its acknowledgement."""
        reply = await self.once(
            f"{what} of {symbol}",
            lambda ccxt: getattr(ccxt, method)({"instId": ccxt.market_id(symbol), **wanted}),
            symbol=symbol,
            priority=priority,
        )
        with self.reading(what):
            return self._acknowledged(reply["data"][0], symbol)

    @staticmethod
    def _acknowledged(row: Row, symbol: str) -> OrderReport:
        return OrderReport(
            symbol=symbol,
            status=ReportStatus.OPEN,
            client_id=text(row, "clOrdId"),
            venue_order_id=text(row, "ordId"),
        )

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution."""
        said, source = needed(row, "state"), text(row, "cancelSource") or ""
        status = _STATES.get(said)
        if status is None:
            raise ValueError(f"state {said!r} is none that OKX documents")
        reason = _EXPIRED.get(source) if status is ReportStatus.CANCELED else None
        return OrderReport(
            symbol=symbol,
            status=ReportStatus.EXPIRED if reason else status,
            client_id=text(row, "clOrdId"),
            venue_order_id=text(row, "ordId"),
            filled=number(row, "accFillSz"),
            amount=None if row.get("tgtCcy") == "quote_ccy" else number(row, "sz"),
            price=number(row, "px") or None,
            exchange_ns=millis(row, "uTime"),
            code=source or None,
            reason=reason,
        )

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. The venue forgets an order that was canceled untraded after two hours."""
        reply = await self.unless_unknown(
            f"order of {ref.symbol}",
            lambda ccxt: ccxt.private_get_trade_order({"instId": ccxt.market_id(ref.symbol), **_names(ref)}),
            symbol=ref.symbol,
        )
        if reply is None:
            return None
        with self.reading("order"):
            return self.report(reply["data"][0], ref.symbol)

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution."""
        rows = await self.all_pages("open orders", "private_get_trade_orders_pending", symbol, "ordId")
        with self.reading("open orders"):
            return tuple(self.report(row, name) for name, row in rows)

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution."""
        begin = max(since_ms, self.clock.wall_ns() // NS_PER_MS - round(self.trade_history_s * 1000))
        kind = {"instType": _kind(symbol), "begin": str(begin)}
        rows = await self.all_pages(f"trades of {symbol}", "private_get_trade_fills_history", symbol, "billId", kind)
        return [{"info": row} for _, row in rows]

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution. The venue's fee is negative when paid; a push of the stream names it otherwise."""
        pushed = "fillFee" in row
        fee = number(row, "fillFee" if pushed else "fee")
        return Fill(
            venue=self.rules.id,
            account=self.account,
            symbol=symbol,
            trade_id=needed(row, "tradeId"),
            side=Side(needed(row, "side")),
            price=needed_number(row, "fillPx"),
            amount=needed_number(row, "fillSz"),
            received_ns=self.clock.wall_ns(),
            exchange_ns=millis(row, "fillTime") or millis(row, "ts"),
            venue_order_id=needed(row, "ordId"),
            client_id=text(row, "clOrdId"),
            fee=None if fee is None else -fee,
            fee_currency=text(row, "fillFeeCcy" if pushed else "feeCcy"),
            liquidity=Liquidity.MAKER if needed(row, "execType") == "M" else Liquidity.TAKER,
        )

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        reply = await self.once("balances", lambda ccxt: ccxt.private_get_account_balance())
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(reply["data"][0], received_ns))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        for one in row["details"]:
            total, free = needed_number(one, "cashBal"), needed_number(one, "availBal")
            yield Balance(self.rules.id, self.account, needed(one, "ccy"), total, free, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In contracts, of all kinds of them."""
        reply = await self.once("positions", lambda ccxt: _with_symbols(ccxt, ccxt.private_get_account_positions()))
        names = {"amount": "pos", "entry": "avgPx", "liquidation": "liqPx"}
        with self.reading("positions"):
            return signed_positions(self, _with_signs(reply), **names)

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution."""
        reply = await self.once("permissions of the key", lambda ccxt: ccxt.private_get_account_config())
        with self.reading("permissions"):
            return _permissions(reply["data"][0])

    def login(self) -> dict[str, str]:
        """What signs a private connection in."""
        stamp = str(self.venue_ms() // 1000)
        key, secret, passphrase = self.key_parts()
        digest = hmac.new(secret.encode(), f"{stamp}GET/users/self/verify".encode(), hashlib.sha256).digest()
        sign = base64.b64encode(digest).decode()
        return {"apiKey": key, "passphrase": passphrase or "", "timestamp": stamp, "sign": sign}

    async def all_pages(
        self, what: str, method: str, symbol: str | None, page_by: str, query: dict[str, str] | None = None
    ) -> list[tuple[str, Any]]:
        """(symbol, row) of every page, newest first; pages go on by the id of their last row. Raises ExecutionError."""

        async def ask(ccxt: Any, after: dict[str, str]) -> list[tuple[str, Any]]:
            of = {} if symbol is None else {"instId": ccxt.market_id(symbol)}
            return await _with_symbols(
                ccxt, getattr(ccxt, method)({"limit": str(PAGE), **(query or {}), **of, **after})
            )

        found: list[tuple[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            rows = await self.once(what, partial(ask, after=after), symbol=symbol)
            found += rows
            if len(rows) < PAGE:
                return found
            with self.reading(what):
                after = {"after": needed(rows[-1][1], page_by)}


def _kind(symbol: str) -> str:
    """The venue's kind of instrument of a universal symbol."""
    kinds = {
        MarketType.SPOT: "SPOT",
        MarketType.SWAP: "SWAP",
        MarketType.FUTURE: "FUTURES",
        MarketType.OPTION: "OPTION",
    }
    return kinds[SymbolParts.parse(symbol, "okx").market_type]


def _with_signs(rows: Iterable[tuple[str, Row]]) -> Iterable[tuple[str, Row]]:
    """Positions in contracts, shorts negative: in long/short mode the venue states the amount of either without one."""
    for symbol, row in rows:
        if row.get("instType") != "MARGIN":
            short = row.get("posSide") == "short"
            yield symbol, {**row, "pos": f"{-abs(needed_number(row, 'pos')):f}"} if short else row


async def _with_symbols(ccxt: Any, asked: Any) -> list[tuple[str, Any]]:
    """The rows of a reply, each with its universal symbol."""
    return [(str(ccxt.safe_symbol(row["instId"])), row) for row in (await asked)["data"]]


def _names(ref: OrderRef) -> dict[str, object]:
    """The order's name, ours if it has one."""
    return {"clOrdId": ref.client_id} if ref.client_id is not None else {"ordId": ref.venue_order_id}


def _permissions(row: Row) -> KeyPermissions:
    granted = needed(row, "perm").split(",")
    return KeyPermissions(trade="trade" in granted, withdraw="withdraw" in granted, ip_restricted=bool(row.get("ip")))
