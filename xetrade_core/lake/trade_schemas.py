"""The datasets of trading, column by column: what was traded, what it made by day, and where positions stood.

Amounts and prices are decimals of 18 places, which DuckDB, Polars and pandas read as such: money is never a float here.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa

from xetrade_core.lake.dataset import LABEL, TIMESTAMP, Column, Dataset, Reasons
from xetrade_core.lake.reference_schemas import unique_reasons

#: digits after the point of every amount in these datasets
PLACES = 18
MONEY = pa.decimal128(38, PLACES)
SIDES = ("buy", "sell")
STANDINGS = ("long", "short", "flat")
ORDER_STATES = (
    "intent", "denied", "submitting", "unknown", "needs_operator", "open", "partially_filled", "pending_cancel",
    "filled", "canceled", "expired", "rejected",
)  # fmt: skip
MARKS = ("mark", "index", "mid")

_AMOUNT = "base currency for spot, contracts otherwise"
_QUOTE = "quote currency"
_SETTLE_UNIT = "settlement currency"

_EXCHANGE = Column("exchange", LABEL, "Venue id, as in ccxt: binance, okx.")
_ACCOUNT = Column("account", LABEL, "Account, as the settings name it.")
_SYMBOL = Column("symbol", LABEL, "Universal symbol, as in ccxt: BTC/USDT, BTC/USDT:USDT.")
_STRATEGY = Column("strategy", LABEL, "Strategy of the order; null for a trade of no order of ours.", "", True)
_SIZE = Column(
    "contract_size",
    MONEY,
    "What one unit of amount is, 1 for spot.",
    "base currency (linear) or quote currency (inverse)",
    at_least=0,
)
_SETTLE = Column("settle", LABEL, "Currency of the result: quote (spot, linear), base (inverse) or a third.")


def _money(name: str, description: str, unit: str, nullable: bool = False, at_least: float | None = None) -> Column:
    return Column(name, MONEY, description, unit, nullable, at_least=at_least)


def _text(name: str, description: str, nullable: bool = True) -> Column:
    return Column(name, pa.string(), description, "", nullable)


def _fill_reasons(table: pa.Table) -> Reasons:
    return unique_reasons(table, "account", "symbol", "trade_id")


FILLS = Dataset(
    "fills",
    "Fills",
    "venue, account, symbol, trade",
    "Every trade of every account, once, out of the order store: one file a venue and day of the venue's own time, in "
    "the order in which they made positions.",
    (
        Column("timestamp", TIMESTAMP, "The venue's time of the trade, or when it was received.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        _SYMBOL,
        _STRATEGY,
        _text("trade_id", "The venue's id of the trade.", False),
        _text("client_id", "Our id of the order; null for a trade of no order of ours."),
        _text("venue_order_id", "The venue's id of the order."),
        Column("side", LABEL, "buy or sell.", one_of=SIDES),
        _money("price", "Price.", _QUOTE, at_least=0),
        _money("amount", "Amount.", _AMOUNT, at_least=0),
        _money("fee", "Fee, positive when paid; null where the venue has not said.", "fee_currency", True),
        Column("fee_currency", LABEL, "Currency of the fee.", "", True),
        Column("liquidity", LABEL, "maker or taker, where the venue says.", "", True, one_of=("maker", "taker")),
        _SIZE,
        Column("received_timestamp", TIMESTAMP, "When it was received here.", "ns UTC"),
    ),
    layout="venue_day",
    row_check=_fill_reasons,
)


def _order_reasons(table: pa.Table) -> Reasons:
    return unique_reasons(table, "client_id")


ORDERS = Dataset(
    "orders",
    "Orders",
    "venue, order",
    "Every order that was ever intended, as it stands in the order store when the day is made: one file a venue and "
    "day of its intent. What happened to it step by step is in the order store's events.",
    (
        Column("timestamp", TIMESTAMP, "When it was intended.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        _SYMBOL,
        Column("strategy", LABEL, "Whose order it is; null where nobody said.", "", True),
        _text("client_id", "Our id of the order, here and on the venue.", False),
        _text("venue_order_id", "The venue's id; null where it never told one."),
        Column("side", LABEL, "buy or sell.", one_of=SIDES),
        Column("type", LABEL, "limit or market.", one_of=("limit", "market")),
        Column("time_in_force", LABEL, "gtc, ioc or fok.", one_of=("gtc", "ioc", "fok")),
        Column("state", LABEL, "Where it stands.", one_of=ORDER_STATES),
        _money("price", "Limit price, after amendments; null for a market order.", _QUOTE, True),
        _money("amount", "Amount, after amendments.", _AMOUNT, at_least=0),
        _money("filled", "Filled, by its fills or the venue's reports, whichever is more.", _AMOUNT, at_least=0),
        _money("fills_amount", "Filled, by its fills alone.", _AMOUNT, at_least=0),
        _money("fills_value", "Sum of price x amount of its fills.", f"{_QUOTE} x amount", at_least=0),
        Column("post_only", pa.bool_(), "Rests, or is refused."),
        Column("reduce_only", pa.bool_(), "Only ever closes what is held."),
        Column("live", pa.bool_(), "Real money was at stake."),
        Column("sent", pa.int64(), "How often it may have reached the venue.", "count", at_least=0),
        Column("events", pa.int64(), "Events that it is the sum of.", "count", at_least=1),
        _text("code", "The venue's code of its latest change, where it gave one."),
        _text("reason", "Why it is as it is, where somebody said."),
        Column("updated_timestamp", TIMESTAMP, "Of its latest event.", "ns UTC"),
    ),
    layout="venue_day",
    row_check=_order_reasons,
)


def _payment_reasons(table: pa.Table) -> Reasons:
    return unique_reasons(table, "account", "symbol", "payment_id")


FUNDING_PAYMENTS = Dataset(
    "funding_payments",
    "Funding payments",
    "venue, account, symbol, payment",
    "Every funding that an account was paid or has paid, once, as the venue booked it: one file a venue and day, by "
    "time.",
    (
        Column("timestamp", TIMESTAMP, "When the venue booked it.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        _SYMBOL,
        _text("payment_id", "The venue's id of the payment.", False),
        _money("amount", "Received, negative when paid.", "currency"),
        Column("currency", LABEL, "What it was paid in."),
        _money("rate", "Rate, where the venue says it.", "fraction of notional", True),
        _money("mark", "Mark price, where the venue says it.", _QUOTE, True),
    ),
    layout="venue_day",
    row_check=_payment_reasons,
)


def _pnl_reasons(table: pa.Table) -> Reasons:
    """Rows that do not add up."""
    names = ("realized", "fees", "funding", "unrealized", "unrealized_before", "net")
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    wrong = np.array([not adds_up(*row) for row in rows], dtype=bool)
    return [(wrong, "net is not realized - fees + funding + the change of unrealized")] if wrong.any() else []


def adds_up(
    realized: Decimal | None,
    fees: Decimal | None,
    funding: Decimal | None,
    unrealized: Decimal | None,
    before: Decimal | None,
    net: Decimal | None,
) -> bool:
    """Whether a row's parts make its net; one whose net cannot be known has none."""
    if realized is None or fees is None or funding is None or unrealized is None or before is None:
        return net is None
    parts = (realized, fees.copy_negate(), funding, unrealized, before.copy_negate())
    made = sum((Fraction(part) for part in parts), Fraction(0))
    return net is not None and made == Fraction(net)


