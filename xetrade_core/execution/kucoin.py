"""KuCoin spot in its own words: a trade account, by the venue's high-frequency calls.

Those that wait for the matching engine (`sync`) are used, so that the reply to a placement says what traded and the one
to a cancel what was left. ccxt chooses other calls after asking for the kind of account; so they are made by their
paths. Shapes: www.kucoin.com/docs-new, "Spot Trading / Orders" (2026-11).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from xetrade_core.execution.dead_man import DeadMan, Fires
from xetrade_core.execution.kucoin_client import KucoinClient, OrderFields
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import (
    Fill,
    Intent,
    Liquidity,
    OrderReport,
    ReportStatus,
    Side,
)
from xetrade_core.trading.execution import NoReply, OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 100
_KEPT_MS = 180 * 86_400_000  # how far back trades are asked for
_MANY, _CANCEL_ALL_WEIGHT, _BALANCE_WEIGHT = 2, 30, 5


class KucoinExecution(KucoinClient):
    """Orders of a trade account."""

    trading = "Spot"
    fields = OrderFields("active", "dealSize", "lastUpdatedAt")
    trade_history_s = _KEPT_MS / 1000
    dead_man = DeadMan(Fires.SILENCE, 5, 86_400)

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. The reply says what came of it in the matching engine."""
        reply = await self.about(
            f"order of {intent.symbol}", "private_post_hf_orders_sync", intent.symbol, self.order_params(intent)
        )
        with self.reading("order"):
            return self.placed(reply["data"], intent)

    def placed(self, row: Row, intent: Intent) -> OrderReport:
        """See CcxtExecution. What ended untraded at once was ended by the venue: nobody else knew of it."""
        return self._told_sizes(row, intent.symbol, ReportStatus.EXPIRED, intent)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. The reply says how much had traded, and the order by the name that it was canceled by."""
        by = "client_order_clientoid" if ref.client_id is not None else "orderid"
        reply = await self.about(
            f"cancel of {ref.symbol}",
            f"private_delete_hf_orders_sync_{by}",
            ref.symbol,
            self.names(ref),
            priority=Priority.CANCEL,
        )
        with self.reading("cancel"):
            return self._told_sizes(reply["data"], ref.symbol, ReportStatus.CANCELED)

    def _told_sizes(self, row: Row, symbol: str, ended: ReportStatus, intent: Intent | None = None) -> OrderReport:
        """What the calls that wait for the matching engine say; `ended`: what an order is that did not trade wholly."""
        said, filled, amount = needed(row, "status"), needed_number(row, "dealSize"), needed_number(row, "originSize")
        if said not in ("open", "done"):
            raise ValueError(f"status {said!r} is none that KuCoin documents")
        status = ReportStatus.OPEN
        if said == "done":
            status = ReportStatus.FILLED if filled >= amount else ended
        return OrderReport(
            symbol=symbol,
            status=status,
            client_id=text(row, "clientOid"),
            venue_order_id=text(row, "orderId"),
            filled=filled,
            amount=amount,
            price=None if intent is None else intent.price,
            exchange_ns=millis(row, "matchTime"),
        )

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        what = f"cancel of all orders of {symbol or 'the account'}"
        if symbol is not None:
            await self.about(what, "private_delete_hf_orders", symbol, {}, priority=Priority.CANCEL, weight=_MANY)
            return
        reply = await self.once(
            what,
            lambda ccxt: ccxt.private_delete_hf_orders_cancelall(),
            priority=Priority.CANCEL,
            weight=_CANCEL_ALL_WEIGHT,
        )
        with self.reading("cancel"):
            left = [needed(row, "symbol") for row in reply["data"].get("failedSymbols") or ()]
        if left:
            raise NoReply(f"{what}: {self.rules.id} could not cancel those of {', '.join(left)}")

    async def count_down(self, symbol: str | None, within_s: float) -> None:
        """See CountsDown. All orders of the account, in whole seconds; the venue has one such switch."""
        wait_s = math.ceil(within_s) or -1
        await self.once(
            "countdown",
            lambda ccxt: ccxt.private_post_hf_orders_dead_cancel_all({"timeout": wait_s}),
            priority=Priority.CANCEL,
            weight=_MANY,
        )

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. The venue forgets a canceled order after three days, and a filled one after seven."""
        by = "client_order_clientoid" if ref.client_id is not None else "orderid"
        return await self.found(
            ref,
            lambda ccxt: getattr(ccxt, f"private_get_hf_orders_{by}")(self.of(ccxt, ref.symbol, self.names(ref))),
            weight=_MANY,
        )

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution. Pair by pair: those of the account that have any are asked for first."""
        symbols = [symbol] if symbol is not None else await self._pairs_at_work()
        found: list[OrderReport] = []
        for one in symbols:
            reply = await self.about("open orders", "private_get_hf_orders_active", one, {}, weight=_MANY)
            with self.reading("open orders"):
                found += [self.report(row, one) for row in reply["data"]]
        return tuple(found)

    async def _pairs_at_work(self) -> list[str]:
        """The universal symbols with open orders."""

        async def ask(ccxt: Any) -> list[str]:
            reply = await ccxt.private_get_hf_orders_active_symbols()
            return [str(ccxt.safe_symbol(one)) for one in (reply["data"] or {}).get("symbols") or ()]

        return await self.once("open orders", ask, weight=_MANY)

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution. A week at a time, each in pages, newest first."""
        found = list[Any]()
        for span in self.weeks(since_ms, _KEPT_MS):
            last: dict[str, object] = {"limit": PAGE}
            while True:
                reply = await self.about(
                    f"trades of {symbol}", "private_get_hf_fills", symbol, {**span, **last}, weight=_MANY
                )
                with self.reading("trades"):
                    rows = list(reply["data"]["items"])
                found += [{"info": row} for row in rows]
                if len(rows) < PAGE:
                    break
                with self.reading("trades"):
                    last["lastId"] = needed(reply["data"], "lastId")
        return found

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution. The venue names the order by its own id alone."""
        return Fill(
            venue=self.rules.id,
            account=self.account,
            symbol=symbol,
            trade_id=needed(row, "tradeId"),
            side=Side(needed(row, "side")),
            price=needed_number(row, "price"),
            amount=needed_number(row, "size"),
            received_ns=self.clock.wall_ns(),
            exchange_ns=millis(row, "createdAt"),
            venue_order_id=needed(row, "orderId"),
            fee=number(row, "fee"),
            fee_currency=text(row, "feeCurrency"),
            liquidity=Liquidity(needed(row, "liquidity")),
        )

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution. Of the trade account: what is in the others cannot be traded with."""
        reply = await self.once(
            "balances", lambda ccxt: ccxt.private_get_accounts({"type": "trade"}), weight=_BALANCE_WEIGHT
        )
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(reply, received_ns))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        for one in row["data"]:
            total, free = needed_number(one, "balance"), needed_number(one, "available")
            yield Balance(self.rules.id, self.account, self.currency(one), total, free, received_ns)
