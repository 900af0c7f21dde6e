"""Deribit's websocket once it has signed in: private methods, the channels of an account, cancel-on-disconnect.

`user.orders`, `user.trades` and `user.changes` are of one instrument or of a kind and a currency, each of which may be
`any`; `user.portfolio` is of a currency. `100ms` is told as soon as `raw`, in a list of one. Cancel-on-disconnect ends
the orders that were placed on the connection, unless it was left by `private/logout`; for the account it is on for each
connection from then on. Source: docs.deribit.com/subscriptions/user and /api-reference/session-management (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    Cause,
    Desk,
    DeskEvent,
    DeskRefusal,
    LedgerChanged,
    OrderChanged,
)
from xetrade_core.simvenue.dialects.base import PrivateMessage, Session
from xetrade_core.simvenue.dialects.deribit_account import DeribitAccount
from xetrade_core.simvenue.dialects.deribit_listings import kind_of
from xetrade_core.simvenue.dialects.deribit_orders import BAD_PARAMS, Fields, Row, order_row, trade_row
from xetrade_core.simvenue.dialects.deribit_private import DeribitPrivate, currencies_of
from xetrade_core.simvenue.dialects.deribit_signed import Caller, DeribitKeys, require_trading
from xetrade_core.simvenue.dialects.json_rpc import RpcError, rpc_data, rpc_notice
from xetrade_core.simvenue.market import Market

_KINDS = ("any", "future", "option", "spot", "future_combo", "option_combo")
_INTERVALS = ("raw", "100ms")
_OF_ORDERS = ("user.orders", "user.trades", "user.changes")
_PORTFOLIO = "user.portfolio"
_SWITCHES = {"enable_cancel_on_disconnect": True, "disable_cancel_on_disconnect": False}


@dataclass(slots=True)
class _SignedIn:
    """A connection that has signed in, and the orders that were placed on it."""

    caller: Caller
    cancels: bool
    orders: list[int] = field(default_factory=list)


class DeribitStream:
    """The private half of every connection of one venue."""

    def __init__(self, desk: Desk, keys: DeribitKeys, private: DeribitPrivate, by_id: Mapping[str, Market]) -> None:
        self._desk, self._keys, self._private, self._by_id = desk, keys, private, by_id
        self._signed_in: WeakKeyDictionary[Session, _SignedIn] = WeakKeyDictionary()
        self._cancelling: set[str] = set()  # accounts whose connections begin with cancel-on-disconnect

    def sign_in(self, session: Session, fields: Fields) -> object:
        """What `public/auth` answers on a connection. Raises RpcError."""
        caller, answer = self._keys.grant(fields, self._now_ms)
        session.account = caller[0].name
        self._signed_in[session] = _SignedIn(caller, caller[0].name in self._cancelling)
        return answer

    @property
    def _now_ms(self) -> int:
        return self._desk.now_ns // NS_PER_MS

    def answer(self, session: Session, method: str, fields: Fields) -> object:
        """The `result` of a private method. Raises RpcError."""
        who = self._require(session)
        if method in _SWITCHES:
            return self._switch(who, fields.get("scope", "connection"), on=_SWITCHES[method])
        if method == "get_cancel_on_disconnect":
            scope = fields.get("scope", "connection")
            on = who.caller[0].name in self._cancelling if scope == "account" else who.cancels
            return {"scope": scope, "enabled": on}
        if method == "logout":
            who.cancels = False
            session.close(1000, "logout")
            return "ok"
        result = self._private.answer(method, who.caller, fields, self._now_ms)
        if method in ("buy", "sell") and isinstance(result, dict):
            who.orders.append(int(result["order"]["order_id"]))
        return result

    def _require(self, session: Session) -> _SignedIn:
        who = self._signed_in.get(session)
        if who is None:
            raise RpcError(13009, "unauthorized", "access_token", "required")
        return who

    def _switch(self, who: _SignedIn, scope: str, *, on: bool) -> str:
        require_trading(who.caller[1])
        if scope == "account":
            (self._cancelling.add if on else self._cancelling.discard)(who.caller[0].name)
        elif scope == "connection":
            who.cancels = on
        else:
            raise RpcError(BAD_PARAMS, "Invalid params", "scope", "must be connection or account")
        return "ok"

    def takes(self, session: Session, channel: str, *, wanted: bool) -> bool:
        """Take or leave a channel of the account's; whether there is such a one."""
        if not self._is_channel(channel):
            return False
        self._require(session)
        (session.topics.add if wanted else session.topics.discard)(channel)
        return True

    def _is_channel(self, channel: str) -> bool:
        head, _, rest = channel.partition(".")
        name, _, rest = rest.partition(".")
        if f"{head}.{name}" == _PORTFOLIO:
            return bool(rest) and "." not in rest
        if f"{head}.{name}" not in _OF_ORDERS:
            return False
        *subject, interval = rest.split(".")
        if interval not in _INTERVALS:
            return False
        return (len(subject) == 1 and subject[0] in self._by_id) or (len(subject) == 2 and subject[0] in _KINDS)

    def closed(self, session: Session) -> None:
        """A connection has ended: what was placed on it may have to end too."""
        who = self._signed_in.pop(session, None)
        if who is None or not who.cancels:
            return
        account = who.caller[0]
        for order_id in who.orders:
            with suppress(DeskRefusal):
                self._desk.cancel(account, self._desk.by_id(account, order_id), Cause.DEAD_MAN)

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages about an event, one for each channel that it is told on."""
        account = self._desk.accounts[event.account]
        if isinstance(event, LedgerChanged):
            return self._portfolio(account, event.currencies)
        if not isinstance(event, OrderChanged):
            return ()
        order, market = event.order, event.order.market
        row = order_row(order)
        trades = [trade_row(order, event.fill)] if event.fill is not None else []
        positions: list[Row] = []
        if trades and market.listing.settle is not None:
            positions.append(DeribitAccount(self._desk, account).position(market))
        changes: Row = {
            "trades": trades,
            "positions": positions,
            "orders": [row],
            "instrument_name": market.venue_id,
        }
        told = _told("user.orders", market, row) + _told("user.changes", market, changes)
        return told + (_told("user.trades", market, trades) if trades else [])

    def _portfolio(self, account: Account, currencies: Sequence[str]) -> list[PrivateMessage]:
        said = DeribitAccount(self._desk, account)
        found = []
        for currency in currencies:
            data = rpc_data(said.summary(currency))
            for of in (currency, currency.lower(), "any"):
                channel = f"{_PORTFOLIO}.{of}"
                found.append(PrivateMessage(rpc_notice(channel, data), channel))
        return found


def _told(name: str, market: Market, data: Row | list[Row]) -> list[PrivateMessage]:
    """A message for each channel that an instrument's events are told on."""
    raw = rpc_data(data)
    pairs = [(kind, of) for kind in ("any", kind_of(market.listing)) for of in ("any", *currencies_of(market))]
    found = []
    for subject in (market.venue_id, *(".".join(pair) for pair in pairs)):
        for interval in _INTERVALS:
            channel = f"{name}.{subject}.{interval}"
            listed = interval == "100ms" and name == "user.orders"
            found.append(PrivateMessage(rpc_notice(channel, b"[%b]" % raw if listed else raw), channel))
    return found
