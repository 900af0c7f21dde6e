"""The limits of the settings as risk takes them."""

from __future__ import annotations

from xetrade_core.errors import ConfigError
from xetrade_core.settings import Settings
from xetrade_core.settings_trading import RATE, LimitSettings
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.venues.venue import RateRule


def risk_limits(settings: Settings) -> RiskLimits:
    """What orders are held to. Raises ConfigError, which names every scope that cannot be."""
    by_scope: dict[Scope, Limits] = {}
    problems: list[str] = []
    for name, own in settings.limits.items():
        try:
            by_scope |= RiskLimits({scope_of(name): _limits(own)}).by_scope
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("; ".join(problems))
    return RiskLimits(by_scope)


def scope_of(name: str) -> Scope:
    """`portfolio`, `venue binance`, `account binance/main`, `strategy maker`, `symbol binance BTC/USDT`; or `venue *`.

    Raises ConfigError.
    """
    kind, _, key = name.partition(" ")
    scope = Scope(ScopeKind(kind), key)
    shapes = {ScopeKind.ACCOUNT: "/", ScopeKind.SYMBOL: " "}
    if (between := shapes.get(scope.kind)) and key != "*" and between not in key:
        raise ConfigError(f"limits.{name!r} names no {kind}: it is written like '{_EXAMPLES[scope.kind]}'")
    return scope


_EXAMPLES = {ScopeKind.ACCOUNT: "account binance/main", ScopeKind.SYMBOL: "symbol binance BTC/USDT"}


def _limits(own: LimitSettings) -> Limits:
    rate = RATE.fullmatch(own.order_rate) if own.order_rate is not None else None
    return Limits(
        max_order_amount=own.max_order_amount,
        max_order_notional=own.max_order_notional,
        max_open_orders=own.max_open_orders,
        max_open_notional=own.max_open_notional,
        max_position=own.max_position,
        max_exposure=own.max_exposure,
        order_rate=None if rate is None else RateRule(int(rate[1]), float(rate[2])),
        price_band=own.price_band,
        max_daily_loss=own.max_daily_loss,
    )
