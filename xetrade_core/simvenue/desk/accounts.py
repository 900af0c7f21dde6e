"""Accounts and keys of a simulated venue, from its configuration."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from xetrade_core.simvenue.desk.ledger import Ledger
from xetrade_core.simvenue.desk.position import Position
from xetrade_core.simvenue.desk.words import PositionSide
from xetrade_core.simvenue.market import Market

_DEPOSIT = {
    "USDT": Decimal(1_000_000),
    "USDC": Decimal(1_000_000),
    "USD": Decimal(1_000_000),
    "TWD": Decimal(30_000_000),
    "BTC": Decimal(20),
    "ETH": Decimal(400),
    "SOL": Decimal(5_000),
}


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as the venue issued it. Whoever runs a simulation knows them all: they open nothing real."""

    key: str
    secret: str
    passphrase: str = ""
    trade: bool = True
    withdraw: bool = False
    ip_restricted: bool = True


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account: `keys` None stands for one key whose three parts are `sim-<account>-key`, `-secret`, `-pass`."""

    keys: tuple[ApiKey, ...] | None = None
    balances: dict[str, Decimal] = msgspec.field(default_factory=lambda: dict(_DEPOSIT))
    leverage: Annotated[int, Meta(ge=1, le=125)] = 10
    hedged: bool = False

    def issued(self, account: str) -> tuple[ApiKey, ...]:
        """Its keys."""
        if self.keys is not None:
            return self.keys
        return (ApiKey(f"sim-{account}-key", f"sim-{account}-secret", f"sim-{account}-pass"),)


class Account:
    """Money and positions of one account."""

    def __init__(self, name: str, config: AccountConfig, time_ns: int) -> None:
        self.name = name
        self.keys = config.issued(name)
        self._leverage = config.leverage
        self._leverages: dict[str, int] = {}
        self.hedged = config.hedged
        self.ledger = Ledger()
        self.positions: dict[tuple[str, PositionSide], Position] = {}
        for currency, amount in config.balances.items():
            self.ledger.book(time_ns, "deposit", currency, amount)

    def leverage_of(self, symbol: str) -> int:
        """How much of a position's notional one unit of margin carries."""
        return self._leverages.get(symbol, self._leverage)

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change it for one symbol."""
        self._leverages[symbol] = leverage

    def position(self, market: Market, side: PositionSide) -> Position:
        """The position of that side, made when it is first asked for."""
        instrument = market.listing.instrument
        key = (market.symbol, side)
        if key not in self.positions:
            inverse = market.listing.settle == market.listing.base
            self.positions[key] = Position(instrument.contract_size, inverse)
        return self.positions[key]
