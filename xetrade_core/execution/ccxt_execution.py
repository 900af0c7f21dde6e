"""The private side of one account through the unmodified ccxt class of its venue.

ccxt brings the signature, the URL and the names of parameters. When a call may be made and what came of it is said in
`ccxt_calls.py`. What the reply says is ours too: it is read from the venue's own row (`info`), where numbers are text
and nothing is left out.

A venue is a subclass that says what it calls things: see `binance.py`, and docs/adding-a-venue.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_calls import CcxtCalls
from xetrade_core.execution.dead_man import DeadMan
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, plain
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType, TimeInForce
from xetrade_core.trading.execution import ExecutionError, OrderRef
from xetrade_core.venues.budget import Priority


class CcxtExecution(CcxtCalls, ABC):
    """`Execution` of one account."""

    #: see ForgetsTrades
    trade_history_s: float | None = None
    #: the switch that cancels what rests when we fall silent, where the venue has one
    dead_man: DeadMan | None = None
    #: what a call costs of the venue's budget, by what it does; by ccxt's table what is not named here
    weights: ClassVar[Mapping[str, int]] = MappingProxyType({})

    # -- Execution -----------------------------------------------------------------------------------------------------

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution."""
        price = None if intent.price is None else plain(intent.price)
        row = await self.once(
            f"order of {intent.symbol}",
            lambda ccxt: ccxt.create_order(
                intent.symbol,
                intent.type.value,
                intent.side.value,
                plain(intent.amount),
                price,
                self.order_params(intent),
            ),
            symbol=intent.symbol,
            weight=self.weights.get("place"),
        )
        with self.reading("order"):
            return self.placed(row["info"], intent)

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution."""
        row = await self.once(
            f"cancel of {ref.symbol}",
            lambda ccxt: ccxt.cancel_order(self.order_id(ref), ref.symbol, self.ref_params(ref)),
            symbol=ref.symbol,
            priority=Priority.CANCEL,
            weight=self.weights.get("cancel"),
        )
        with self.reading("cancel"):
            return self.canceled(row["info"], ref)

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        await self.once(
            f"cancel of all orders of {symbol or 'the account'}",
            lambda ccxt: ccxt.cancel_all_orders(symbol),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=self.weights.get("cancel"),
        )

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution."""
        row = await self.once(
            f"amendment of {ref.symbol}",
            lambda ccxt: ccxt.edit_order(
                self.order_id(ref),
                ref.symbol,
                intent.type.value,
                intent.side.value,
                plain(intent.amount),
                None if intent.price is None else plain(intent.price),
                self.amend_params(ref, intent),
            ),
            symbol=ref.symbol,
        )
        with self.reading("amendment"):
            return self.amended(row["info"], intent)

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. One call tells of open orders and history alike where the venue has such a one."""
        row = await self.unless_unknown(
            f"order of {ref.symbol}",
            lambda ccxt: ccxt.fetch_order(self.order_id(ref), ref.symbol, self.ref_params(ref)),
            symbol=ref.symbol,
            weight=self.weights.get("find"),
        )
        if row is None:
            return None
        with self.reading("order"):
            return self.report(row["info"], ref.symbol)

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution."""
        weight = self.weights.get("open orders" if symbol is not None else "all open orders")
        rows = await self.once("open orders", lambda ccxt: ccxt.fetch_open_orders(symbol), symbol=symbol, weight=weight)
        with self.reading("open orders"):
            return tuple(self.report(row["info"], row["symbol"]) for row in rows)

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        """See Execution."""
        found: dict[tuple[str, str | None], Fill] = {}  # of a trade of the account with itself there are two
        for row in await self.trades(symbol, since_ns // NS_PER_MS):
            with self.reading("trades"):
                fill = self.fill(row["info"], symbol)
            if fill.exchange_ns is None or fill.exchange_ns >= since_ns:
                found[fill.trade_id, fill.venue_order_id] = fill
        return tuple(
            sorted(found.values(), key=lambda fill: (fill.exchange_ns or 0, len(fill.trade_id), fill.trade_id))
        )

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        row = await self.once("balances", lambda ccxt: ccxt.fetch_balance(), weight=self.weights.get("balances"))
        received_ns = self.clock.wall_ns()
        with self.reading("balances"):
            return tuple(self.held(row["info"], received_ns))

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution."""
        return ()

    async def permissions(self) -> KeyPermissions:
        """What the venue says the key may do; nothing where it does not tell."""
        return KeyPermissions()

    # -- what a venue says in its own words ----------------------------------------------------------------------------

    @abstractmethod
    def order_params(self, intent: Intent) -> dict[str, object]:
        """What ccxt is given beside symbol, type, side, amount and price: client id, time in force and flags."""

    @abstractmethod
    def report(self, row: Row, symbol: str) -> OrderReport:
        """A row of an order. Raises ValueError for one that cannot be read."""

    @abstractmethod
    def fill(self, row: Row, symbol: str) -> Fill:
        """A row of the account's trades. Raises ValueError."""

    @abstractmethod
    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """The reply about balances. Raises ValueError."""

    @abstractmethod
    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """ccxt's rows of every trade of the account since then, all pages."""

    def placed(self, row: Row, intent: Intent) -> OrderReport:
        """The reply to a placement."""
        return self.report(row, intent.symbol)

    def canceled(self, row: Row, ref: OrderRef) -> OrderReport:
        """The reply to a cancel."""
        return self.report(row, ref.symbol)

    def amended(self, row: Row, intent: Intent) -> OrderReport:
        """The reply to an amendment."""
        return self.report(row, intent.symbol)

    def order_id(self, ref: OrderRef) -> str | None:
        """The id that ccxt is given of an order: the venue's, if the order cannot be named by ours."""
        return ref.venue_order_id if not self._by_client_id(ref) else None

    def ref_params(self, ref: OrderRef) -> dict[str, object]:
        """The parameters that name an order."""
        rule = self.rules.client_ids
        return {rule.ccxt_param: ref.client_id} if rule is not None and self._by_client_id(ref) else {}

    def amend_params(self, ref: OrderRef, intent: Intent) -> dict[str, object]:
        """What ccxt is given beside the new amount and price."""
        return self.ref_params(ref)

    def _by_client_id(self, ref: OrderRef) -> bool:
        rule = self.rules.client_ids
        return ref.client_id is not None and rule is not None and rule.query and rule.cancel

    async def as_it_stands(self, intent: Intent, placed: OrderReport) -> OrderReport:
        """What became of an order where the venue only acknowledges: asked for if it must trade or end at once.

        If that fails it is open, as was acknowledged.
        """
        if intent.type is OrderType.LIMIT and intent.time_in_force is TimeInForce.GTC and not intent.post_only:
            return placed
        try:
            found = await self.find(OrderRef(intent.symbol, None, placed.venue_order_id))
        except ExecutionError:
            return placed
        return found or placed
