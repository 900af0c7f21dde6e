"""Derive in its own words: spot, perpetuals and options of one subaccount, amounts in base currency.

Every order is signed for itself, with a limit price and the most that it may cost in fees, market orders too. A label
is no name: it may repeat, and no call asks for it, so that an order without the venue's id is looked for among those
that are open and those that have ended. The venue changes no order in place: its `replace` gives it another id.
Shapes: docs.derive.xyz, "Orderbook", "History" and "Subaccounts" (2026-11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.execution.ccxt_calls import Ask
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.dead_man import DeadMan, Fires
from xetrade_core.execution.derive_prices import OrderPrices, fee_cap, on_tick
from xetrade_core.execution.derive_rows import balances_of, fill_of, permissions_of, report_of
from xetrade_core.execution.derive_signing import address_of, require_wallet, signed_order
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.positions import signed_positions
from xetrade_core.execution.raw import Row, needed_number, text
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import (
    Fill,
    Intent,
    OrderReport,
    OrderType,
    ReportStatus,
    TimeInForce,
)
from xetrade_core.telemetry import register_secrets
from xetrade_core.trading.execution import ErrorReply, ExecutionError, NotSent, OrderRef, by_either_clock
from xetrade_core.venues.budget import Priority

PAGE = 1000
_SIGN_IN_REFUSED = "14014"  # a wrong key, or a time that is not the venue's
_NO_SUCH_ORDER = "11006"
_BEFORE_NS = 60 * NS_PER_S  # what the venue's clock may have moved since it was measured
T = TypeVar("T")


class DeriveExecution(CcxtExecution):
    """Orders of a subaccount, by a session key of its wallet (or by the wallet's own key, which can withdraw)."""

    #: 25 of an order's kind in 5 s, and twice as many reads, are what a trader may send
    weights = MappingProxyType({"place": 2, "cancel": 2})
    wallet = True
    dead_man = DeadMan(Fires.DISCONNECT, None, None)

    def __init__(self, *args: Any, **options: Any) -> None:
        """See CcxtExecution."""
        super().__init__(*args, **options)
        self._signing: Any = None  # ccxt, once it has the key
        self._signer: str | None = None
        self._prices = OrderPrices(self)
        register_secrets([self._private_key])

    @classmethod
    def require_key(cls, account: str, credentials: Credentials) -> None:
        """See CcxtExecution."""
        require_wallet(account, credentials)

    def give_key(self, ccxt: Any) -> None:
        """See CcxtExecution."""
        if self._signer is None:
            self._signer = address_of(ccxt, self._private_key)
        ccxt.privateKey, ccxt.walletAddress = self._private_key, self._signer
        ccxt.options["deriveWalletAddress"] = self._credentials.api_key
        self._signing = ccxt

    @property
    def _private_key(self) -> str:
        return self._credentials.secret.removeprefix("0x")

    @property
    def subaccount(self) -> int:
        """The number of the subaccount."""
        assert self._credentials.subaccount is not None  # `require_key`
        return self._credentials.subaccount

    async def once(self, what: str, ask: Ask[T], **how: Any) -> T:
        """See CcxtExecution. A sign-in that is refused may be one of a wrong time: the clock is measured anew."""
        try:
            return await super().once(what, ask, **how)
        except ErrorReply as error:
            if error.code == _SIGN_IN_REFUSED:
                self._clock_due = True
            raise

    # -- orders --------------------------------------------------------------------------------------------------------

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. What is not signed of an order; one at the market never rests, without being told."""
        params: dict[str, object] = {"order_type": intent.type.value, "label": intent.client_id}
        if intent.post_only:
            params["time_in_force"] = "post_only"
        elif intent.type is OrderType.LIMIT or intent.time_in_force is TimeInForce.FOK:
            params["time_in_force"] = intent.time_in_force.value
        if intent.reduce_only and ":" in intent.symbol:
            params["reduce_only"] = True
        return params

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution. The reply states the whole order."""
        limit_price, index = await self._prices.of(intent)

        async def send(ccxt: Any) -> Row:
            row = ccxt.market(intent.symbol)["info"]
            price = limit_price if intent.price is not None else on_tick(row, intent.side, limit_price)
            max_fee = fee_cap(row, index, intent.amount)
            signed = signed_order(ccxt, intent, price, max_fee, self.subaccount, self.venue_ms() // 1000)
            reply: Row = await ccxt.private_post_order({**signed, **self.order_params(intent)})
            return reply

        reply = await self.once(f"order of {intent.symbol}", send, symbol=intent.symbol, weight=self.weights["place"])
        with self.reading("order"):
            return self.report(reply["result"]["order"], intent.symbol)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution. By label the venue answers how many it cancelled, so that the order is read afterwards."""
        if ref.venue_order_id is not None:
            reply = await self._cancelling("private_post_cancel", ref.symbol, {"order_id": ref.venue_order_id})
            with self.reading("cancel"):
                return self.report(reply["result"], ref.symbol)
        reply = await self._cancelling("private_post_cancel_by_label", ref.symbol, {"label": ref.client_id})
        with self.reading("cancel"):
            cancelled = needed_number(reply["result"], "cancelled_orders")
        if not cancelled:
            raise ErrorReply(_NO_SUCH_ORDER, f"no open order has the label {ref.client_id}")
        accepted = OrderReport(symbol=ref.symbol, status=ReportStatus.OPEN, client_id=ref.client_id)
        try:
            return await self.find(ref) or accepted
        except ExecutionError:
            return accepted

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        method = "private_post_cancel_all" if symbol is None else "private_post_cancel_by_instrument"
        await self._cancelling(method, symbol, {})

    async def _cancelling(self, method: str, symbol: str | None, named: dict[str, object]) -> Row:
        reply: Row = await self.once(
            f"cancel of {symbol or 'all orders'}",
            lambda ccxt: getattr(ccxt, method)({**self._in(ccxt, symbol), **named}),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=self.weights["cancel"],
        )
        return reply

    def _in(self, ccxt: Any, symbol: str | None) -> dict[str, object]:
        """The parameters that say where: the subaccount, and the instrument if one is meant."""
        named = {} if symbol is None else {"instrument_name": ccxt.market_id(symbol)}
        return {"subaccount_id": self.subaccount, **named}

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. Raises NotSent: it is cancelled and placed anew, by whoever knows what was filled."""
        raise NotSent(f"{self.rules.id} changes no order in place")

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution."""
        return report_of(row, symbol)

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. Ended orders are asked for last: what ends meanwhile is among them."""
        if ref.venue_order_id is not None:
            reply = await self.unless_unknown(
                f"order of {ref.symbol}",
                lambda ccxt: ccxt.private_post_get_order({**self._in(ccxt, None), "order_id": ref.venue_order_id}),
                symbol=ref.symbol,
            )
            if reply is not None:
                with self.reading("order"):
                    return self.report(reply["result"], ref.symbol)
            named, name = "order_id", ref.venue_order_id
        else:
            for report in await self.open_orders(ref.symbol):
                if report.client_id == ref.client_id:
                    return report
            named, name = "label", ref.client_id or ""
        since_ns = 0 if ref.created_ns is None else by_either_clock(self, ref.created_ns - _BEFORE_NS)
        since = {"from_timestamp": since_ns // NS_PER_MS}
        async for row in self.pages("ended orders", "private_post_get_order_history", "orders", None, since):
            if text(row, named) == name:
                with self.reading("order"):
                    return self.report(row, ref.symbol)
        return None

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution. The venue tells all of them at once."""
        rows = await self._listed("open orders", "private_post_get_open_orders", "orders", symbol)
        with self.reading("open orders"):
            return tuple(self.report(row, name) for name, row in rows if symbol in (None, name))

    async def _listed(self, what: str, method: str, name: str, symbol: str | None = None) -> list[tuple[str, Row]]:
        """(symbol, row) of a list that comes whole."""

        async def ask(ccxt: Any) -> list[tuple[str, Row]]:
            rows = (await getattr(ccxt, method)(self._in(ccxt, None)))["result"][name]
            return [(str(ccxt.safe_symbol(row["instrument_name"])), row) for row in rows]

        return await self.once(what, ask, symbol=symbol)

    async def pages(
        self, what: str, method: str, name: str, symbol: str | None, query: Mapping[str, object]
    ) -> AsyncIterator[Row]:
        """The rows of every page, newest first as the venue lists them."""

        async def ask(ccxt: Any, page: int) -> Any:
            return await getattr(ccxt, method)({**self._in(ccxt, symbol), **query, "page": page, "page_size": PAGE})

        page, pages = 1, 1
        while page <= pages:
            reply = await self.once(what, partial(ask, page=page), symbol=symbol)
            with self.reading(what):
                rows, pages = list(reply["result"][name]), int(reply["result"]["pagination"]["num_pages"])
            for row in rows:
                yield row
            page += 1

    # -- trades and the account ----------------------------------------------------------------------------------------

    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """See CcxtExecution."""
        rows = self.pages(
            f"trades of {symbol}", "private_post_get_trade_history", "trades", symbol, {"from_timestamp": since_ms}
        )
        return [{"info": row} async for row in rows]

    def fill(self, row: Row, symbol: str) -> Fill:
        """See CcxtExecution."""
        return fill_of(row, symbol, self.account, self.clock.wall_ns())

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        reply = await self.once("balances", lambda ccxt: ccxt.private_post_get_subaccount(self._in(ccxt, None)))
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(reply["result"], received_ns))

    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """See CcxtExecution."""
        return balances_of(row, self.account, received_ns)

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution. In base currency."""
        rows = await self._listed("positions", "private_post_get_positions", "positions")
        names = {"amount": "amount", "entry": "average_price_excl_fees", "liquidation": "liquidation_price"}
        with self.reading("positions"):
            return signed_positions(self, rows, **names)

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution. The wallet's own key may do everything."""
        wallet = self._credentials.api_key
        reply = await self.once(
            "permissions of the key", lambda ccxt: ccxt.private_post_session_keys({"wallet": wallet})
        )
        if self._signer is not None and self._signer.lower() == wallet.lower():
            return KeyPermissions(trade=True, withdraw=True)
        with self.reading("permissions"):
            keys = list(reply["result"]["public_session_keys"])
        for row in keys:
            if str(row.get("public_session_key")).lower() == str(self._signer).lower():
                with self.reading("permissions"):
                    return permissions_of(row)
        return KeyPermissions()

    def login(self) -> dict[str, object]:
        """What signs a private connection in; ccxt has the key by then."""
        stamp = str(self.venue_ms())
        signature = self._signing.sign_message(stamp, self._signing.privateKey)
        return {"wallet": self._credentials.api_key, "timestamp": stamp, "signature": signature}
