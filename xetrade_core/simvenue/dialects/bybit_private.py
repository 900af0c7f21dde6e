"""The private side of Bybit v5: signed REST calls of a unified account, for spot and contracts alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from xetrade_core.simvenue.desk import Account, ApiKey, Desk, DeskOrder, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Handler, Reply, Request
from xetrade_core.simvenue.dialects.bybit_account import UnifiedAccount
from xetrade_core.simvenue.dialects.bybit_dead_man import DeadManSwitches
from xetrade_core.simvenue.dialects.bybit_listings import category_of
from xetrade_core.simvenue.dialects.bybit_orders import (
    Row,
    codes_of,
    execution_row,
    funding_row,
    named,
    order_row,
    ticket_of,
)
from xetrade_core.simvenue.dialects.bybit_pages import of_a_week, page, whole
from xetrade_core.simvenue.dialects.bybit_replies import BybitRefused, answered, refused
from xetrade_core.simvenue.dialects.bybit_signed import authenticate
from xetrade_core.simvenue.dialects.numbers import number_of
from xetrade_core.simvenue.market import Market

_CLOSED_KEPT = 500  # of what has ended, order/realtime still knows so many
_MOST_LEVERAGE = Decimal(100)

SignedCall = Callable[[Account, Request], object]


class BybitPrivate:
    """Signed calls over a desk; `by_category` are the markets by category and venue id."""

    def __init__(self, desk: Desk, by_category: Mapping[str, Mapping[str, Market]], switches: DeadManSwitches) -> None:
        self._desk, self._by_category, self._switches = desk, by_category, switches

    @property
    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """The signed endpoints."""
        return {
            ("POST", "/v5/order/create"): self._signed(self._create, trades=True),
            ("POST", "/v5/order/amend"): self._signed(self._amend, trades=True),
            ("POST", "/v5/order/cancel"): self._signed(self._cancel, trades=True),
            ("POST", "/v5/order/cancel-all"): self._signed(self._cancel_all, trades=True),
            ("POST", "/v5/order/disconnected-cancel-all"): self._signed(self._set_window, trades=True),
            ("GET", "/v5/order/realtime"): self._signed(self._realtime),
            ("GET", "/v5/order/history"): self._signed(self._history),
            ("GET", "/v5/execution/list"): self._signed(self._executions),
            ("GET", "/v5/position/list"): self._signed(self._positions),
            ("POST", "/v5/position/set-leverage"): self._signed(self._set_leverage, trades=True),
            ("POST", "/v5/position/switch-mode"): self._signed(self._switch_mode, trades=True),
            ("GET", "/v5/account/wallet-balance"): self._signed(self._wallet),
            ("GET", "/v5/account/info"): self._signed(self._info),
            ("GET", "/v5/account/fee-rate"): self._signed(self._fees),
            ("GET", "/v5/account/query-dcp-info"): self._signed(lambda account, _: self._switches.described(account)),
            ("GET", "/v5/user/query-api"): self._query_api,
            ("GET", "/v5/asset/coin/query-info"): self._signed(lambda account, request: {"rows": []}),
        }

    def _signed(self, call: SignedCall, *, trades: bool = False) -> Handler:
        def handle(request: Request) -> Reply:
            try:
                account, _ = authenticate(self._desk, request, trades=trades)
                return answered(request, call(account, request))
            except DeskRefusal as refusal:
                return refused(request, *codes_of(request.query.get("category", ""))[refusal.kind])
            except BybitRefused as refusal:
                return refused(request, refusal.code, refusal.message)

        return handle

    # --- what a call is about ---------------------------------------------------------------------------------------

    def _category(self, fields: Mapping[str, str]) -> Mapping[str, Market]:
        listed = self._by_category.get(fields.get("category", ""))
        if listed is None:
            raise BybitRefused(10001, "params error: Category is invalid")
        return listed

    def _market(self, fields: Mapping[str, str]) -> Market:
        market = self._category(fields).get(fields.get("symbol", ""))
        if market is None:
            raise DeskRefusal(RefusalKind.UNKNOWN_SYMBOL)
        return market

    def _chosen(self, fields: Mapping[str, str]) -> list[Market]:
        """The markets of a symbol, a base or a settlement coin; linear contracts need one of these."""
        listed = self._category(fields)
        if fields.get("symbol"):
            return [self._market(fields)]
        base, settle = fields.get("baseCoin"), fields.get("settleCoin")
        if not base and not settle and fields.get("category") == "linear":
            raise BybitRefused(10001, "params error: symbol, settleCoin or baseCoin is required")
        return [
            market
            for market in listed.values()
            if (not base or market.listing.base == base) and (not settle or market.listing.settle == settle)
        ]

    def _one(self, account: Account, fields: Mapping[str, str]) -> DeskOrder:
        """The order that a call names by either of its ids; the venue's own goes first."""
        market = self._market(fields)
        order = self._known(account, fields)
        if order is None or order.market is not market:
            raise DeskRefusal(RefusalKind.UNKNOWN_ORDER)
        return order

    def _known(self, account: Account, fields: Mapping[str, str]) -> DeskOrder | None:
        """The order that a call names; None if there is no such order."""
        order_id, client_id = fields.get("orderId"), fields.get("orderLinkId")
        if not order_id and not client_id:
            raise BybitRefused(10001, "params error: orderId or orderLinkId is required")
        try:
            if order_id:
                return self._desk.by_id(account, int(order_id) if order_id.isdigit() else 0)
            return self._desk.by_client_id(account, client_id or "")
        except DeskRefusal:
            return None

    # --- orders -----------------------------------------------------------------------------------------------------

    def _create(self, account: Account, request: Request) -> object:
        market = self._market(request.query)
        return named(self._desk.place(account, ticket_of(account, market, request.query)))

    def _amend(self, account: Account, request: Request) -> object:
        fields = request.query
        order = self._one(account, fields)
        price = number_of(fields, "price", RefusalKind.BAD_PRICE) if "price" in fields else None
        amount = number_of(fields, "qty", RefusalKind.BAD_AMOUNT) if "qty" in fields else None
        if price in (None, order.ticket.price) and amount in (None, order.amount):
            raise BybitRefused(10001, "The order remains unchanged as the parameters entered match the existing ones.")
        return named(self._desk.amend(account, order, price, amount))

    def _cancel(self, account: Account, request: Request) -> object:
        return named(self._desk.cancel(account, self._one(account, request.query)))

    def _cancel_all(self, account: Account, request: Request) -> object:
        """Of spot all at once; any contracts need a symbol, a base or a settlement coin."""
        fields = request.query
        if fields.get("category") == "inverse" and not any(map(fields.get, ("symbol", "baseCoin", "settleCoin"))):
            raise BybitRefused(10001, "params error: symbol, settleCoin or baseCoin is required")
        markets = self._chosen(fields)
        ended = [order for market in markets for order in self._desk.cancel_all(account, market.symbol)]
        return {"list": [named(order) for order in ended], "success": "1"}

    def _realtime(self, account: Account, request: Request) -> object:
        """Open orders; by an id also what has ended of late."""
        fields = request.query
        if fields.get("orderId") or fields.get("orderLinkId"):
            self._category(fields)
            order = self._known(account, fields)
            rows = [order] if order is not None and self._recent(account, order) else []
        else:
            symbols = {market.symbol for market in self._chosen(fields)}
            rows = [order for order in self._desk.open_orders(account) if order.market.symbol in symbols]
        return self._listed(fields, self._of_category(fields, rows)[::-1], 20)

    def _recent(self, account: Account, order: DeskOrder) -> bool:
        return order.state.resting or order in self._desk.history(account)[-_CLOSED_KEPT:]

    def _history(self, account: Account, request: Request) -> object:
        """What has ended."""
        fields = request.query
        self._category(fields)
        by_id = bool(fields.get("orderId") or fields.get("orderLinkId"))
        if by_id:
            order = self._known(account, fields)
            known = [] if order is None else [order]
        else:
            symbol = self._market(fields).symbol if fields.get("symbol") else None
            known = self._desk.history(account, symbol)
        ended = [order for order in self._of_category(fields, known) if not order.state.resting]
        rows = of_a_week(fields, ended, lambda order: order.created_ns, request.now_ms, named=by_id)
        wanted = fields.get("orderStatus")
        return self._listed(fields, [row for row in rows if wanted in (None, order_row(row)["orderStatus"])], 20)

    @staticmethod
    def _of_category(fields: Mapping[str, str], orders: list[DeskOrder]) -> list[DeskOrder]:
        return [order for order in orders if category_of(order.market.listing) == fields["category"]]

    @staticmethod
    def _listed(fields: Mapping[str, str], orders: list[DeskOrder], usual: int) -> Row:
        rows, following = page(fields, orders, usual, 50)
        return {"category": fields["category"], "list": [order_row(row) for row in rows], "nextPageCursor": following}

    def _executions(self, account: Account, request: Request) -> object:
        fields = request.query
        listed = self._category(fields)
        symbol = self._market(fields).symbol if fields.get("symbol") else None
        symbols = {market.symbol for market in listed.values() if symbol in (None, market.symbol)}
        rows: list[tuple[int, Row]] = []
        if fields.get("execType", "Trade") == "Trade":
            order_id, client_id = whole(fields, "orderId"), fields.get("orderLinkId")
            rows += [
                (fill.time_ns, execution_row(self._desk.orders[fill.order_id], fill))
                for fill in self._desk.fills(account)
                if fill.symbol in symbols
                and order_id in (None, fill.order_id)
                and client_id in (None, "", fill.client_id)
            ]
        if fields.get("execType", "Funding") == "Funding":
            rows += [
                (entry.time_ns, funding_row(self._desk.markets[entry.symbol], entry))
                for entry in account.ledger.journal
                if entry.kind == "funding" and entry.symbol in symbols
            ]
        rows.sort(key=lambda row: row[0])
        by_id = bool(fields.get("orderId") or fields.get("orderLinkId"))
        chosen = of_a_week(fields, rows, lambda row: row[0], request.now_ms, named=by_id)
        shown, following = page(fields, chosen, 50, 100)
        return {"category": fields["category"], "list": [row for _, row in shown], "nextPageCursor": following}

    # --- the account ------------------------------------------------------------------------------------------------

    def _positions(self, account: Account, request: Request) -> object:
        fields = request.query
        rows = UnifiedAccount(self._desk, account).positions(self._chosen(fields), empty_too="symbol" in fields)
        shown, following = page(fields, rows, 20, 200)
        return {"category": fields["category"], "list": shown, "nextPageCursor": following}

    def _wallet(self, account: Account, request: Request) -> object:
        if request.query.get("accountType") != "UNIFIED":
            raise BybitRefused(10001, "accountType only support UNIFIED.")
        coins = [one for one in request.query.get("coin", "").split(",") if one]
        return {"list": [UnifiedAccount(self._desk, account).wallet(coins or None)]}

    def _set_leverage(self, account: Account, request: Request) -> object:
        market = self._market(request.query)
        buy = number_of(request.query, "buyLeverage", RefusalKind.BAD_AMOUNT)
        if not 1 <= buy <= _MOST_LEVERAGE or buy != buy.to_integral_value():
            raise BybitRefused(110013, "cannot set leverage due to risk limit level")
        if buy == account.leverage_of(market.symbol):
            raise BybitRefused(110043, "leverage not modified")
        account.set_leverage(market.symbol, int(buy))
        return {}

    def _switch_mode(self, account: Account, request: Request) -> object:
        self._category(request.query)
        hedged = request.query.get("mode") == "3"
        if hedged is account.hedged:
            raise BybitRefused(110025, "Position mode has not been modified")
        if self._desk.open_orders(account):
            raise BybitRefused(110028, "There are existing open orders, so you cannot switch position mode")
        if any(position.quantity for position in account.positions.values()):
            raise BybitRefused(110024, "You have an existing position, so the position mode cannot be switched")
        account.hedged = hedged
        return {}

    def _set_window(self, account: Account, request: Request) -> object:
        window, product = whole(request.query, "timeWindow"), request.query.get("product", "OPTIONS")
        self._switches.set(account, product, window)
        return {}

    def _info(self, account: Account, request: Request) -> object:
        return {
            "unifiedMarginStatus": 6,
            "marginMode": "REGULAR_MARGIN",
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
            "updatedTime": str(request.now_ms),
        }

    def _fees(self, account: Account, request: Request) -> object:
        rules = self._desk.rules
        rates = {"takerFeeRate": str(rules.taker_fee), "makerFeeRate": str(rules.maker_fee)}
        return {"list": [{"symbol": market.venue_id, **rates} for market in self._chosen(request.query)]}

    def _query_api(self, request: Request) -> Reply:
        """What the key may do; any key may ask."""
        try:
            account, issued = authenticate(self._desk, request, trades=False)
        except BybitRefused as refusal:
            return refused(request, refusal.code, refusal.message)
        return answered(request, _described(account, issued))


def _described(account: Account, issued: ApiKey) -> Row:
    wallet = ["AccountTransfer", "SubMemberTransferList", "Withdraw"] if issued.withdraw else []
    return {
        "id": "1",
        "note": account.name,
        "apiKey": issued.key,
        "readOnly": 0 if issued.trade else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if issued.trade else [],
            "Spot": ["SpotTrade"] if issued.trade else [],
            "Wallet": wallet,
            "Options": [],
            "Derivatives": [],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": [],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
        },
        "ips": ["127.0.0.1"] if issued.ip_restricted else ["*"],
        "type": 1,
        "deadlineDay": -2,
        "expiredAt": "1970-01-01T00:00:00Z",
        "createdAt": "2024-01-01T00:00:00Z",
        "unified": 0,
        "uta": 1,
        "userID": 1,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
    }
