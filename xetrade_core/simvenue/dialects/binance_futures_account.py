"""Balances, positions, leverage and income of Binance's futures, as JSON. Cross margin, one asset at a time.

Shapes: developers.binance.com, "Derivatives Trading", USD-M (V3 and V2) and COIN-M, "Account" and "User Data Streams".
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, LedgerChanged, PositionChanged, PositionSide
from xetrade_core.simvenue.desk.ledger import Entry
from xetrade_core.simvenue.desk.margin import (
    MAINTENANCE,
    Bound,
    Margin,
    bound,
    liquidation_price,
    margin,
    mark_price,
    settle_of,
)
from xetrade_core.simvenue.desk.position import Position
from xetrade_core.simvenue.dialects.binance_futures_orders import Style, eight, side_name, size_text
from xetrade_core.simvenue.market import Market

MOST_LEVERAGE = 125
_CAP = "1000000000"
_INCOME = {"funding": "FUNDING_FEE", "pnl": "REALIZED_PNL", "fee": "COMMISSION", "deposit": "TRANSFER"}
_ZERO = Decimal(0)

Row = dict[str, object]


class FuturesAccount:
    """What the endpoints and events about one account say."""

    def __init__(self, desk: Desk, style: Style, account: Account) -> None:
        self._desk, self._style, self._account = desk, style, account
        self._orders = desk.open_orders(account)

    def _margin(self, currency: str) -> Margin:
        return margin(self._account, self._desk.markets, self._orders, currency)

    def _bound(self) -> dict[tuple[str, PositionSide], Bound]:
        return bound(self._account, self._desk.markets, self._orders)

    def _liquidation(self, market: Market) -> Decimal:
        """0 is how the venue says that there is none."""
        return liquidation_price(self._account, self._desk.markets, self._orders, market) or _ZERO

    def _held(self, market: Market) -> list[PositionSide]:
        return [PositionSide.LONG, PositionSide.SHORT] if self._account.hedged else [PositionSide.NET]

    # --- money ------------------------------------------------------------------------------------------------------

    def assets(self, now_ms: int) -> list[Row]:
        """Rows of `assets` in the account."""
        return [self._asset(currency, now_ms) for currency in self._account.ledger.currencies]

    def _asset(self, currency: str, now_ms: int) -> Row:
        held = self._margin(currency)
        return {
            "asset": currency,
            "walletBalance": eight(held.wallet),
            "unrealizedProfit": eight(held.unrealized),
            "marginBalance": eight(held.equity),
            "maintMargin": eight(held.maintenance),
            "initialMargin": eight(held.initial),
            "positionInitialMargin": eight(held.position_initial),
            "openOrderInitialMargin": eight(held.initial - held.position_initial),
            "crossWalletBalance": eight(held.wallet),
            "crossUnPnl": eight(held.unrealized),
            "availableBalance": eight(held.free),
            "maxWithdrawAmount": eight(held.free),
            "marginAvailable": True,
            "updateTime": now_ms,
        }

    def balances(self, now_ms: int) -> list[Row]:
        """Rows of `balance`."""
        rows = []
        for currency in self._account.ledger.currencies:
            held = self._margin(currency)
            rows.append(
                {
                    "accountAlias": "sim",
                    "asset": currency,
                    "balance": eight(held.wallet),
                    "crossWalletBalance": eight(held.wallet),
                    "crossUnPnl": eight(held.unrealized),
                    "availableBalance": eight(held.free),
                    "withdrawAvailable": eight(held.free),
                    "maxWithdrawAmount": eight(held.free),
                    "marginAvailable": True,
                    "updateTime": now_ms,
                }
            )
        return rows

    def totals(self, currency: str) -> Row:
        """The totals of an account in its first currency."""
        held = self._margin(currency)
        return {
            "totalInitialMargin": eight(held.initial),
            "totalMaintMargin": eight(held.maintenance),
            "totalWalletBalance": eight(held.wallet),
            "totalUnrealizedProfit": eight(held.unrealized),
            "totalMarginBalance": eight(held.equity),
            "totalPositionInitialMargin": eight(held.position_initial),
            "totalOpenOrderInitialMargin": eight(held.initial - held.position_initial),
            "totalCrossWalletBalance": eight(held.wallet),
            "totalCrossUnPnl": eight(held.unrealized),
            "availableBalance": eight(held.free),
            "maxWithdrawAmount": eight(held.free),
        }

    # --- positions --------------------------------------------------------------------------------------------------

    def positions(self, markets: Iterable[Market], *, all_of_them: bool, now_ms: int) -> list[Row]:
        """A row for each position; of those without contracts and orders only if `all_of_them` are wanted."""
        bounds = self._bound()
        return [
            self._position(market, side, bounds.get((market.symbol, side), Bound()), now_ms)
            for market in markets
            for side in self._held(market)
            if all_of_them or (market.symbol, side) in bounds
        ]

    def _position(self, market: Market, side: PositionSide, held: Bound, now_ms: int) -> Row:
        position = self._account.position(market, side)
        notional = eight(held.notional)
        leverage = self._account.leverage_of(market.symbol)
        worth = {"notionalValue": notional, "maxQty": "9000"} if self._style.inverse else {"notional": notional}
        return {
            "symbol": market.venue_id,
            "positionSide": side_name(side),
            "positionAmt": size_text(market, position.quantity),
            "entryPrice": _entry(position),
            "breakEvenPrice": _entry(position),
            "markPrice": eight(mark_price(market)),
            "unRealizedProfit": eight(held.unrealized),
            "unrealizedProfit": eight(held.unrealized),
            "liquidationPrice": eight(self._liquidation(market) if position.quantity else _ZERO),
            "isolatedMargin": "0",
            "isolatedWallet": "0",
            **worth,
            "marginAsset": settle_of(market),
            "initialMargin": eight(held.initial),
            "maintMargin": eight(held.maintenance),
            "positionInitialMargin": eight(held.position_initial),
            "openOrderInitialMargin": eight(held.initial - held.position_initial),
            "adl": 0,
            "bidNotional": eight(held.bids),
            "askNotional": eight(held.asks),
            "leverage": str(leverage),
            "maxNotionalValue": _CAP,
            "marginType": "cross",
            "isolated": False,
            "isAutoAddMargin": "false",
            "updateTime": now_ms if position.quantity else 0,
        }

    # --- what happened ----------------------------------------------------------------------------------------------

    def income(self, by_symbol: dict[str, Market]) -> list[tuple[int, Row]]:
        """(time, row) of everything that was booked, oldest first."""
        return [(entry.time_ns, self._income_row(entry, by_symbol)) for entry in self._account.ledger.journal]

    def _income_row(self, entry: Entry, by_symbol: dict[str, Market]) -> Row:
        market = by_symbol.get(entry.symbol or "")
        traded = entry.kind in ("pnl", "fee")
        return {
            "symbol": market.venue_id if market else "",
            "incomeType": _INCOME[entry.kind],
            "income": eight(entry.amount),
            "asset": entry.currency,
            "info": entry.reference if traded else _INCOME[entry.kind],
            "time": entry.time_ns // NS_PER_MS,
            "tranId": entry.entry_id,
            "tradeId": entry.reference if traded else "",
        }

    def changed(self, event: LedgerChanged | PositionChanged) -> Row | None:
        """ACCOUNT_UPDATE. A trade is told once, with its position."""
        if isinstance(event, LedgerChanged):
            if event.reason == "trade":
                return None
            reason = "FUNDING_FEE" if event.reason == "funding" else "DEPOSIT"
            change = self._account.ledger.journal[-1].amount
            return self._update(event.time_ns, reason, event.currencies, change, [])
        market = self._desk.markets[event.symbol]
        return self._update(
            event.time_ns, "ORDER", (settle_of(market),), _ZERO, [self._position_event(market, event.position_side)]
        )

    def _update(
        self, time_ns: int, reason: str, currencies: tuple[str, ...], change: Decimal, positions: list[Row]
    ) -> Row:
        total = self._account.ledger.total
        money = [
            {"a": one, "wb": eight(total(one)), "cw": eight(total(one)), "bc": eight(change)} for one in currencies
        ]
        now_ms = time_ns // NS_PER_MS
        return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "a": {"m": reason, "B": money, "P": positions}}

    def _position_event(self, market: Market, side: PositionSide) -> Row:
        position = self._account.position(market, side)
        return {
            "s": market.venue_id,
            "pa": size_text(market, position.quantity),
            "ep": _entry(position),
            "bep": _entry(position),
            "cr": eight(position.realized),
            "up": eight(position.unrealized(mark_price(market))),
            "mt": "cross",
            "iw": "0",
            "ps": side_name(side),
            "ma": settle_of(market),
        }


def _entry(position: Position) -> str:
    return eight(position.entry or _ZERO)


def brackets(market: Market, *, inverse: bool) -> Row:
    """A row of leverageBracket: one bracket for all sizes."""
    cap, floor = ("qtyCap", "qtyFloor") if inverse else ("notionalCap", "notionalFloor")
    row = {
        "bracket": 1,
        "initialLeverage": MOST_LEVERAGE,
        cap: int(_CAP),
        floor: 0,
        "maintMarginRatio": float(MAINTENANCE),
        "cum": 0.0,
    }
    return {"symbol": market.venue_id, "notionalCoef": 1.0, "brackets": [row]}


def leverage_set(market: Market, leverage: int, *, inverse: bool) -> Row:
    """What changing the leverage answers."""
    most: Row = {"maxQty": "9000"} if inverse else {"maxNotionalValue": _CAP}
    return {"leverage": leverage, **most, "symbol": market.venue_id}
