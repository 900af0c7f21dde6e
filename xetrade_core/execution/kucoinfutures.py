"""KuCoin futures in its own words: amounts in contracts, one-way mode, every contract on cross margin.

The venue acknowledges: a reply to a placement or a cancel holds the order's names and nothing else. So what must trade
at once is asked for right after it was placed. An order says its margin mode, and is refused where the contract is set
to another on the venue's page. Calls are made by their paths: ccxt would send isolated margin at a leverage of 1.
Shapes: www.kucoin.com/docs-new, "Futures Trading" (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec

from xetrade_core.execution.kucoin_client import KucoinClient, OrderFields
from xetrade_core.execution.positions import signed_positions
from xetrade_core.execution.raw import Row, needed, needed_number, number, text
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import (
    Fill,
    Intent,
    Liquidity,
    OrderReport,
    ReportStatus,
    Side,
)
from xetrade_core.symbols.currencies import venue_code
from xetrade_core.trading.execution import OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 100
_KEPT_MS = 90 * 86_400_000  # how far back trades are told
_CANCEL_ALL_WEIGHT, _LIST_WEIGHT, _READ_WEIGHT, _RECENT_WEIGHT = 10, 2, 5, 3


class KucoinFuturesExecution(KucoinClient):
    """Orders of a futures account."""

    weights = MappingProxyType({"place": 2, "cancel": 1})
    trading = "Futures"
    trade_history_s = _KEPT_MS / 1000
    fields = OrderFields("isActive", "filledSize", "updatedAt")

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. A size is a whole number of contracts; the venue refuses any other."""
        amount = intent.amount
        params = {**super().order_params(intent), "marginMode": "CROSS"}
        if amount == int(amount):
            params["size"] = int(amount)
        if intent.reduce_only:
            params["reduceOnly"] = True
        return params

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. What became of an order that must trade at once is asked for; if that fails, it is open.

        What had ended by then was ended by the venue: nobody else knew of it.
        """
        reply = await self.about(
            f"order of {intent.symbol}",
            "futuresprivate_post_orders",
            intent.symbol,
            self.order_params(intent),
            weight=self.weights["place"],
        )
        with self.reading("order"):
            placed = self._acknowledged(reply["data"], intent.symbol)
        found = await self.as_it_stands(intent, placed)
        if found.status is ReportStatus.CANCELED:
            return msgspec.structs.replace(found, status=ReportStatus.EXPIRED)
        return found

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. The reply acknowledges: the order may be filled before it is out of the book."""
        by = "client_order_clientoid" if ref.client_id is not None else "orderid"
        names = self.names(ref)
        await self.about(
            f"cancel of {ref.symbol}",
            f"futuresprivate_delete_orders_{by}",
            ref.symbol,
            names,
            priority=Priority.CANCEL,
            weight=self.weights["cancel"],
        )
        return self._acknowledged(names, ref.symbol)

    @staticmethod
    def _acknowledged(row: Row, symbol: str) -> OrderReport:
        return OrderReport(
            symbol=symbol,
            status=ReportStatus.OPEN,
            client_id=text(row, "clientOid"),
            venue_order_id=text(row, "orderId"),
        )

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        await self.once(
            f"cancel of all orders of {symbol or 'the account'}",
            lambda ccxt: ccxt.futuresprivate_delete_orders({} if symbol is None else self.of(ccxt, symbol, {})),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=_CANCEL_ALL_WEIGHT,
        )

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. By our name the venue finds an order for seven days, by its own for three months."""
        by, named = "byclientoid", self.names(ref)
        if ref.venue_order_id is not None:
            by, named = "orderid", {"orderId": ref.venue_order_id}
        return await self.found(
            ref, lambda ccxt: getattr(ccxt, f"futuresprivate_get_orders_{by}")(named), weight=_READ_WEIGHT
        )

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution."""
        rows = await self._pages("open orders", "futuresprivate_get_orders", symbol, {"status": "active"}, _LIST_WEIGHT)
        with self.reading("open orders"):
            return tuple(self.report(row, name) for name, row in rows)

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution. A week at a time, each in pages; the newest are in that list only some time later."""
        found = list[Any]()
        for span in self.weeks(since_ms, _KEPT_MS):
            rows = await self._pages(f"trades of {symbol}", "futuresprivate_get_fills", symbol, span, _READ_WEIGHT)
            found += [{"info": row} for _, row in rows]
        reply = await self.about(
            f"trades of {symbol}", "futuresprivate_get_recentfills", symbol, {}, weight=_RECENT_WEIGHT
        )
        with self.reading("trades"):
            return found + [{"info": row} for row in reply["data"]]

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution. The venue names the order by its own id; the fee is in what the contract settles in."""
        return Fill(
            venue=self.rules.id,
            account=self.account,
            symbol=symbol,
            trade_id=needed(row, "tradeId"),
            side=Side(needed(row, "side")),
            price=needed_number(row, "price"),
            amount=needed_number(row, "size"),
            received_ns=self.clock.wall_ns(),
            exchange_ns=int(needed_number(row, "tradeTime")),
            venue_order_id=needed(row, "orderId"),
            fee=number(row, "fee"),
            fee_currency=symbol.partition(":")[2].partition("-")[0],
            liquidity=Liquidity(needed(row, "liquidity")),
        )

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution. Of each currency that a listed contract settles in: the venue tells one at a time."""

        async def ask(ccxt: Any, code: str) -> Any:
            return await ccxt.futuresprivate_get_account_overview({"currency": venue_code(self.rules.id, code)})

        found: list[Balance] = []
        for code in await self.once("currencies", _settled_in):
            reply = await self.once("balances", partial(ask, code=code), weight=_READ_WEIGHT)
            received_ns = self.clock.wall_ns()
            with self.reading("balances"):
                found += self.held(reply["data"], received_ns)
        return tuple(found)

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution. What is owned, whatever open positions would bring."""
        total, free = needed_number(row, "marginBalance"), needed_number(row, "availableBalance")
        yield Balance(self.rules.id, self.account, self.currency(row), total, free, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In contracts."""

        async def ask(ccxt: Any) -> list[tuple[str, Any]]:
            reply = await ccxt.futuresprivate_get_positions()
            return [(str(ccxt.safe_symbol(row["symbol"])), row) for row in reply["data"]]

        rows = await self.once("positions", ask, weight=_LIST_WEIGHT)
        names = {"amount": "currentQty", "entry": "avgEntryPrice", "liquidation": "liquidationPrice"}
        with self.reading("positions"):
            return signed_positions(self, rows, **names)

    async def _pages(
        self, what: str, method: str, symbol: str | None, query: dict[str, object], weight: int
    ) -> list[tuple[str, Any]]:
        """(symbol, row) of every page, by number. What is new meanwhile moves rows to a later page, never to none."""

        async def ask(ccxt: Any, page: int) -> list[tuple[str, Any]]:
            of = {} if symbol is None else {"symbol": ccxt.market_id(symbol)}
            reply = await getattr(ccxt, method)({**of, **query, "pageSize": PAGE, "currentPage": page})
            return [(str(ccxt.safe_symbol(row["symbol"])), row) for row in reply["data"]["items"]]

        found: list[tuple[str, Any]] = []
        page = 1
        while True:
            rows = await self.once(what, partial(ask, page=page), symbol=symbol, weight=weight)
            found += rows
            if len(rows) < PAGE:
                return found
            page += 1


async def _settled_in(ccxt: Any) -> list[str]:
    """The currencies that the listed contracts settle in."""
    return sorted({market["settle"] for market in ccxt.markets.values() if market["settle"]})
