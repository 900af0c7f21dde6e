"""What KuCoin's two markets have in common: refusals told apart by their words, no changes in place, permissions."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, TypeVar

from xetrade_core.execution.ccxt_execution import Ask, CcxtExecution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, needed, text
from xetrade_core.model.orders import Intent, OrderReport
from xetrade_core.trading.execution import ErrorReply, NotSent, OrderRef
from xetrade_core.venues.budget import Priority

T = TypeVar("T")
_ANY_REFUSAL = "400100"
_KEY_WEIGHT = 20
#: what the refusal that most share says, and the code that it is known by
_SAID = MappingProxyType(
    {
        "order_not_exist": "order_not_exist",
        "order not exist": "order_not_exist",
        "order not exist.": "order_not_exist",
        "The order does not exist.": "order_not_exist",
        "order_not_exist_or_not_allow_to_cancel": "order_not_exist_or_not_allow_to_cancel",
        "Order not exist or not allow to be cancelled": "order_not_exist_or_not_allow_to_cancel",
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
            if error.code == _ANY_REFUSAL and error.said in _SAID:
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
