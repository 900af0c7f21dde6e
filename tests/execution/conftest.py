"""A simulated venue with accounts, and private clients of it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.sim import Sim, no_faults_left, sim_process
from xetrade_core.clock import SystemClock
from xetrade_core.execution.clients import AccountClient, open_execution, signs_with_wallet
from xetrade_core.execution.credentials import Credentials
from xetrade_core.simvenue.dialects.derive_signed import private_key_of, subaccount_of, wallet_of
from xetrade_core.venues.clients import ClientOptions

__all__ = ["no_faults_left"]


MAIN = Credentials("sim-main-key", "sim-main-secret", "sim-main-pass")
#: what an account has at first, where the venue tells of no other currency than those that its contracts settle in
OWNED = {"kucoinfutures": 'balances = {USDT = "1000000", BTC = "20"}'}


def key_of(venue: str, key: str, secret: str, passphrase: str = "sim-main-pass") -> Credentials:
    """A key of a simulated venue; where accounts are wallets, the address and the private key that are made of it."""
    if not signs_with_wallet(venue):
        return Credentials(key, secret, passphrase)
    return Credentials(wallet_of(key), private_key_of(secret), subaccount=subaccount_of(key))


SCENARIO = """
seed = 1
[venues.binance]
symbols = ["BTC/USDT"]
[venues.binance.accounts.main]
[venues.binance.accounts.rich]
keys = [{key = "rich-key", secret = "rich-secret", withdraw = true, ip_restricted = false}]
""" + "".join(
    f"""
[venues.{venue}]
symbols = {symbols}
weight_limit = 0
[venues.{venue}.accounts.main]
{OWNED.get(venue, "")}
[venues.{venue}.accounts.rich]
keys = [{{key = "rich-key", secret = "rich-secret", passphrase = "rich-pass", withdraw = true, ip_restricted = false}}]
"""
    for venue, symbols in {
        "binanceusdm": '["BTC/USDT:USDT"]',
        "binancecoinm": '["BTC/USD:BTC"]',
        "okx": '["BTC/USDT", "BTC/USDT:USDT"]',
        "kucoin": '["BTC/USDT"]',
        "kucoinfutures": '["BTC/USDT:USDT", "BTC/USD:BTC"]',
        "bybit": '["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"]',
        "deribit": '["BTC/USD:BTC", "BTC/USDC:USDC", "BTC/USDC"]',
        "max": '["BTC/TWD", "ETH/USDT"]',
        "derive": '["BTC/USDC:USDC"]',
    }.items()
)
#: with nonces of its own, for who goes back in time: those of the others have been used there
SCENARIO += "[venues.max.accounts.earlier]\n"
Open = Callable[..., AccountClient]


@pytest.fixture(scope="package")
def accounts_sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def sim(accounts_sim: Sim) -> Iterator[Sim]:
    yield accounts_sim
    accounts_sim.clear()


@pytest.fixture
async def opened(sim: Sim) -> AsyncIterator[Open]:
    """`opened(venue, account, credentials, **options)`: a client, closed at the end."""
    async with AsyncExitStack() as stack:

        def opens(
            venue: str, account: str = "main", credentials: Credentials | None = None, **options: object
        ) -> AccountClient:
            credentials = credentials or key_of(venue, "sim-main-key", "sim-main-secret")
            options = {"rest_url": sim.url(venue).rest, **options}
            client = open_execution(
                venue, account, credentials, ClientOptions(**options), SystemClock(), random.Random(1)
            )
            stack.push_async_callback(client.close)
            return client

        yield opens


def unhurried(client: Any) -> Any:
    """The client, whose calls wait for no rate of the venue: OKX's would for seconds."""
    budget = getattr(client, "_calls", client)._client.transport.budget
    budget.limit = budget.cancel_limit = 10**9
    return client