PNL_DAILY = Dataset(
    "pnl_daily",
    "Profit by day",
    "venue, account, symbol, strategy, day",
    "What each position has made on the day, out of fills and funding: realized against the average entry, fees, "
    "funding, and what is open at the day's last mark. A position that is held has a row on days without a trade too.",
    (
        Column("timestamp", TIMESTAMP, "Start of the day.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        _SYMBOL,
        _STRATEGY,
        _SETTLE,
        _SIZE,
        _money("quantity", "Held at the end of the day, negative for a short.", _AMOUNT),
        _money("avg_entry", "Average entry of what is held, harmonic for inverse contracts.", _QUOTE, True),
        _money("mark", "The last mark of the day that was recorded; null where none was.", _QUOTE, True),
        Column("mark_timestamp", TIMESTAMP, "Of when the mark was, which may be long before the day's end; null in "
               "files of before this was kept.", "ns UTC", True, since_later=True),
        Column("fills", pa.int64(), "Trades of the day.", "count", at_least=0),
        _money("bought", "Bought on the day.", _AMOUNT, at_least=0),
        _money("sold", "Sold on the day.", _AMOUNT, at_least=0),
        _money("realized", "Profit of what was closed, before fees and funding.", _SETTLE_UNIT),
        _money("fees", "Fees paid, less rebates.", _SETTLE_UNIT),
        _money("funding", "Funding received, negative when paid.", _SETTLE_UNIT),
        _money("unrealized", "Of what is held, at the mark; null without one.", _SETTLE_UNIT, True),
        _money("unrealized_before", "The same at the end of the day before.", _SETTLE_UNIT, True),
        _money("net", "realized - fees + funding + unrealized - unrealized_before; null where unknown.", _SETTLE_UNIT,
               True),
        _text("fees_apart", "Fees in currencies of no known value, in none of the numbers: 'BNB 0.01'."),
    ),
    layout="venue_day",
    row_check=_pnl_reasons,
)  # fmt: skip

POSITIONS = Dataset(
    "positions",
    "Positions",
    "venue, account, symbol, strategy, snapshot",
    "Where positions stood whenever they were looked at, at the venue's mark; one file a venue and hour.",
    (
        Column("timestamp", TIMESTAMP, "When.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        _SYMBOL,
        _STRATEGY,
        Column("side", LABEL, "long, short or flat.", one_of=STANDINGS),
        _money("quantity", "Held, negative for a short.", _AMOUNT),
        _money("entry", "Average entry.", _QUOTE, True),
        _money("mark", "What it was marked at; null where the venue gave nothing.", _QUOTE, True),
        Column("mark_kind", LABEL, "The venue's mark price, its index, or the middle of bid and ask.", "", True,
               one_of=MARKS),
        Column("mark_timestamp", TIMESTAMP, "Of when the mark was.", "ns UTC", True),
        _money("notional", "Worth at the mark, without a sign.", _SETTLE_UNIT, True),
        _money("unrealized", "At the mark.", _SETTLE_UNIT, True),
        _money("realized", "Since the first fill, before fees and funding.", _SETTLE_UNIT),
        _money("fees", "Since the first fill.", _SETTLE_UNIT),
        _money("funding", "Since the first fill.", _SETTLE_UNIT),
        _money("net", "realized - fees + funding + unrealized.", _SETTLE_UNIT, True),
        _SETTLE,
        _money("liquidation", "Where the venue says that it would liquidate what the account holds of it.", _QUOTE,
               True),
        _money("liquidation_distance", "How far the mark is from there; 0 or less is past it.", "% of the mark", True),
    ),
    layout="venue_hour",
)  # fmt: skip

RECONCILIATIONS = Dataset(
    "reconciliations",
    "Reconciliations",
    "venue, account, comparison",
    "What came of comparing an account with its venue: what was looked at, repaired, and left unexplained.",
    (
        Column("timestamp", TIMESTAMP, "When it was compared.", "ns UTC"),
        _EXCHANGE,
        _ACCOUNT,
        Column("orders", pa.int64(), "Orders compared.", "count", at_least=0),
        Column("fills", pa.int64(), "Trades compared.", "count", at_least=0),
        Column("positions", pa.int64(), "Positions compared.", "count", at_least=0),
        Column("balances", pa.int64(), "Balances compared.", "count", at_least=0),
        Column("in_flight", pa.int64(), "Too young to be compared.", "count", at_least=0),
        Column("repaired", pa.int64(), "Differences that the venue's words explained.", "count", at_least=0),
        Column("external", pa.int64(), "Of somebody else's doing.", "count", at_least=0),
        Column("unexplained", pa.int64(), "Differences that need a person.", "count", at_least=0),
        _text("problems", "What could not be asked."),
        _text("differences", "Each difference as JSON, one a line: what, here, there, what was done."),
    ),
    layout="venue_day",
)
