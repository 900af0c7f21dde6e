"""Bybit v5 in its own words: spot and contracts of a unified account, one-way mode.

The venue acknowledges: a reply to a placement, an amendment or a cancel holds the order's names and nothing else. So
what must trade at once is asked for right after it was placed. ccxt finds no order by our name; the calls that do are
made by their paths. Shapes: bybit-exchange.github.io/docs/v5, "Trade", "Position", "Account" (2026-11).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.bybit_rows import (
    TRADED,
    acknowledged,
    balances_of,
    fill_of,
    permissions_of,
    positions_of,
    protected_of,
    report_of,
)
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.dead_man import DeadMan, Fires
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, plain, text
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType
from xetrade_core.trading.execution import ErrorReply, ExecutionError, OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 100
WEEK_MS = 7 * 86_400_000  # the most that a call for history spans
#: shares of the 600 requests in 5 s of an address, so that an account's own limits hold too: 50 reads a second
_READ_WEIGHT, _CANCEL_ALL_WEIGHT = 2, 12
#: what disconnection protection is of, and the topic of the stream that it watches
PROTECTED = {"SPOT": "dcp.spot", "DERIVATIVES": "dcp.future"}
_SETTLED_IN = ("USDT", "USDC")  # what linear contracts are listed by
_SPOT: dict[str, object] = {"category": "spot"}
_INVERSE: dict[str, object] = {"category": "inverse"}
_OPEN = "private_get_v5_order_realtime"  # ccxt's name of the call for open orders


class BybitExecution(CcxtExecution):
    """Orders of a unified account."""

    #: the venue keeps two years, a call a week and symbol: what is older than half a year is not worth a hundred calls
    trade_history_s = 182 * 86_400.0
    dead_man = DeadMan(Fires.DISCONNECT, 3, 300)
    #: 20 orders a second; a cancel never waits for that, and is repeated if the venue turns it away
    weights = MappingProxyType({"place": 6, "cancel": 2})
    ccxt_options: ClassVar[dict[str, object]] = {
        "enableUnifiedMargin": False,  # else ccxt asks twice for the kind of account before its first call
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    }

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. The whole order but its names and its numbers."""
        params: dict[str, object] = {
            "side": intent.side.value.capitalize(),
            "orderType": intent.type.value.capitalize(),
            "positionIdx": 0,
        }
        if intent.type is OrderType.MARKET and ":" not in intent.symbol:
            params["marketUnit"] = "baseCoin"
        if intent.reduce_only and ":" in intent.symbol:
            params["reduceOnly"] = True
        if intent.post_only:
            params["timeInForce"] = "PostOnly"
        elif intent.type is OrderType.LIMIT:
            params["timeInForce"] = intent.time_in_force.value.upper()
        return params

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. What became of an order that must trade at once is asked for; if that fails, it is open. Sent
        by its path: ccxt's own way moves numbers onto the venue's grid without a word."""
        wanted = {"orderLinkId": intent.client_id, **self.order_params(intent), "qty": plain(intent.amount)}
        if intent.price is not None:
            wanted["price"] = plain(intent.price)
        row = await self.once(
            f"order of {intent.symbol}",
            lambda ccxt: ccxt.private_post_v5_order_create({**_of(ccxt, intent.symbol), **wanted}),
            symbol=intent.symbol,
            weight=self.weights["place"],
        )
        with self.reading("order"):
            placed = acknowledged(row["result"], intent.symbol)
        return await self.as_it_stands(intent, placed)

    def canceled(self, row: Row, ref: OrderRef) -> OrderReport:
        """See CcxtExecution. The reply acknowledges: the order may be filled before it is out of the book."""
        return acknowledged(row, ref.symbol)

    def ref_params(self, ref: OrderRef) -> dict[str, object]:
        """See CcxtExecution. The venue's own name of the parameter: ccxt knows no other here."""
        return {"orderLinkId": ref.client_id} if ref.client_id is not None else {}

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution."""
        return report_of(row, symbol)

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. It keeps both ids; the reply only acknowledges, and the venue may refuse it after that."""
        wanted = {"qty": plain(intent.amount)}
        if intent.price is not None:
            wanted["price"] = plain(intent.price)
        row = await self.once(
            f"amendment of {ref.symbol}",
            lambda ccxt: ccxt.private_post_v5_order_amend({**_of(ccxt, ref.symbol), **_names(ref), **wanted}),
            symbol=ref.symbol,
            weight=self.weights["place"],
        )
        with self.reading("amendment"):
            return acknowledged(row["result"], ref.symbol)

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution. Of an account, all of them: by category and settlement coin, and inverse contracts, which
        settle in many, by each that has an open order. One call that fails keeps none of the others from being made."""
        failed: ExecutionError | None = None
        queries: list[dict[str, object] | str] = [symbol] if symbol is not None else [_SPOT, *_linear()]
        if symbol is None:
            try:
                open_ones = await self._all_pages("open orders", _OPEN, None, {"limit": 50}, of=(_INVERSE,))
                queries += sorted({name for name, _ in open_ones})
            except ExecutionError as error:
                failed = error

        async def cancel(ccxt: Any, query: dict[str, object] | str) -> None:
            await ccxt.private_post_v5_order_cancel_all(_of(ccxt, query) if isinstance(query, str) else query)

        for query in queries:
            try:
                await self.once(
                    f"cancel of all orders of {symbol or 'the account'}",
                    partial(cancel, query=query),
                    symbol=symbol,
                    priority=Priority.CANCEL,
                    weight=_CANCEL_ALL_WEIGHT,
                )
            except ExecutionError as error:
                failed = error
        if failed is not None:
            raise failed

    async def protect(self, within_s: float) -> None:
        """Let the venue cancel all orders so long after a stream that takes the topics of this is lost. Raises
        ExecutionError: ErrorReply too where the venue has not switched that on for the account."""

        async def switch_on(ccxt: Any, product: str) -> None:
            wanted = {"product": product, "timeWindow": math.ceil(within_s)}
            await ccxt.private_post_v5_order_disconnected_cancel_all(wanted)

        for product in PROTECTED:
            await self.once(
                f"protection of {product}",
                partial(switch_on, product=product),
                priority=Priority.CANCEL,
                weight=_READ_WEIGHT,
            )
        row = await self.once("protection", lambda ccxt: ccxt.private_get_v5_account_query_dcp_info())
        with self.reading("protection"):
            on = protected_of(row["result"])
        if not on >= PROTECTED.keys():
            raise ErrorReply(
                None, "Bybit's disconnection protection is off for this account: its client manager switches it on"
            )

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. Among open orders and the newest that have ended, and then in the history."""

        async def ask(ccxt: Any, path: str) -> Any:
            return await getattr(ccxt, f"private_get_v5_order_{path}")({**_of(ccxt, ref.symbol), **_names(ref)})

        for path in ("realtime", "history"):
            row = await self.once(
                f"order of {ref.symbol}", partial(ask, path=path), symbol=ref.symbol, weight=_READ_WEIGHT
            )
            with self.reading("order"):
                rows = list(row["result"]["list"])
                if rows:
                    return self.report(rows[0], ref.symbol)
        return None

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution. Category by category, page by page."""
        rows = await self._all_pages("open orders", _OPEN, symbol, {"limit": 50})
        with self.reading("open orders"):
            return tuple(self.report(row, name) for name, row in rows)

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution."""
        rows = await self.executions(f"trades of {symbol}", symbol, since_ms)
        return [{"info": row} for row in rows if row.get("execType") in TRADED]

    async def executions(self, what: str, symbol: str, since_ms: int, kind: str | None = None) -> list[Row]:
        """The account's executions, of all kinds or one (Funding, ...), a week at a time, each in pages. Raises
        ExecutionError."""
        now_ms = self.clock.wall_ns() // NS_PER_MS
        found: list[Row] = []
        start = max(since_ms, now_ms - round(self.trade_history_s * 1000))
        while start <= now_ms:
            span: dict[str, object] = {"startTime": start, "endTime": start + WEEK_MS - 1, "limit": PAGE}
            if kind is not None:
                span["execType"] = kind
            rows = await self._all_pages(what, "private_get_v5_execution_list", symbol, span)
            found += [row for _, row in rows]
            start += WEEK_MS
        return found

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution."""
        return fill_of(row, symbol, self.account, self.clock.wall_ns())

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        row = await self.once(
            "balances",
            lambda ccxt: ccxt.private_get_v5_account_wallet_balance({"accountType": "UNIFIED"}),
            weight=_READ_WEIGHT,
        )
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(row["result"], received_ns))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        return balances_of(row["list"][0], self.account, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In base currency of linear contracts, in dollars of inverse ones."""
        rows = await self._all_pages("positions", "private_get_v5_position_list", None, {"limit": 200}, of=_contracts())
        received_ns = self.clock.wall_ns()
        with self.reading("positions"):
            return tuple(positions_of(rows, self.account, received_ns))

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution."""
        row = await self.once("permissions of the key", lambda ccxt: ccxt.private_get_v5_user_query_api())
        with self.reading("permissions"):
            return permissions_of(row["result"])

    async def _all_pages(
        self,
        what: str,
        method: str,
        symbol: str | None,
        query: dict[str, object],
        *,
        of: Sequence[dict[str, object]] | None = None,
    ) -> list[tuple[str, Any]]:
        """(symbol, row) of every page; if no symbol is named, of the queries `of`, by default of the whole account."""

        async def ask(ccxt: Any, of: dict[str, object], cursor: str | None) -> tuple[list[tuple[str, Any]], str | None]:
            wanted = {**(_of(ccxt, symbol) if symbol is not None else of), **query}
            result = (await getattr(ccxt, method)({**wanted, **({"cursor": cursor} if cursor else {})}))["result"]
            kind = "spot" if wanted["category"] == "spot" else "contract"
            rows = [(ccxt.safe_symbol(row["symbol"], None, None, kind), row) for row in result["list"]]
            return rows, text(result, "nextPageCursor")

        found: list[tuple[str, Any]] = []
        for kind in [{}] if symbol is not None else of or (_SPOT, *_contracts()):
            cursor: str | None = None
            while True:
                rows, cursor = await self.once(
                    what,
                    partial(ask, of=kind, cursor=cursor),
                    symbol=symbol,
                    weight=_READ_WEIGHT,
                )
                found += rows
                if not cursor or not rows:
                    break
        return found


def _of(ccxt: Any, symbol: str) -> dict[str, object]:
    """The category and the venue's name of a symbol."""
    market = ccxt.market(symbol)
    category = "spot" if market["spot"] else "linear" if market["linear"] else "inverse"
    return {"category": category, "symbol": market["id"]}


def _names(ref: OrderRef) -> dict[str, object]:
    """The order's name, ours if it has one."""
    return {"orderLinkId": ref.client_id} if ref.client_id is not None else {"orderId": ref.venue_order_id}


def _linear() -> list[dict[str, object]]:
    """The queries that together are about all linear contracts."""
    return [{"category": "linear", "settleCoin": coin} for coin in _SETTLED_IN]


def _contracts() -> list[dict[str, object]]:
    """The queries that together are about all contracts; not for the cancel of all, which wants a coin of inverse ones
    too."""
    return [*_linear(), _INVERSE]
