"""Balances and positions of a Deribit account, as JSON.

Simpler than the venue in two things: profits and fundings are settled as they are made, not at 08:00 UTC, so that the
`balance` holds them at once; and each currency is margin for its own contracts only.
Shapes: docs.deribit.com/api-reference, "Account management".
"""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.simvenue.desk import Account, Desk, PositionSide
from xetrade_core.simvenue.desk.margin import Bound, bound, liquidation_price, margin, mark_price
from xetrade_core.simvenue.dialects.deribit_listings import kind_of
from xetrade_core.simvenue.dialects.deribit_orders import Row
from xetrade_core.simvenue.market import Market

_EIGHT = Decimal("0.00000001")


def _money(value: Decimal) -> Decimal:
    return value.quantize(_EIGHT)


class DeribitAccount:
    """What the calls and events about one account say."""

    def __init__(self, desk: Desk, account: Account) -> None:
        self._desk, self._account = desk, account
        self._orders = desk.open_orders(account)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Every currency that the account ever held."""
        return self._account.ledger.currencies

    def summary(self, currency: str) -> Row:
        """The row of one currency: of get_account_summary and of the portfolio channel."""
        held = margin(self._account, self._desk.markets, self._orders, currency)
        locked = self._account.ledger.locked(currency)
        free = max(Decimal(0), held.equity - held.initial - locked)
        return {
            "total_pl": _money(held.unrealized),
            "session_upl": _money(held.unrealized),
            "session_rpl": Decimal(0),
            "spot_reserve": _money(locked),
            "projected_maintenance_margin": _money(held.maintenance),
            "projected_initial_margin": _money(held.initial),
            "portfolio_margining_enabled": False,
            "margin_model": "segregated_sm",
            "margin_balance": _money(held.equity),
            "maintenance_margin": _money(held.maintenance),
            "initial_margin": _money(held.initial),
            "futures_session_upl": _money(held.unrealized),
            "futures_session_rpl": Decimal(0),
            "futures_pl": _money(held.unrealized),
            "fee_balance": Decimal(0),
            "equity": _money(held.equity),
            "currency": currency,
            "cross_collateral_enabled": False,
            "balance": _money(held.wallet),
            "available_withdrawal_funds": _money(min(free, held.wallet)),
            "available_funds": _money(free),
        }

    def position(self, market: Market, held: Bound | None = None) -> Row:
        """One position, over REST and on the stream; `size` is negative for a short one."""
        if held is None:
            bounds = bound(self._account, self._desk.markets, self._orders)
            held = bounds.get((market.symbol, PositionSide.NET), Bound())
        position = self._account.position(market, PositionSide.NET)
        mark, size = mark_price(market), position.quantity
        liquidation = liquidation_price(self._account, self._desk.markets, self._orders, market)
        inverse = market.listing.settle == market.listing.base
        return {
            "total_profit_loss": _money(held.unrealized),
            "size_currency": _money(size / mark if inverse else size),
            "size": size,
            "settlement_price": mark,
            "realized_profit_loss": _money(position.realized),
            "realized_funding": Decimal(0),
            "open_orders_margin": _money(held.initial - held.position_initial),
            "mark_price": mark,
            "maintenance_margin": _money(held.maintenance),
            "leverage": self._account.leverage_of(market.symbol),
            "kind": kind_of(market.listing),
            "instrument_name": market.venue_id,
            "initial_margin": _money(held.position_initial),
            "index_price": mark,
            "floating_profit_loss": _money(held.unrealized),
            "estimated_liquidation_price": None if liquidation is None or not size else _money(liquidation),
            "direction": "buy" if size > 0 else "sell" if size < 0 else "zero",
            "delta": _money(size / mark if inverse else size),
            "average_price": Decimal(0) if position.entry is None else _money(position.entry),
        }

    def positions(self, currency: str, kind: str) -> list[Row]:
        """A row for each position that is held, of a currency and a kind or of `any`."""
        bounds = bound(self._account, self._desk.markets, self._orders)
        return [
            self.position(market, bounds.get((market.symbol, PositionSide.NET)))
            for market in self._desk.markets.values()
            if market.listing.settle is not None
            and currency in ("any", market.listing.settle)
            and kind in ("any", kind_of(market.listing))
            and self._account.position(market, PositionSide.NET).quantity
        ]
