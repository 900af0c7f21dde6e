"""A session on the simulated futures through unmodified ccxt: our positions and the venue's own ledger, compared.

The venue's books are written apart from ours (`simvenue.desk`), and round each booking to eight digits as venues do. So
what we realize on each fill, rounded likewise, is the booking; and their sum is the change of the wallet, to the last
digit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN
from decimal import Decimal as D
from fractions import Fraction as F
from typing import Any

import pytest

from tests.support.sim import Sim, sim_process
from xetrade_core.positions.numbers import reported
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import exact
from xetrade_core.simvenue import ccxt_config

SYMBOLS = {"binanceusdm": "BTC/USDT:USDT", "binancecoinm": "BTC/USD:BTC"}
UNIT = {"binanceusdm": 0.01, "binancecoinm": 7}
EIGHT = D("0.00000001")
SCENARIO = "seed = 11\n" + "".join(
    f'[venues.{venue}]\nsymbols = ["{symbol}"]\n[venues.{venue}.accounts.main]\n' for venue, symbol in SYMBOLS.items()
)


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


def booked(value: F) -> D:
    """As the venue books: eight digits, half to even."""
    return reported(value).quantize(EIGHT, ROUND_HALF_EVEN)


@pytest.mark.parametrize("venue", list(SYMBOLS))
def test_positions_are_the_venues_own_to_the_last_digit(sim: Sim, venue: str) -> None:
    import ccxt

    symbol, rng = SYMBOLS[venue], random.Random(venue)
    config = {
        **ccxt_config(venue, sim),
        "apiKey": "sim-main-key",
        "secret": "sim-main-secret",
        "enableRateLimit": False,
    }
    client: Any = getattr(ccxt, venue)(config)
    before = wallet(client, venue)
    for turn in range(24):  # buys and sells of one to four units: it grows, shrinks and flips
        client.create_order(symbol, "market", rng.choice(["buy", "sell"]), UNIT[venue] * rng.randint(1, 4))
        if turn % 6 == 5:
            sim.pay_funding(venue, symbol, rng.choice(["0.001", "-0.0007"]))
    trades = sorted(client.fetch_my_trades(symbol), key=lambda trade: int(trade["id"]))
    fundings = client.fetch_funding_history(symbol)
    size = D(str(client.market(symbol)["contractSize"]))
    position = exact(Payout.of_symbol(symbol, size))
    changes = D(0)
    for trade in trades:
        info = trade["info"]
        signed = F(info["qty"]) * (1 if trade["side"] == "buy" else -1)
        realized = position.fill(signed, F(info["price"]), F(info["commission"]), info["commissionAsset"])
        assert booked(realized) == D(info["realizedPnl"]), info
        changes += booked(realized) - D(info["commission"])
    for paid in fundings:
        position.receive_funding(F(paid["info"]["income"]))
        changes += D(paid["info"]["income"])
    assert len(fundings) >= 3
    assert len(trades) >= 24
    [held] = sim.account(venue)["positions"]
    assert position.quantity == F(held["quantity"])
    assert position.average_entry is not None
    assert reported(position.average_entry).quantize(EIGHT) == D(held["entry"]).quantize(EIGHT)
    assert wallet(client, venue) - before == changes
    journal = [entry for entry in sim.account(venue)["journal"] if entry["kind"] in ("pnl", "fee", "funding")]
    assert sum((D(entry["amount"]) for entry in journal), D(0)) == changes


def wallet(client: Any, venue: str) -> D:
    """The wallet balance in settlement currency, as the venue writes it."""
    currency = "USDT" if venue == "binanceusdm" else "BTC"
    rows = client.fetch_balance()["info"]["assets"]
    return next(D(row["walletBalance"]) for row in rows if row["asset"] == currency)
