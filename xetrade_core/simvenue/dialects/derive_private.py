"""The private methods of Derive, over REST and over a websocket that is signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xetrade_core.simvenue.desk import Cause, Desk, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.derive_account import DeriveAccount
from xetrade_core.simvenue.dialects.derive_orders import (
    CODES,
    ENDED,
    Placed,
    order_row,
    require_liquidity,
    ticket_of,
    trade_row,
)
from xetrade_core.simvenue.dialects.derive_replies import DeriveRefused, Row, invalid
from xetrade_core.simvenue.dialects.derive_signed import Caller, Wallets, subaccount_of
from xetrade_core.simvenue.market import Market

Params = Mapping[str, Any]
Method = Callable[[Caller, Params], object]
_PAGE = 100
_MOST = 1_000
_FOREVER_S = 4_102_444_800


class DerivePrivate:
    """Private methods over a desk; `by_id` are the markets by the venue's id."""

    def __init__(self, desk: Desk, by_id: Mapping[str, Market]) -> None:
        self._desk, self._by_id = desk, by_id
        self.wallets = Wallets(desk)
        self.cancels_on_disconnect: set[str] = set()  # wallets
        self._placed: dict[int, Placed] = {}
        self._placing: Placed | None = None  # the desk tells of an order before `place` has returned
        trading: dict[str, Method] = {
            "order": self._order,
            "replace": self._replace,
            "cancel": self._cancel,
            "cancel_by_label": self._cancel_by_label,
            "cancel_by_nonce": self._cancel_by_nonce,
            "cancel_by_instrument": self._cancel_by_instrument,
            "cancel_all": self._cancel_all,
        }
        self._trading = frozenset(trading)
        self._methods: dict[str, Method] = {
            **trading,
            "get_order": lambda caller, params: self.row(self._one(caller, params, "order_id")),
            "get_open_orders": self._open_orders,
            "get_order_history": self._order_history,
            "get_trade_history": self._trade_history,
            "get_positions": self._positions,
            "get_collaterals": self._collaterals,
            "get_subaccount": lambda caller, params: self._subaccount(caller),
            "get_all_portfolios": lambda caller, params: [self._subaccount(caller)],
            "get_subaccounts": lambda caller, params: {
                "subaccount_ids": [caller.subaccount],
                "wallet": caller.wallet,
            },
            "get_account": self._account,
            "get_funding_history": self._funding_history,
            "session_keys": self._session_keys,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The methods, without their `private/`."""
        return tuple(self._methods)

    def call(self, name: str, caller: Caller, params: Params) -> object:
        """The result of a method. Raises DeriveRefused."""
        method = self._methods.get(name)
        if method is None:
            raise DeriveRefused(-32601, "Method not found")
        if name in self._trading:
            caller.require_trade()
        _require_own(caller, params)
        try:
            return method(caller, params)
        except DeskRefusal as refusal:
            raise DeriveRefused(*CODES[refusal.kind], str(refusal)) from None

    def row(self, order: DeskOrder) -> Row:
        """An order as it stands."""
        placed = self._placed.get(order.order_id, self._placing)
        assert placed is not None
        return order_row(order, placed, self._subaccount_of(order.account))

    def trade_rows(self, order: DeskOrder) -> list[Row]:
        """The trades of an order, oldest first."""
        return [trade_row(order, fill, self._subaccount_of(order.account)) for fill in order.fills]

    def _subaccount_of(self, account: str) -> int:
        return subaccount_of(self._desk.accounts[account].keys[0].key)

    def _market(self, params: Params) -> Market:
        market = self._by_id.get(str(params.get("instrument_name", "")))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _chosen(self, params: Params) -> Market | None:
        return self._market(params) if params.get("instrument_name") is not None else None

    # --- orders -----------------------------------------------------------------------------------------------------

    def _order(self, caller: Caller, params: Params) -> object:
        order = self._place(caller, params)
        return {"order": self.row(order), "trades": self.trade_rows(order)}

    def _place(self, caller: Caller, params: Params, replaced: DeskOrder | None = None) -> DeskOrder:
        market = self._market(params)
        action = self.wallets.action(caller, market, params, self._desk.now_ns)
        ticket = ticket_of(market, params, self._desk.rules.taker_fee)
        require_liquidity(market, ticket)
        style = str(params.get("time_in_force") or "gtc")
        replaces = None if replaced is None else replaced.order_id
        self._placing = Placed(action, str(params.get("order_type", "limit")), style, replaces)
        order = self._desk.place(caller.account, ticket)
        self._placed[order.order_id] = self._placing
        self.wallets.use(caller, action)
        return order

    def _replace(self, caller: Caller, params: Params) -> object:
        """Cancel one order and place another, of a new id; that the second fails leaves the first cancelled."""
        old = self._one(caller, params, "order_id_to_cancel")
        expected = params.get("expected_filled_amount")
        if expected is not None and str(expected) != f"{old.filled:f}":
            raise DeriveRefused(11028, "Replaced order filled amount does not match expected state.")
        self._end(caller, old)
        result: Row = {"cancelled_order": self.row(old), "order": None, "trades": None, "create_order_error": None}
        try:
            order = self._place(caller, params, replaced=old)
        except DeriveRefused as refused:
            return {**result, "create_order_error": refused.error}
        except DeskRefusal as refusal:
            code, message = CODES[refusal.kind]
            return {**result, "create_order_error": {"code": code, "message": message}}
        return {**result, "order": self.row(order), "trades": self.trade_rows(order)}

    def _one(self, caller: Caller, params: Params, name: str) -> DeskOrder:
        text = str(params.get(name, ""))
        return self._desk.by_id(caller.account, int(text) if text.isdigit() else 0)

    def _cancel(self, caller: Caller, params: Params) -> object:
        order = self._one(caller, params, "order_id")
        if order.market is not self._market(params):
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return self.row(self._end(caller, order))

    def _end(self, caller: Caller, order: DeskOrder) -> DeskOrder:
        """Cancel an order, or say how it has ended."""
        try:
            return self._desk.cancel(caller.account, order)
        except DeskRefusal:
            raise DeriveRefused(*ENDED[order.state]) from None

    def _cancel_by_label(self, caller: Caller, params: Params) -> object:
        label = params.get("label")
        if not label:
            raise invalid("label is required")
        return self._cancel_those(caller, params, lambda order: order.ticket.client_id == label)

    def _cancel_by_nonce(self, caller: Caller, params: Params) -> object:
        nonce = str(params.get("nonce", ""))
        return self._cancel_those(caller, params, lambda order: str(self._placed[order.order_id].action.nonce) == nonce)

    def _cancel_by_instrument(self, caller: Caller, params: Params) -> object:
        self._market(params)
        return self._cancel_those(caller, params, lambda order: True)

    def _cancel_all(self, caller: Caller, params: Params) -> object:
        self._desk.cancel_all(caller.account)
        return "ok"

    def _cancel_those(self, caller: Caller, params: Params, meant: Callable[[DeskOrder], bool]) -> object:
        """Cancel what is meant of an instrument, or of all; tells how many."""
        market, cancelled = self._chosen(params), 0
        for order in self._desk.open_orders(caller.account, None if market is None else market.symbol):
            if meant(order):
                try:
                    self._desk.cancel(caller.account, order)
                    cancelled += 1
                except DeskRefusal:
                    continue  # it filled a moment before
        return {"cancelled_orders": cancelled}

    def lost(self, caller: Caller) -> None:
        """A connection that was signed in has ended."""
        if caller.wallet in self.cancels_on_disconnect:
            self._desk.cancel_all(caller.account, cause=Cause.DEAD_MAN)

    def _open_orders(self, caller: Caller, params: Params) -> object:
        market = self._chosen(params)
        orders = self._desk.open_orders(caller.account, None if market is None else market.symbol)
        return {"subaccount_id": caller.subaccount, "orders": [self.row(order) for order in orders]}

    def _order_history(self, caller: Caller, params: Params) -> object:
        rows = [self.row(order) for order in self._desk.history(caller.account) if not order.state.resting]
        return {"subaccount_id": caller.subaccount, **_page(params, "orders", rows, "creation_timestamp")}

    def _trade_history(self, caller: Caller, params: Params) -> object:
        market, order_id = self._chosen(params), params.get("order_id")
        rows = [
            trade_row(self._desk.orders[fill.order_id], fill, caller.subaccount)
            for fill in self._desk.fills(caller.account, None if market is None else market.symbol)
            if order_id in (None, str(fill.order_id))
        ]
        return {"subaccount_id": caller.subaccount, **_page(params, "trades", rows, "timestamp")}

    # --- the account ------------------------------------------------------------------------------------------------

    def _told(self, caller: Caller) -> DeriveAccount:
        return DeriveAccount(self._desk, caller.account, caller.subaccount)

    def _subaccount(self, caller: Caller) -> Row:
        return self._told(caller).subaccount([self.row(order) for order in self._desk.open_orders(caller.account)])

    def _positions(self, caller: Caller, params: Params) -> object:
        return {"subaccount_id": caller.subaccount, "positions": self._told(caller).positions()}

    def _collaterals(self, caller: Caller, params: Params) -> object:
        return {"subaccount_id": caller.subaccount, "collaterals": self._told(caller).collaterals()}

    def _funding_history(self, caller: Caller, params: Params) -> object:
        return _page(params, "events", self._told(caller).fundings(self._chosen(params)), "timestamp", "start", "end")

    def _account(self, caller: Caller, params: Params) -> object:
        return {
            "wallet": caller.wallet,
            "subaccount_ids": [caller.subaccount],
            "cancel_on_disconnect": caller.wallet in self.cancels_on_disconnect,
        }

    def _session_keys(self, caller: Caller, params: Params) -> object:
        return {
            "public_session_keys": [
                {
                    "public_session_key": one.signer,
                    "protocol_scopes": one.scopes,
                    "offchain_scopes": ["account_info"],
                    "ip_whitelist": ["127.0.0.1"] if one.issued.ip_restricted else [],
                    "expiry_sec": _FOREVER_S,
                    "registered_sec": 0,
                    "label": one.account.name,
                    "subaccount_ids": [one.subaccount],
                }
                for one in self.wallets.of_wallet(caller.wallet)
                if one.signer != one.wallet
            ]
        }


def _require_own(caller: Caller, params: Params) -> None:
    """A private call names the caller's subaccount or wallet. Raises DeriveRefused."""
    subaccount, wallet = params.get("subaccount_id"), params.get("wallet")
    if subaccount is None and wallet is None:
        raise DeriveRefused(14025, "The private request is missing a wallet or subaccount_id param")
    if subaccount is not None and not isinstance(subaccount, int):
        raise invalid(f"invalid type: {type(subaccount).__name__}, expected i64")
    if subaccount not in (None, caller.subaccount) or (wallet is not None and str(wallet).lower() != caller.wallet):
        raise DeriveRefused(14020, "The X-DeriveWallet header does not match the requested subaccount_id or wallet")


def _page(
    params: Params, name: str, rows: Sequence[Row], time: str, first: str = "from", last: str = "to"
) -> dict[str, object]:
    """A page of rows, newest first, of those between two times."""

    def whole(key: str, least: int, default: int) -> int:
        value = params.get(key)
        if value is not None and (not isinstance(value, int) or value < least):
            raise invalid(f"{key} must be an integer of at least {least}")
        return default if value is None else value

    start, end = whole(f"{first}_timestamp", 0, 0), whole(f"{last}_timestamp", 0, _FOREVER_S * 1000)
    chosen = [row for row in reversed(rows) if start <= int(str(row[time])) <= end]
    size, page = min(_MOST, whole("page_size", 1, _PAGE)), whole("page", 1, 1)
    shown = chosen[(page - 1) * size : page * size]
    return {name: shown, "pagination": {"num_pages": max(1, -(-len(chosen) // size)), "count": len(chosen)}}
