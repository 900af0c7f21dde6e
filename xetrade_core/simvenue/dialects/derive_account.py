"""Collaterals, positions and margins of a Derive subaccount, as JSON.

Shapes: docs.derive.xyz, "private/get_subaccount".
"""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, PositionSide
from xetrade_core.simvenue.desk.margin import Bound, bound, dollars, liquidation_price, margin, mark_price
from xetrade_core.simvenue.dialects.derive_listings import kind_of
from xetrade_core.simvenue.dialects.derive_replies import Row
from xetrade_core.simvenue.dialects.numbers import plain
from xetrade_core.simvenue.market import Market

CASH = "USDC"
_TWELVE = Decimal("0.000000000001")


def _money(value: Decimal) -> str:
    return plain(value.quantize(_TWELVE))


class DeriveAccount:
    """What the endpoints and events about one subaccount say. Spot orders bind cash as margin does."""

    def __init__(self, desk: Desk, account: Account, subaccount: int) -> None:
        self._desk, self._account, self._subaccount = desk, account, subaccount
        self._orders = desk.open_orders(account)

    def collaterals(self) -> list[Row]:
        """What is held of each currency."""
        return [self._collateral(one) for one in self._account.ledger.currencies]

    def _collateral(self, currency: str) -> Row:
        price = dollars(self._desk.markets, currency)
        amount = self._account.ledger.total(currency)
        counted = _money(amount * price if currency == CASH else Decimal(0))
        return {
            "asset_type": "erc20",
            "asset_name": currency,
            "amount": plain(amount),
            "average_price": "0",
            "average_price_excl_fees": "0",
            "mark_price": _money(price),
            "mark_value": _money(amount * price),
            "amount_step": "0",
            "currency": currency,
            "creation_timestamp": 0,
            "cumulative_interest": "0",
            "pending_interest": "0",
            "initial_margin": counted,
            "maintenance_margin": counted,
            "open_orders_margin": _money(-self._account.ledger.locked(currency) * price),
            "realized_pnl": "0",
            "realized_pnl_excl_fees": "0",
            "total_fees": "0",
            "unrealized_pnl": "0",
            "unrealized_pnl_excl_fees": "0",
            "delta_currency": currency,
            "delta": "1",
        }

    def positions(self) -> list[Row]:
        """A row for each position that is held."""
        bounds = bound(self._account, self._desk.markets, self._orders)
        return [
            self._position(market, bounds.get((market.symbol, PositionSide.NET), Bound()))
            for market in self._desk.markets.values()
            if kind_of(market.listing) != "erc20" and self._account.position(market, PositionSide.NET).quantity
        ]

    def _position(self, market: Market, held: Bound) -> Row:
        position = self._account.position(market, PositionSide.NET)
        entry = _money(position.entry or Decimal(0))
        mark = plain(mark_price(market))
        liquidation = liquidation_price(self._account, self._desk.markets, self._orders, market)
        return {
            "instrument_type": kind_of(market.listing),
            "instrument_name": market.venue_id,
            "amount": plain(position.quantity),
            "average_price": entry,
            "average_price_excl_fees": entry,
            "mark_price": mark,
            "index_price": mark,
            "mark_value": _money(held.unrealized),
            "amount_step": plain(market.listing.instrument.lot),
            "creation_timestamp": 0,
            "cumulative_funding": "0",
            "pending_funding": "0",
            "net_settlements": "0",
            "initial_margin": _money(-held.position_initial),
            "maintenance_margin": _money(-held.maintenance),
            "open_orders_margin": _money(held.position_initial - held.initial),
            "realized_pnl": _money(position.realized),
            "realized_pnl_excl_fees": _money(position.realized),
            "total_fees": "0",
            "unrealized_pnl": _money(held.unrealized),
            "unrealized_pnl_excl_fees": _money(held.unrealized),
            "delta": "1",
            "gamma": "0",
            "vega": "0",
            "theta": "0",
            "leverage": str(held.leverage),
            "liquidation_price": None if liquidation is None else _money(liquidation),
        }

    def subaccount(self, open_orders: list[Row]) -> Row:
        """The row of get_subaccount, and of get_all_portfolios."""
        held = margin(self._account, self._desk.markets, self._orders, CASH)
        collaterals = self.collaterals()
        locked = self._account.ledger.locked(CASH)
        cash = _money(held.wallet)
        initial, maintenance = -held.position_initial, -held.maintenance
        return {
            "subaccount_id": self._subaccount,
            "failed_to_fetch": False,
            "manager_id": 1,
            "risk_universe_id": 1,
            "label": self._account.name,
            "currency": [row["currency"] for row in collaterals],
            "margin_type": "SM",
            "is_under_liquidation": False,
            "positions_value": _money(held.unrealized),
            "collaterals_value": cash,
            "subaccount_value": _money(held.equity),
            "mm_credits": "0",
            "positions_maintenance_margin": _money(maintenance),
            "positions_initial_margin": _money(initial),
            "collaterals_maintenance_margin": cash,
            "collaterals_initial_margin": cash,
            "maintenance_margin": _money(held.wallet + maintenance),
            "initial_margin": _money(held.wallet + initial),
            "open_orders_margin": _money(held.position_initial - held.initial - locked),
            "projected_margin_change": "0",
            "open_orders": open_orders,
            "positions": self.positions(),
            "collaterals": collaterals,
            "vault_deposit_holds": [],
        }

    def fundings(self, market: Market | None) -> list[Row]:
        """What was paid (negative) and received, oldest first."""
        return [
            {
                "funding": plain(entry.amount),
                "instrument_name": self._desk.markets[entry.symbol or ""].venue_id,
                "pnl": "0",
                "subaccount_id": self._subaccount,
                "timestamp": entry.time_ns // NS_PER_MS,
                "batch_uuid": str(entry.entry_id),
                "batch_status": "Settled",
                "tx_hash": "",
            }
            for entry in self._account.ledger.journal
            if entry.kind == "funding" and (market is None or entry.symbol == market.symbol)
        ]
