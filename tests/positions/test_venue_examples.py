"""Worked examples that venues publish, each with its source: our arithmetic is theirs.

Read in stored copies of these pages (2026-11). A venue that rounds on the way is met to the digits that it has right:
Bybit rounds 1/5000 - 1/5500 up to eight digits and prints 0.01819, where 0.0181818.. is meant. Of the quanto contract
the page has the formula and the multiplier, and the numbers are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from xetrade_core.positions.case import Ledger
from xetrade_core.positions.written import read_cases

BYBIT_INVERSE = "https://www.bybit.com/en/help-center/article/Profit-Loss-calculations-Inverse-Contracts"
BYBIT_USDT = "https://help.bybit.com/hc/en-us/articles/900000630066-P-L-calculations-USDT-Contract-"
BITMEX_FUNDING = "https://www.bitmex.com/app/perpetualContractsGuideExamples"
BITMEX_INVERSE = "https://www.bitmex.com/app/inverseFuturesGuide"
BITMEX_LINEAR = "https://www.bitmex.com/app/linearFuturesGuide"
BITMEX_QUANTO = "https://www.bitmex.com/app/seriesGuide/ETHUSD"
DERIBIT = "https://www.deribit.com/docs/example-futures/"
OKX = "https://www.okx.com/help/iii-calculation-of-contract-profit-and-loss"
BINANCE = "https://www.binance.com/en/support/faq/360039304272"
KRAKEN = "https://support.kraken.com/hc/en-us/articles/202966956"


@dataclass(frozen=True)
class Example:
    """`places`: digits after the point that the venue prints; None where it is exact."""

    title: str
    source: str
    case: str
    expected: dict[str, str | None]
    places: int | None = None


EXAMPLES = [
    Example(
        "inverse entries average harmonically", BYBIT_INVERSE,
        """{"instrument": {"symbol": "BTC/USD:BTC"}, "fills": [
            {"side": "buy", "qty": 1000, "price": 5000}, {"side": "buy", "qty": 2000, "price": 6000}]}""",
        {"avg_entry": "5625", "qty_signed": "3000"},
    ),
    Example(
        "inverse long, unrealized", BYBIT_INVERSE,
        """{"instrument": {"symbol": "BTC/USD:BTC"}, "mark": 5500,
            "fills": [{"side": "buy", "qty": 1000, "price": 5000}]}""",
        {"unrealized_pnl": "0.01818"}, places=5,
    ),
    Example(
        "linear entries average by quantity", BYBIT_USDT,
        """{"instrument": {"symbol": "BTC/USDT:USDT"}, "fills": [
            {"side": "buy", "qty": 0.5, "price": 5000}, {"side": "buy", "qty": 0.3, "price": 6000}]}""",
        {"avg_entry": "5375", "qty_signed": "0.8"},
    ),
    Example(
        "linear long, unrealized", BYBIT_USDT,
        """{"instrument": {"symbol": "BTC/USDT:USDT"}, "mark": 7500,
            "fills": [{"side": "buy", "qty": 0.2, "price": 7000}]}""",
        {"unrealized_pnl": "100"},
    ),
    Example(
        "linear short, closed, with fees and a funding of 2.1 paid: closed P&L", BYBIT_USDT,
        """{"instrument": {"symbol": "BTC/USDT:USDT"}, "funding": [{"amount": "-2.1", "time": 2}], "fills": [
            {"side": "sell", "qty": 0.4, "price": 6000, "fee": 1.32, "time": 1},
            {"side": "buy", "qty": 0.4, "price": 5000, "fee": 1.1, "time": 3}]}""",
        {"realized_pnl": "400", "fees": "2.42", "realized_pnl_net_of_fees": "397.58", "net_pnl": "395.48"},
    ),
    Example(
        "inverse perpetual over one funding: 0.05 XBT paid, 1.25 XBT won", BITMEX_FUNDING,
        """{"instrument": {"symbol": "BTC/USD:BTC"}, "fills": [
            {"side": "buy", "qty": 15000, "price": 750, "time": "2026-01-01T10:00:00Z"},
            {"side": "sell", "qty": 15000, "price": 800, "time": "2026-01-01T18:00:00Z"}],
            "funding": [{"rate": "0.0025", "mark": 750, "time": "2026-01-01T12:00:00Z"},
                        {"rate": "0.0025", "mark": 800, "time": "2026-01-01T20:00:00Z"}]}""",
        {"funding": "-0.05", "realized_pnl": "1.25", "net_pnl": "1.2", "avg_entry": None},
    ),
    Example(
        "inverse future, 100,000 contracts from 10,000 to 10,500", BITMEX_INVERSE,
        """{"instrument": {"symbol": "BTC/USD:BTC"}, "fills": [
            {"side": "buy", "qty": 100000, "price": 10000}, {"side": "sell", "qty": 100000, "price": 10500}]}""",
        {"realized_pnl": "0.476"}, places=3,
    ),
    Example(
        "linear future in XBT, 1,000,000 contracts", BITMEX_LINEAR,
        """{"instrument": {"type": "linear", "base": "COIN", "quote": "XBT"}, "fills": [
            {"side": "buy", "qty": 1000000, "price": 0.000010},
            {"side": "sell", "qty": 1000000, "price": 0.000015}]}""",
        {"realized_pnl": "5"},
    ),
    Example(
        "quanto: (exit - entry) x multiplier x contracts", BITMEX_QUANTO,
        """{"instrument": {"type": "quanto", "symbol": "ETH/USD:BTC", "multiplier": "0.000001"}, "mark": 600,
            "fills": [{"side": "buy", "qty": 1000, "price": 500}]}""",
        {"unrealized_pnl": "0.1"},
    ),
    Example(
        "100 contracts of 10 USD from 600 to 700, taker fees of 0.05 % in BTC", DERIBIT,
        """{"instrument": {"symbol": "BTC/USD:BTC", "multiplier": 10}, "fills": [
            {"side": "buy", "qty": 100, "price": 600, "fee": 0.5, "fee_currency": "USD"},
            {"side": "sell", "qty": 100, "price": 700, "fee": 0.5, "fee_currency": "USD"}]}""",
        {"realized_pnl": "0.238095", "fees": "0.001548"}, places=6,
    ),
    Example(
        "entry price of 10 + 5 USDT contracts", OKX,
        """{"instrument": {"symbol": "BTC/USDT:USDT", "multiplier": 0.01}, "mark": 120000, "fills": [
            {"side": "buy", "qty": 10, "price": 100000}, {"side": "buy", "qty": 5, "price": 160000}]}""",
        {"avg_entry": "120000", "unrealized_pnl": "0"},
    ),
    Example(
        "entry price of 10 + 5 coin-margined contracts", OKX,
        """{"instrument": {"symbol": "BTC/USD:BTC", "multiplier": 100}, "fills": [
            {"side": "buy", "qty": 10, "price": 100000}, {"side": "buy", "qty": 5, "price": 80000}]}""",
        {"avg_entry": "92308"}, places=0,
    ),
    Example(
        "floating PnL of 10 USDT contracts of 0.01 BTC", OKX,
        """{"instrument": {"symbol": "BTC/USDT:USDT", "multiplier": 0.01}, "mark": 160000,
            "fills": [{"side": "buy", "qty": 10, "price": 100000}]}""",
        {"unrealized_pnl": "6000"},
    ),
    Example(
        "short 1 BTC from 5,000 to 4,500", BINANCE,
        """{"instrument": {"symbol": "BTC/USDT:USDT"}, "mark": 4500,
            "fills": [{"side": "sell", "qty": 1, "price": 5000}]}""",
        {"qty_signed": "-1", "unrealized_pnl": "500"},
    ),
    Example(
        "to flip a position of 1, sell 2", KRAKEN,
        """{"instrument": {"type": "spot", "symbol": "BTC/EUR"}, "mark": 900, "fills": [
            {"side": "buy", "qty": 1, "price": 1000}, {"side": "sell", "qty": 2, "price": 1100}]}""",
        {"qty_signed": "-1", "avg_entry": "1100", "realized_pnl": "100", "unrealized_pnl": "200", "net_pnl": "300"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.source.split('/')[2]}: {example.title}")
def test_the_published_numbers_come_out(example: Example) -> None:
    [case], _ = read_cases(example.case, "example")
    found = Ledger(case).pnl()
    for name, value in example.expected.items():
        ours: Any = getattr(found, name)
        shown = ours if ours is None or example.places is None else round(ours, example.places)
        assert shown == (None if value is None else Decimal(value)), (name, ours, example.source)


def test_every_example_is_cited_in_the_documentation() -> None:
    from pathlib import Path

    page = Path("docs/positions.md").read_text()
    assert not [example.source for example in EXAMPLES if example.source not in page]
