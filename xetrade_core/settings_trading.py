"""Settings of trading: the order store, how far orders may go, accounts, limits.

An account's key comes from the environment (`XETRADE_ACCOUNTS__MAIN__API_KEY`), never from a file that is kept with the
code. What the words allow together is decided in `assembly/accounts.py`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from xetrade_core.settings_base import Names, Section

RATE = re.compile(r"(\d{1,6})/(\d+(?:\.\d+)?)s")
SCOPE = re.compile(r"portfolio|(?:venue|account|strategy|symbol) \S.*")
ACCOUNT_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
#: fields of an account that only the environment may give
KEY_FIELDS = ("api_key", "secret", "passphrase")


class TradingMode(StrEnum):
    """How far an order may go. A wider mode includes the narrower ones."""

    SIMULATED = "simulated"  # to venues on this machine (loopback), with the simulator's own keys
    PAPER = "paper"  # and to the venues' own testnets
    LIVE = "live"  # and, for accounts marked live, to the venues themselves


def _store(value: str) -> str:
    scheme, found, _ = value.partition("://")
    if found and scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        raise ValueError("a SQLite file, or a URL that begins with sqlite:// or postgresql://")
    if found and urlsplit(value).password is not None:
        raise ValueError("a URL without a password: give that as PGPASSWORD")
    return value


def _rate(value: str) -> str:
    match = RATE.fullmatch(value.replace(" ", ""))
    if match is None or not (int(match[1]) and float(match[2])):
        raise ValueError("orders in so many seconds, such as 10/1s or 300/60s")
    return match[0]


class TradingSettings(Section):
    """Orders and what they have made."""

    mode: TradingMode = Field(
        default=TradingMode.SIMULATED,
        description="how far orders may go: `simulated`, to venues on this machine only; `paper`, to the venues' "
        "testnets too; `live`, for accounts marked live to the venues themselves, once armed",
    )
    store: Annotated[str, AfterValidator(_store)] = Field(
        default="data/orders.db",
        min_length=1,
        description="the order store: a SQLite file, or `postgresql://host/database` (its password from PGPASSWORD)",
    )
    patience_s: float = Field(
        default=10.0, gt=0, le=600, description="seconds that a caller waits for an order; the order itself goes on"
    )
    mark_age_s: float = Field(
        default=60.0, gt=0, le=3600, description="seconds after which a mark price is too old to measure risk by"
    )


class AccountSettings(Section):
    """One account, by the name it has here: `[accounts.main]`. Its key comes from the environment alone."""

    venue: Names = Field(
        default=(), description="the venue that it is on; several ids where one key serves: `binance,binanceusdm`"
    )
    live: bool = Field(
        default=False, description="it may trade real money, if `trading.mode` is `live` and it is armed"
    )
    trust_key: bool = Field(
        default=False,
        description="take your word that its key cannot withdraw, where the venue does not tell; only for live trading",
    )
    api_key: SecretStr | None = Field(default=None, description="its key; from the environment only")
    secret: SecretStr | None = Field(default=None, description="goes with api_key")
    passphrase: SecretStr | None = Field(default=None, description="goes with api_key, where the venue has one")
    subaccount: int | None = Field(
        default=None,
        ge=0,
        description="the number of the wallet's subaccount, on Derive; there `api_key` is the wallet's address and "
        "`secret` the private key of a session key that may trade and nothing else",
    )


Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Limit = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class LimitSettings(Section):
    """Limits of one scope, named as denials name it: `[limits.portfolio]`, `[limits."symbol binance BTC/USDT"]`."""

    max_order_amount: Amount | None = Field(default=None, description="amount of one order, in units of the lot")
    max_order_notional: Amount | None = Field(default=None, description="value of one order, in USD")
    max_open_orders: int | None = Field(default=None, ge=0, description="orders that are open at once")
    max_open_notional: Amount | None = Field(default=None, description="value of all open orders")
    max_position: Amount | None = Field(
        default=None, description="net amount if every open order of a side filled; symbols only"
    )
    max_exposure: Amount | None = Field(default=None, description="worst case of positions and open orders in value")
    order_rate: Annotated[str, AfterValidator(_rate)] | None = Field(
        default=None, description="orders in a window of seconds, such as `10/1s`"
    )
    price_band: Amount | None = Field(
        default=None, description="how far beyond the mark an order may be priced, as a fraction: `0.05`"
    )
    max_daily_loss: Amount | None = Field(
        default=None, description="realized since 00:00 UTC plus unrealized; then only exits pass"
    )


class MonitorSettings(Section):
    """What of positions is alarming wherever they are watched, unless the command or the run says otherwise: by
    `xetrade monitor`, and by the job `monitor_positions`, which looks at them every five minutes."""

    max_notional: Limit | None = Field(default=None, description="a position worth more, in its settlement currency")
    max_drawdown: Limit | None = Field(
        default=None, description="a net so far below the best that was seen while it was watched"
    )
    min_liquidation_distance: Limit | None = Field(
        default=None, description="a mark nearer to the venue's liquidation price, in percent of the mark: `10`"
    )
    day_mark_within_s: float = Field(
        default=900.0,
        gt=0,
        le=86_400,
        description="a day's profit reckoned with a mark of earlier than so many seconds before the day's end",
    )
