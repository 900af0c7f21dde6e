"""Deribit in its own words: spot and contracts of one account, amounts of inverse contracts in dollars.

Our name of an order is its label, which the venue lets any number of orders share: it is never sent twice, and an order
is named by the venue's id as soon as that is known. Calls are made by their paths: ccxt writes no label into its
answers and edits by the venue's id alone. What is recent and what is history are asked for apart: orders are recent for
half an hour after their end, trades for a day.
Shapes: docs.deribit.com/api-reference, "Trading" and "Account management" (2026-11).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from functools import partial
from types import MappingProxyType
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.deribit_rows import TIMES, currencies_of, fill_of, permissions_of, report_of
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, needed, needed_number, number, plain
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import (
    ZERO,
    Fill,
    Intent,
    OrderReport,
    OrderType,
    ReportStatus,
    Side,
)
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent, OrderRef
from xetrade_core.venues.budget import Priority

PAGE = 1000
_HISTORY_PAGES = 10  # the newest ten thousand orders of an instrument that have ended
_SIGNED_MS = 60_000  # how long a signature is good
_RECENT_MS = 23 * 3_600_000  # the venue's day, less what the clocks may differ
_POST_ONLY = ("post_only", "reject_post_only")
_REDUCE_ONLY = "reduce_only"
_FLAGS = frozenset({*_POST_ONLY, _REDUCE_ONLY})
_NO_SUCH_ORDER = "10004"


class DeribitExecution(CcxtExecution):
    """Orders of an account; contracts are on cross margin."""

    #: in shares of 20 calls a second: of orders, changes and cancels an account has 5 a second, and 20 at once
    weights = MappingProxyType({"place": 5, "cancel": 5})

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. The whole order but its instrument and its numbers."""
        params: dict[str, object] = {"label": intent.client_id, "type": intent.type.value}
        if intent.type is OrderType.LIMIT:
            params["time_in_force"] = TIMES[intent.time_in_force]
        if intent.post_only:
            params |= dict.fromkeys(_POST_ONLY, "true")
        if intent.reduce_only and ":" in intent.symbol:
            params[_REDUCE_ONLY] = "true"
        return params

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution."""
        wanted = {**self.order_params(intent), **_numbers(intent)}
        row = await self._acting("order", f"private_get_{intent.side.value}", intent.symbol, wanted, named=True)
        with self.reading("order"):
            return self.placed(row["order"], intent)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. An order of which only our name is known is looked up first."""
        wanted: dict[str, object] = {"order_id": await self._venue_id(ref, Priority.CANCEL)}
        row = await self._acting("cancel", "private_get_cancel", ref.symbol, wanted, priority=Priority.CANCEL)
        with self.reading("cancel"):
            return self.canceled(row, ref)

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        await self.once(
            f"cancel of all orders of {symbol or 'the account'}",
            lambda ccxt: (
                ccxt.private_get_cancel_all()
                if symbol is None
                else ccxt.private_get_cancel_all_by_instrument(_of(ccxt, symbol))
            ),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=self.weights["place"],
        )

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. It keeps id and label; its flags are said again, as they are those of the new price."""
        flags = {name: value for name, value in self.order_params(intent).items() if name in _FLAGS}
        wanted = {"order_id": await self._venue_id(ref, Priority.ORDER), **flags, **_numbers(intent)}
        row = await self._acting("amendment", "private_get_edit", ref.symbol, wanted)
        with self.reading("amendment"):
            return self.amended(row["order"], intent)

    async def _acting(
        self,
        what: str,
        method: str,
        symbol: str,
        wanted: dict[str, object],
        *,
        named: bool = False,
        priority: Priority = Priority.ORDER,
    ) -> Any:
        """The `result` of a call about one order; `named`: the instrument is a parameter."""
        reply = await self.once(
            f"{what} of {symbol}",
            lambda ccxt: getattr(ccxt, method)({**(_of(ccxt, symbol) if named else {}), **wanted}),
            symbol=symbol,
            priority=priority,
            weight=self.weights["place"],
        )
        with self.reading(what):
            return reply["result"]

    async def _venue_id(self, ref: OrderRef, priority: Priority) -> str:
        """The venue's id of an order. Raises ErrorReply if it has none of our name."""
        if ref.venue_order_id is not None:
            return ref.venue_order_id
        found = await self._labelled(ref, priority)
        if found is None or found.venue_order_id is None:
            raise ErrorReply(_NO_SUCH_ORDER, f"deribit lists no order of the label {ref.client_id}")
        return found.venue_order_id

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution."""
        return report_of(row, symbol)

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. Among open and recent orders by id or label, then in the history of the instrument."""
        if ref.venue_order_id is None:
            return await self._labelled(ref)
        reply = await self.unless_unknown(
            f"order of {ref.symbol}",
            lambda ccxt: ccxt.private_get_get_order_state({"order_id": ref.venue_order_id}),
            symbol=ref.symbol,
        )
        if reply is None:
            return await self._in_history(ref)
        with self.reading("order"):
            return self.report(reply["result"], ref.symbol)

    async def _labelled(self, ref: OrderRef, priority: Priority = Priority.ORDER) -> OrderReport | None:
        """The order of a label: an open one before one that has ended, the newest of several."""
        for method in ("get_order_state_by_label", "get_open_orders_by_label"):
            for currency in currencies_of(ref.symbol):
                wanted: dict[str, object] = {"currency": currency, "label": ref.client_id}
                rows = await self._rows(f"order of {ref.symbol}", method, wanted, ref.symbol, priority=priority)
                mine = [report for name, report in rows if name == ref.symbol]
                if mine:
                    return max(mine, key=lambda report: (report.status is ReportStatus.OPEN, report.exchange_ns or 0))
        return await self._in_history(ref)

    async def _in_history(self, ref: OrderRef) -> OrderReport | None:
        """Among those that have ended. Raises NoReply if there are too many: what was not seen may be there."""
        for page in range(_HISTORY_PAGES):
            wanted = {"count": PAGE, "offset": page * PAGE, "include_unfilled": "true", "historical": "true"}
            rows = await self._rows(
                f"history of {ref.symbol}", "get_order_history_by_instrument", wanted, ref.symbol, named=True
            )
            for _, report in rows:
                if report.venue_order_id == ref.venue_order_id or (
                    ref.venue_order_id is None and report.client_id == ref.client_id
                ):
                    return report
            if len(rows) < PAGE:
                return None
        raise NoReply(f"order of {ref.symbol}: {self.rules.id} has more ended ones than are looked through")

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution."""
        method = "get_open_orders" if symbol is None else "get_open_orders_by_instrument"
        rows = await self._rows("open orders", method, {}, symbol, named=symbol is not None)
        return tuple(report for _, report in rows)

    async def _rows(
        self,
        what: str,
        method: str,
        wanted: dict[str, object],
        symbol: str | None,
        *,
        named: bool = False,
        priority: Priority = Priority.ORDER,
    ) -> list[tuple[str, OrderReport]]:
        """(symbol, report) of each order in a list; `named`: the instrument is a parameter."""

        async def ask(ccxt: Any) -> tuple[Any, Any]:
            of = _of(ccxt, symbol) if named and symbol is not None else {}
            return ccxt, await getattr(ccxt, f"private_get_{method}")({**of, **wanted})

        ccxt, reply = await self.once(what, ask, symbol=symbol, priority=priority)
        with self.reading(what):
            names = [(str(ccxt.safe_symbol(needed(row, "instrument_name"))), row) for row in reply["result"]]
            return [(name, self.report(row, name)) for name, row in names]

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution. History comes late, so what is recent is asked for besides."""
        now_ms = self.clock.wall_ns() // NS_PER_MS
        recent = await self._trades(symbol, {"start_timestamp": since_ms})
        if since_ms >= now_ms - _RECENT_MS:
            return recent
        return await self._trades(symbol, {"start_timestamp": since_ms, "historical": "true"}) + recent

    async def _trades(self, symbol: str, wanted: dict[str, object]) -> list[Any]:
        """All pages, oldest first; one goes on behind the number of the last trade of the one before."""

        async def ask(ccxt: Any, after: dict[str, object]) -> Any:
            return await ccxt.private_get_get_user_trades_by_instrument(
                {**_of(ccxt, symbol), "count": PAGE, "sorting": "asc", **wanted, **after}
            )

        what, found = f"trades of {symbol}", []
        after: dict[str, object] = {}
        while True:
            reply = await self.once(what, partial(ask, after=after), symbol=symbol)
            with self.reading(what):
                rows = list(reply["result"]["trades"])
            found += [{"info": row} for row in rows]
            if not rows or str(reply["result"].get("has_more")).lower() != "true":
                return found
            with self.reading(what):
                after = {"start_seq": int(needed(rows[-1], "trade_seq")) + 1}

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution."""
        return fill_of(row, symbol, self.account, self.clock.wall_ns())

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution. Profits of the running session are in them only once they are settled, at 08:00 UTC."""
        reply = await self.once("balances", lambda ccxt: ccxt.private_get_get_account_summaries())
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(reply["result"], received_ns))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        for one in row["summaries"]:
            total, free = needed_number(one, "balance"), needed_number(one, "available_funds")
            yield Balance(self.rules.id, self.account, needed(one, "currency"), total, free, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In dollars of inverse contracts, in base currency of all others."""

        async def ask(ccxt: Any) -> tuple[Any, Any]:
            return ccxt, await ccxt.private_get_get_positions()

        ccxt, reply = await self.once("positions", ask)
        received_ns = self.clock.wall_ns()
        with self.reading("positions"):
            return tuple(self._positions(ccxt, reply["result"], received_ns))

    def _positions(self, ccxt: Any, rows: list[Any], received_ns: int) -> Iterable[VenuePosition]:
        for row in rows:
            size = abs(needed_number(row, "size"))
            if size == ZERO:
                continue
            symbol = str(ccxt.safe_symbol(needed(row, "instrument_name")))
            amount = size * Side(needed(row, "direction")).sign
            entry, liquidation = number(row, "average_price"), number(row, "estimated_liquidation_price")
            yield VenuePosition(
                self.rules.id, self.account, symbol, amount, entry or None, received_ns, liquidation or None
            )

    async def _ready(self, what: str, symbol: str | None) -> Any:
        """See CcxtExecution. ccxt signs Deribit's calls with the time of this machine."""
        ccxt = await super()._ready(what, symbol)
        if abs(self._offset_ms) >= _SIGNED_MS:
            self._clock_due = True
            raise NotSent(
                f"{what}: the clock of this machine is {abs(self._offset_ms) / 1000:.0f} s from deribit's, which takes "
                f"a signature for {_SIGNED_MS // 1000} s: set the clock"
            )
        return ccxt

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution. The scope of a token that the key signs for; the token itself is not used."""
        reply = await self.once("permissions of the key", lambda ccxt: ccxt.public_get_auth(self.login()))
        with self.reading("permissions"):
            return permissions_of(needed(reply["result"], "scope"))

    def login(self) -> dict[str, object]:
        """What signs in: the parameters of `public/auth`."""
        stamp, nonce = self.venue_ms(), secrets.token_hex(8)
        key, signature = self.signed(f"{stamp}\n{nonce}\n")
        named = {"grant_type": "client_signature", "client_id": key, "timestamp": stamp}
        return {**named, "signature": signature, "nonce": nonce, "data": ""}


def _of(ccxt: Any, symbol: str) -> dict[str, object]:
    """The venue's name of a symbol, as a parameter."""
    return {"instrument_name": ccxt.market_id(symbol)}


def _numbers(intent: Intent) -> dict[str, object]:
    """Amount and price, as parameters."""
    price = {} if intent.price is None else {"price": plain(intent.price)}
    return {"amount": plain(intent.amount), **price}
