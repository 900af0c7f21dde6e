"""Run config of the trading jobs, as the launchpad shows it: typed, and never a secret.

Numbers that are money are text, so that they stay exact. Which account trades with which key, and how far orders may
go, stand in the settings of the machine. What a number may be is said by the core, as it is on the command line: bounds
that stood here would fail a run with a traceback. https://docs.dagster.io/guides/operate/configuration/run-configuration
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
from typing import Literal

from pydantic import Field

from xetrade_pipelines.refusals import RunConfig

VENUE = "Venue id, such as binance, binanceusdm or okx."
ACCOUNT = "Account of the settings (accounts.NAME). Empty: the venue's only one, or main."
PAIR = "BTC-USDT, BTC/USDT, BTCUSDT, or the venue's own id."
ORDER_ID = "The order: its client id or the venue's."


class PlaceOrderConfig(RunConfig):
    """One order. A re-execution of the run, whole or from its failure, finds the order again and never places two."""

    venue: str = Field(description=VENUE)
    pair: str = Field(description=PAIR)
    side: Literal["buy", "sell"] = Field(description="buy or sell.")
    quantity: str = Field(
        description='How much, in quotes: "0.001". Base currency on a spot venue; contracts, where a venue counts in '
        "those. Off the venue's grid it is refused, unless `rounding` is fit.",
    )
    order_type: Literal["LIMIT", "MARKET"] = Field(default="LIMIT", description="LIMIT at a price, or MARKET.")
    price: str = Field(default="", description='In quote currency, in quotes: "50000". A market order has none.')
    account: str = Field(default="", description=ACCOUNT)
    time_in_force: Literal["GTC", "IOC", "FOK"] = Field(
        default="GTC", description="GTC: until cancelled. IOC: what matches at once. FOK: all at once or nothing."
    )
    post_only: bool = Field(default=False, description="Rest in the book, or be refused.")
    reduce_only: bool = Field(default=False, description="Only ever close what is held.")
    rounding: Literal["refuse", "fit"] = Field(
        default="refuse",
        description="Off the venue's grid: refuse, or fit (the quantity down, the price to the nearest).",
    )
    wait_s: float | None = Field(
        default=None, description="Seconds to wait for a venue that is down. Default: now or never."
    )
    strategy: str = Field(default="", description="Whose order it is, for limits and positions.")
    key: str = Field(
        default="",
        description="Your name of this order: the same key never places a second one. Default: this run's root id, so "
        "that only its re-executions mean the same order.",
    )


class CrossOrderConfig(RunConfig):
    """Buy on one venue what is sold on another. A re-execution of the run goes on with it and never trades it twice."""

    buy: str = Field(description="Where to buy: a venue id, or venue/account.")
    sell: str = Field(description="Where to sell: a venue id, or venue/account.")
    pair: str = Field(description=PAIR)
    quantity: str = Field(
        description='How much, in quotes: "0.01". Base currency, whatever a venue counts in; a multiple of both lots.'
    )
    max_loss: str = Field(
        description='In quote currency, fees apart, in quotes: "20". No hedge is traded past it; the first leg is '
        "traded back once hedging would be."
    )
    within_s: float = Field(
        default=10.0, description="Seconds after which what is not hedged is traded back, at most 3600."
    )
    buy_pair: str = Field(default="", description="Where the bought one is called otherwise: BTC-USDT:USDT for a swap.")
    sell_pair: str = Field(default="", description="Where the sold one is called otherwise.")
    buy_price: str = Field(default="", description="Buy at no more, in quotes. Empty: by `slippage_bps`.")
    sell_price: str = Field(default="", description="Sell at no less, in quotes. Empty: by `slippage_bps`.")
    slippage_bps: str = Field(
        default="10", description="Without a price: so many basis points from the touch when an order is sent."
    )
    strategy: str = Field(default="", description="Whose orders they are, for limits and positions.")
    wait_s: float = Field(
        default=120.0,
        description="Seconds to wait for an order that nobody knows of. The run fails then; re-executed it goes on.",
    )
    key: str = Field(
        default="",
        description="Your name of this cross order: the same key never trades twice. Default: this run's root id.",
    )


class StressConfig(RunConfig):
    """Orders that rest far from the market and are cancelled at once, and the venues' word on it."""

    venues: list[str] = Field(default=["binance"], description="Venue ids; the orders go to them in turn.")
    pair: str = Field(default="BTC-USDT", description=PAIR)
    account: str = Field(default="", description=ACCOUNT)
    clients: int = Field(default=200, description="Clients at once, each with one order at a time: 1 to 5000.")
    count: int | None = Field(default=None, description="Orders in all. Default: one a client.")
    over_s: float = Field(default=0.0, description="Seconds over which they begin evenly: 300 for 5 minutes.")
    soak_s: float | None = Field(default=None, description="Go on for so many seconds instead of a count.")
    below: str = Field(default="0.05", description='Share of the price by which they are under the market: "0.05".')


class ReconcileConfig(RunConfig):
    """Which accounts are compared with their venues, and how. Left as it is: all of them."""

    venue: str = Field(default="", description="One venue only. Empty: all.")
    account: str = Field(default="", description="One account only. Empty: all.")
    pair: str = Field(default="", description="One pair only. Empty: all, and the balances too.")
    dry_run: bool = Field(default=False, description="Only tell what differs; record and halt nothing.")
    window_s: float = Field(default=86_400.0, description="Seconds back over which trades are compared.")
    grace_s: float = Field(
        default=15.0, description="What is younger is under way and no difference, in seconds: an hour at most."
    )


class OrderConfig(RunConfig):
    """Which order."""

    order_id: str = Field(description=ORDER_ID)
    venue: str = Field(default="", description="Where several venues have an order of that id: which one.")
    account: str = Field(default="", description="Where several accounts have an order of that id: which one.")


class OrderStatusConfig(OrderConfig):
    """Which order, and whether the venue is asked."""

    refresh: bool = Field(default=True, description="Ask the venue first; otherwise tell what the order store has.")


class CancelAllConfig(RunConfig):
    """What to cancel, and whether trading stops. Left as it is: everything, everywhere, and nothing new passes."""

    venue: str = Field(default="", description="One venue only. Empty: all.")
    account: str = Field(default="", description="One account only. Empty: all.")
    pair: str = Field(default="", description="One pair only, with its venue. Empty: all.")
    halt: bool = Field(
        default=True,
        description="Halt first: nothing new passes there, in any process, until `xetrade resume-trading`. A halt "
        "concerns a venue, or everything: false for one account.",
    )
    reason: str = Field(default="", description="Why, for those who read it later.")
