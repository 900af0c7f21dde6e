"""What a contract pays: its style, its multiplier and its currencies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.positions.numbers import N
from xetrade_core.symbols.parts import Style, SymbolParts

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Payout:
    """How one unit of quantity (a coin on spot, a contract otherwise) turns prices into profit.

    | style | profit of q units from entry to exit, in settlement currency | `multiplier` |
    |---|---|---|
    | spot | q x (exit - entry) x multiplier | 1 |
    | linear | q x (exit - entry) x multiplier | base currency per contract |
    | inverse | q x (1 / entry - 1 / exit) x multiplier | quote currency per contract |
    | quanto | q x (exit - entry) x multiplier | settlement currency per contract and unit of price |

    Currencies may be empty where they are not known. Sources: docs/positions.md.
    """

    style: Style
    multiplier: Decimal = ONE
    base: str = ""
    quote: str = ""
    settle: str = ""

    @classmethod
    def of_symbol(cls, symbol: str, multiplier: Decimal = ONE) -> Payout:
        """From a universal symbol such as `BTC/USD:BTC`; raises UnknownSymbol."""
        return cls.of_parts(SymbolParts.parse(symbol, "any venue"), multiplier)

    @classmethod
    def of_parts(cls, parts: SymbolParts, multiplier: Decimal = ONE) -> Payout:
        """An option that settles in its base currency is priced in it too, and so pays as a linear contract does."""
        if parts.strike is not None and parts.settle == parts.base:
            return cls(Style.LINEAR, multiplier, parts.base, parts.base, parts.base)
        return cls(parts.style, multiplier, parts.base, parts.quote, parts.settle or parts.quote)

    @property
    def inverse(self) -> bool:
        """Whether the worth of a contract goes with the reciprocal of the price."""
        return self.style is Style.INVERSE

    def worth(self, price: N) -> N:
        """What one unit times 1 / multiplier is worth at `price`, in settlement currency."""
        return 1 / price if self.style is Style.INVERSE else price

    def notional(self, quantity: N, price: N) -> N:
        """What `quantity` is worth at `price`, in settlement currency; with its sign."""
        return quantity * type(price)(self.multiplier) * self.worth(price)

    def in_settlement(self, amount: N, currency: str, price: N) -> N | None:
        """`amount` of a currency in settlement currency at the instrument's own `price`; None if that does not tell.

        The price of a quanto contract says nothing about its settlement currency.
        """
        if currency == self.settle:
            return amount
        if self.style is Style.INVERSE:
            return amount / price if currency == self.quote and self.settle == self.base else None
        return amount * price if currency == self.base and self.settle == self.quote else None
