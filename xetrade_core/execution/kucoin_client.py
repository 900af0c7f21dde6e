"""What KuCoin's two markets have in common: refusals told apart by their words, no changes in place, permissions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from xetrade_core.clock import NS_PER_MS
from xetrade_core.execution.ccxt_calls import Ask
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, plain, text, true
from xetrade_core.model.orders import ZERO, Intent, OrderReport, OrderType, ReportStatus
from xetrade_core.symbols.currencies import field_code
from xetrade_core.trading.execution import ErrorReply, NotSent, OrderRef
from xetrade_core.venues.budget import Priority

T = TypeVar("T")
_SHARED = ("400100", "100001")
_KEY_WEIGHT = 20
_WEEK_MS = 7 * 86_400_000
#: what the codes that most refusals share say, and the code that it is known by
_SAID = MappingProxyType(
    {
        "order_not_exist": "order_not_exist",
        "order not exist": "order_not_exist",
        "order not exist.": "order_not_exist",
        "The order does not exist.": "order_not_exist",
        "order_not_exist_or_not_allow_to_cancel": "order_not_exist_or_not_allow_to_cancel",
        "Order not exist or not allow to be cancelled": "order_not_exist_or_not_allow_to_cancel",
        "error.getOrder.orderNotExist": "error.getOrder.orderNotExist",
        "validation.createOrder.clientOidDuplicated": "validation.createOrder.clientOidDuplicated",
        "account.available.amount": "account.available.amount",
    }
)


@dataclass(frozen=True, slots=True)
class OrderFields:
    """What a market calls some fields of its rows of orders."""

    active: str
    filled: str
    updated: str


class KucoinClient(CcxtExecution):
    """The subclasses are the markets. `trading` is what the venue calls the permission to trade there."""

    passphrased = True
    trading: ClassVar[str]
    fields: ClassVar[OrderFields]

    async def once(
        self,
        what: str,
        ask: Ask[T],
        *,
        symbol: str | None = None,
        priority: Priority = Priority.ORDER,
        weight: int | None = None,
    ) -> T:
        """See CcxtExecution. Refusals that share a code are told apart by the venue's words."""
        try:
            return await super().once(what, ask, symbol=symbol, priority=priority, weight=weight)
        except ErrorReply as error:
            if error.code in _SHARED and error.said in _SAID:
                raise ErrorReply(_SAID[error.said], error.said, error.status) from None
            raise

    def order_params(self, intent: Intent) -> dict[str, object]:
        """See CcxtExecution. The whole order but its instrument."""
        params: dict[str, object] = {
            "clientOid": intent.client_id,
            "side": intent.side.value,
            "type": intent.type.value,
            "size": plain(intent.amount),
        }
        if intent.price is not None:
            params["price"] = plain(intent.price)
        if intent.post_only:
            params["postOnly"] = True
        elif intent.type is OrderType.LIMIT:
            params["timeInForce"] = intent.time_in_force.value.upper()
        return params

    def report(self, row: Row, symbol: str) -> OrderReport:
        """See CcxtExecution. The venue does not say who canceled: an immediate order's rest was nobody's doing."""
        filled, amount = needed_number(row, self.fields.filled), number(row, "size") or None
        price = None if row.get("type") == "market" else number(row, "price") or None
        at_once = price is None or row.get("timeInForce") in ("IOC", "FOK")
        status = ReportStatus.OPEN
        if not true(row[self.fields.active]):
            whole = filled > ZERO and (filled == amount or not true(row["cancelExist"]))
            status = ReportStatus.FILLED if whole else ReportStatus.EXPIRED if at_once else ReportStatus.CANCELED
        return OrderReport(
            symbol=symbol,
            status=status,
            client_id=text(row, "clientOid"),
            venue_order_id=needed(row, "id"),
            filled=filled,
            amount=amount,
            price=price,
            exchange_ns=millis(row, self.fields.updated),
        )

    async def found(self, ref: OrderRef, ask: Ask[Any], *, weight: int) -> OrderReport | None:
        """The order that a call tells of; None if the venue says that there is none."""
        reply = await self.unless_unknown(f"order of {ref.symbol}", ask, symbol=ref.symbol, weight=weight)
        if reply is None:
            return None
        with self.reading("order"):
            row = reply["data"]
            return None if row is None else self.report(row, ref.symbol)

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. Nothing is sent: another order would take its place under another id."""
        raise NotSent(f"{self.rules.id} changes no order in place: {ref.symbol} is to be canceled and placed anew")

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution. A key that may transfer can also withdraw."""
        reply = await self.once(
            "permissions of the key", lambda ccxt: ccxt.private_get_user_api_key(), weight=_KEY_WEIGHT
        )
        with self.reading("permissions"):
            return self._permissions(reply["data"])

    def _permissions(self, row: Row) -> KeyPermissions:
        granted = {one.strip() for one in needed(row, "permission").split(",")}
        return KeyPermissions(
            trade=self.trading in granted,
            withdraw=not granted.isdisjoint({"Transfer", "Withdraw", "Withdrawal"}),
            ip_restricted=text(row, "ipWhitelist") is not None,
        )

    def weeks(self, since_ms: int, kept_ms: int) -> Iterator[dict[str, object]]:
        """The queries that together are about all the time since then: a call for trades spans a week at most."""
        now_ms = self.clock.wall_ns() // NS_PER_MS
        for start in range(max(since_ms, now_ms - kept_ms), now_ms + 1, _WEEK_MS):
            yield {"startAt": start, "endAt": start + _WEEK_MS - 1}

    def currency(self, row: Row) -> str:
        """The currency of a row by the name that symbols have for it."""
        return field_code(self.rules.id, needed(row, "currency"))

    async def about(
        self,
        what: str,
        method: str,
        symbol: str,
        query: dict[str, object],
        *,
        priority: Priority = Priority.ORDER,
        weight: int = 1,
    ) -> Any:
        """A call about one instrument, by its path."""
        return await self.once(
            what,
            lambda ccxt: getattr(ccxt, method)(self.of(ccxt, symbol, query)),
            symbol=symbol,
            priority=priority,
            weight=weight,
        )

    @staticmethod
    def of(ccxt: Any, symbol: str, query: dict[str, object]) -> dict[str, object]:
        """A query about one instrument."""
        return {"symbol": ccxt.market_id(symbol), **query}

    @staticmethod
    def names(ref: OrderRef) -> dict[str, object]:
        """The order's name, ours if it has one."""
        return {"clientOid": ref.client_id} if ref.client_id is not None else {"orderId": ref.venue_order_id}
