"""The limits that risk holds orders to, as values: what is limited, for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from xetrade_core.errors import ConfigError
from xetrade_core.venues.venue import RateRule

#: what limits and armings count money in
CURRENCY = "USD"
IN_MONEY = frozenset({"max_order_notional", "max_open_notional", "max_exposure", "max_daily_loss"})
#: in units of an instrument's lot
IN_LOTS = frozenset({"max_order_amount", "max_position"})


class ScopeKind(StrEnum):
    """Whom a limit concerns."""

    PORTFOLIO = "portfolio"
    VENUE = "venue"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    SYMBOL = "symbol"  # one instrument of one venue, all accounts together
    HELD = "held"  # one instrument in one account; nothing is limited there, but exits are measured by it


class Scope(NamedTuple):
    """`key`: empty for the portfolio, `binance`, `binance/main`, the strategy's name, `binance BTC/USDT`."""

    kind: ScopeKind
    key: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.key}".rstrip()


@lru_cache(maxsize=4096)
def scopes_of(venue: str, account: str, symbol: str, strategy: str) -> tuple[Scope, ...]:
    """Every scope that an order of that line counts in."""
    found = (
        Scope(ScopeKind.PORTFOLIO, ""),
        Scope(ScopeKind.VENUE, venue),
        Scope(ScopeKind.ACCOUNT, f"{venue}/{account}"),
        Scope(ScopeKind.SYMBOL, f"{venue} {symbol}"),
        Scope(ScopeKind.HELD, f"{venue}/{account} {symbol}"),
    )
    return (*found, Scope(ScopeKind.STRATEGY, strategy)) if strategy else found


@dataclass(frozen=True, slots=True)
class Limits:
    """What one scope may do; None limits nothing. Money is in the accounting currency, amounts in units of the lot.

    Orders that may be on the venue (in flight, unknown, queued) count as open. `max_position` is the largest absolute
    net amount of an instrument if every open order of one side filled; it can be set for symbols only.
    `max_exposure` is the worst case of positions and open orders, in value, without netting between instruments.
    `price_band` is a fraction: a buy may be priced at most that far above the mark, a sell that far below.
    `max_daily_loss`: realized since 00:00 UTC plus unrealized; beyond it only exits pass.
    """

    max_order_amount: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_open_orders: int | None = None
    max_open_notional: Decimal | None = None
    max_position: Decimal | None = None
    max_exposure: Decimal | None = None
    order_rate: RateRule | None = None
    price_band: Decimal | None = None
    max_daily_loss: Decimal | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, (int, Decimal)) and not (Decimal(value).is_finite() and value >= 0):
                raise ConfigError.of(one.name, value, "a limit is zero or more")


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits by scope. The key `*` holds for each scope of its kind that has none of its own."""

    by_scope: Mapping[Scope, Limits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for scope, limits in self.by_scope.items():
            if limits.max_position is not None and scope.kind is not ScopeKind.SYMBOL:
                raise ConfigError.of(
                    f"max_position of {scope}", f"{limits.max_position:f}", "only symbols have a position"
                )
            if scope.kind is ScopeKind.HELD:
                raise ConfigError.of("scope", str(scope), "limit the account or the symbol")

    def of(self, scopes: Iterable[Scope]) -> Iterator[tuple[Scope, Limits]]:
        """Those of the scopes that are limited, with their limits."""
        for scope in scopes:
            limits = self.by_scope.get(scope) or self.by_scope.get(Scope(scope.kind, "*"))
            if limits is not None:
                yield scope, limits

    @property
    def longest_window_s(self) -> float:
        """How far back orders must be counted for the rates."""
        return max((one.order_rate.window_s for one in self.by_scope.values() if one.order_rate), default=0.0)
