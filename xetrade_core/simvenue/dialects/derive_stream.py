"""Derive's private channels: signed in once, then the orders, trades and balances of a subaccount.

Orders that trade at once are told once they have, not when they come in. Source: docs.derive.xyz, "Channels", and
"Cancel on Disconnect".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Desk, DeskEvent, LedgerChanged, OrderChanged, PositionSide, TimeInForce
from xetrade_core.simvenue.dialects.base import PrivateMessage, Session
from xetrade_core.simvenue.dialects.derive_orders import trade_row
from xetrade_core.simvenue.dialects.derive_private import DerivePrivate
from xetrade_core.simvenue.dialects.derive_replies import DeriveRefused, Row
from xetrade_core.simvenue.dialects.derive_signed import Caller
from xetrade_core.simvenue.dialects.numbers import plain

_CHANNELS = ("orders", "trades", "balances")
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


class DeriveStream:
    """The connections of one venue that are signed in."""

    def __init__(self, desk: Desk, private: DerivePrivate) -> None:
        self._desk, self._private = desk, private
        self._callers: dict[Session, Caller] = {}
        self._told: dict[tuple[str, str], Decimal] = {}  # (account, name) -> the balance as last told

    def login(self, session: Session, params: Mapping[str, object]) -> list[int]:
        """Sign a connection in; gives the subaccounts that it may act for. Raises DeriveRefused."""
        wallet, stamp, signature = (str(params.get(name, "")) for name in ("wallet", "timestamp", "signature"))
        caller = self._private.wallets.signed_in(wallet, stamp, signature, self._desk.now_ns // NS_PER_MS)
        self._callers[session] = caller
        session.account = caller.account.name
        return [caller.subaccount]

    def ended(self, session: Session) -> None:
        """A connection has ended."""
        caller = self._callers.pop(session, None)
        if caller is not None:
            self._private.lost(caller)

    def call(self, session: Session, name: str, params: Mapping[str, object]) -> object:
        """A private method over a connection. Raises DeriveRefused."""
        caller = self._callers.get(session)
        if caller is None:
            raise DeriveRefused(14021, "X-DeriveWallet header not provided")
        if name != "set_cancel_on_disconnect":
            return self._private.call(name, caller, params)
        caller.require_trade()
        if params.get("enabled") is True:
            self._private.cancels_on_disconnect.add(caller.wallet)
        elif params.get("enabled") is False:
            self._private.cancels_on_disconnect.discard(caller.wallet)
        return "ok"

    def subscribe(self, session: Session, channel: str, *, wanted: bool) -> bool:
        """Take or leave a private channel; whether it is one. Raises DeriveRefused for one that is not the caller's."""
        subaccount, _, name = channel.partition(".")
        if not subaccount.isdigit() or name not in _CHANNELS:
            return False
        caller = self._callers.get(session)
        if caller is None or int(subaccount) != caller.subaccount:
            raise DeriveRefused(14022, "Subscription to a private channel failed")
        (session.topics.add if wanted else session.topics.discard)(channel)
        return True

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages about an event; a trade goes before the state that it leaves."""
        subaccount = self._private.wallets.of_account(event.account).subaccount
        if isinstance(event, OrderChanged):
            order, fill = event.order, event.fill
            if order.ticket.time_in_force in _AT_ONCE and order.state.resting and fill is None:
                return ()
            told = [_message(subaccount, "orders", [self._private.row(order)])]
            if fill is not None:
                told.insert(0, _message(subaccount, "trades", [trade_row(order, fill, subaccount)]))
            return told
        account = self._desk.accounts[event.account]
        if isinstance(event, LedgerChanged):
            held = {currency: account.ledger.total(currency) for currency in event.currencies}
            why = event.reason
        else:
            market = self._desk.markets[event.symbol]
            held = {market.venue_id: account.position(market, PositionSide.NET).quantity}
            why = "trade"
        return (_message(subaccount, "balances", [self._changed(event.account, *one, why) for one in held.items()]),)

    def _changed(self, account: str, name: str, balance: Decimal, why: str) -> Row:
        before = self._told.get((account, name), Decimal(0))
        self._told[account, name] = balance
        return {
            "name": name,
            "new_balance": plain(balance),
            "previous_balance": plain(before),
            "update_type": why,
        }


def _message(subaccount: int, channel: str, rows: list[Row]) -> PrivateMessage:
    topic = f"{subaccount}.{channel}"
    body = {"method": "subscription", "params": {"channel": topic, "data": rows}}
    return PrivateMessage(msgspec.json.encode(body), topic)
