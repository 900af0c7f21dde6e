"""What KuCoin's two markets have in common: refusals told apart by their words, no changes in place, permissions."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from xetrade_core.execution.ccxt_execution import Ask, CcxtExecution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, needed, text
from xetrade_core.model.orders import Intent, OrderReport
from xetrade_core.symbols.currencies import field_code
from xetrade_core.trading.execution import ErrorReply, NotSent, OrderRef
from xetrade_core.venues.budget import Priority

T = TypeVar("T")
_SHARED = ("400100", "100001")
_KEY_WEIGHT = 20
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


class KucoinClient(CcxtExecution):
    """The subclasses are the markets. `trading` is what the venue calls the permission to trade there."""

    trading: ClassVar[str]

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

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution. Nothing is sent: another order would take its place under another id."""
        raise NotSent(f"{self.rules.id} changes no order in place: {ref.symbol} is to be canceled and placed anew")

    async def permissions(self) -> KeyPermissions:
        """See CcxtExecution. A key that may transfer can also withdraw."""
        reply = await self.once(
            "permissions of the key", lambda ccxt: ccxt.private_get_user_api_key(), weight=_KEY_WEIGHT
        )
        return self.read("permissions", lambda: self._permissions(reply["data"]))

    def _permissions(self, row: Row) -> KeyPermissions:
        granted = {one.strip() for one in needed(row, "permission").split(",")}
        return KeyPermissions(
            trade=self.trading in granted,
            withdraw=not granted.isdisjoint({"Transfer", "Withdraw", "Withdrawal"}),
            ip_restricted=text(row, "ipWhitelist") is not None,
        )

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
