"""What one unit of a book's size is worth: a coin on a spot market, a contract on any other."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from xetrade_core.model.decimals import plain


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of `size` base currency, or of `size` quote currency where it is inverse. Spot: size 1, not inverse.

    A linear contract's notional moves with the price, an inverse one's is fixed: 1 BTC/USD:BTC of Binance is 100 USD
    at any price.
    """

    size: Decimal = Decimal(1)
    inverse: bool = False

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, symbol: str, size: Decimal = Decimal(1)) -> Contract:
        """From a universal symbol: a contract that settles in its base is inverse, unless it is an option.

        An option that settles in its base is counted in base currency, and its price is in base currency too.
        """
        pair, _, settlement = symbol.partition(":")
        settle, *terms = settlement.split("-")  # expiry, and for options strike and side
        return cls(size, bool(settle) and settle == pair.split("/")[0] and len(terms) < 2)

    @staticmethod
    @lru_cache(maxsize=4096)
    def currencies(symbol: str) -> tuple[str, str]:
        """Base currency, and the one that prices are in: the base again for an option that settles in it."""
        pair, _, settlement = symbol.partition(":")
        base, _, quote = pair.partition("/")
        settle, *terms = settlement.split("-")
        return base, base if settle == base and len(terms) > 1 else quote

    @staticmethod
    @lru_cache(maxsize=4096)
    def written_at(symbol: str) -> Decimal:
        """What whoever sells one of an option answers for, in the currency of its price, beyond the premium: the
        strike, or the whole underlying where the price is in that. Zero for everything else."""
        base, priced_in = Contract.currencies(symbol)
        _, *terms = symbol.partition(":")[2].split("-")
        if len(terms) < 2:
            return Decimal(0)
        return Decimal(1) if priced_in == base else Decimal(terms[1])

    def unit(self, symbol: str) -> str:
        """What sizes of `symbol` count, in words: `BTC`, `contracts of 0.001 BTC`, `contracts of 100 USD`, `USD`."""
        base, _, quote = symbol.partition(":")[0].partition("/")
        currency = quote if self.inverse else base
        return currency if self.size == 1 else f"contracts of {plain(self.size)} {currency}"

    def base(self, price: float, size: float) -> float:
        """What `size` is in base currency at `price`."""
        return size * float(self.size) / price if self.inverse else size * float(self.size)


SPOT = Contract()
