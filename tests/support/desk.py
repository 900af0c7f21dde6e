"""A simulated Binance with accounts, for tests of what trades through the settings."""

from __future__ import annotations

from decimal import Decimal

from tests.support.sim import Sim

SCENARIO = """
seed = 1
[venues.binance]
symbols = ["BTC/USDT", "ETH/USDT"]
[venues.binance.accounts.main]
[venues.binance.accounts.rich]
keys = [{key = "sim-rich-key", secret = "sim-rich-secret", withdraw = true}]
[venues.binance.accounts.reader]
keys = [{key = "sim-reader-key", secret = "sim-reader-secret", trade = false}]
"""


def addresses(sim: Sim) -> dict[str, str]:
    """The variables that point trading at the simulated venues."""
    return {
        f"XETRADE_VENUES__{venue.upper()}__{kind.upper()}_URL": getattr(sim.url(venue), kind)
        for venue in sim.venues
        for kind in ("rest", "ws")
    }


def open_ids(sim: Sim, venue: str = "binance", account: str = "main") -> list[str]:
    """The client ids of what is open on the venue, by its own word."""
    found = sim.account(venue, account)
    return [order["client_id"] for order in found["orders"] if order["order_id"] in found["open_orders"]]


def all_ids(sim: Sim, venue: str = "binance", account: str = "main") -> list[str]:
    """The client ids of everything that the venue ever took, each as often as it was taken."""
    return [order["client_id"] for order in sim.account(venue, account)["orders"]]


#: two venues that the same pair is traded on
CROSS_SCENARIO = """
seed = 1
[venues.binance]
symbols = ["BTC/USDT"]
[venues.binance.accounts.main]
[venues.okx]
symbols = ["BTC/USDT", "BTC/USDT:USDT"]
[venues.okx.accounts.main]
"""


def traded(sim: Sim, venue: str, symbol: str = "BTC/USDT", account: str = "main") -> Decimal:
    """What the account has bought less what it has sold, in the venue's unit and by its own trades."""
    fills = [one for one in sim.account(venue, account)["fills"] if one["symbol"] == symbol]
    return sum((Decimal(one["amount"]) * (1 if one["side"] == "buy" else -1) for one in fills), Decimal(0))
