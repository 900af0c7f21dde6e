"""Dead-man switches: what rests is canceled by the venue if we fall silent, and stays if we end in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.execution.conftest import Open, unhurried
from tests.support.sim import Sim
from xetrade_core.assembly import dead_man
from xetrade_core.assembly.dead_man import counting_down
from xetrade_core.assembly.following import follow_accounts
from xetrade_core.assembly.trading import TradingDesk, open_desk
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError, NotSupported, StoreUnavailable
from xetrade_core.execution.clients import tradable_venues
from xetrade_core.execution.dead_man import CountsDown, DeadMan, Fires, dead_man_of
from xetrade_core.execution.streams import open_stream
from xetrade_core.execution.streams.words import GuardedWords
from xetrade_core.settings import Settings
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import Capability


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


def settings_of(sim: Sim, folder: Path, *venues: str) -> Settings:
    """The settings of a machine that knows these simulated venues."""
    where: Any = {venue: {"rest_url": sim.url(venue).rest, "ws_url": sim.url(venue).ws} for venue in venues}
    return Settings(venues=where, trading={"store": str(folder / "orders.db")})  # type: ignore[arg-type]


@asynccontextmanager
async def desk_on(sim: Sim, folder: Path, *venues: str) -> AsyncIterator[TradingDesk]:
    async with open_desk(settings_of(sim, folder, *venues), SystemClock(), random.Random(1)) as desk:
        for client in desk.clients.values():
            unhurried(client)
        yield desk


async def nothing(*_: object) -> list[Any]:
    return []


@pytest.mark.parametrize("venue", tradable_venues())
async def test_a_client_that_states_a_switch_can_work_it(venue: str, opened: Open, sim: Sim) -> None:
    if venue not in sim.venues:
        pytest.skip("not simulated here")
    client = opened(venue)
    switch = dead_man_of(client)
    if venue != "deribit":  # whose switch is of orders that were placed on the connection, and ours go over REST
        assert (switch is not None) is (Capability.DEAD_MAN_SWITCH in known_venue(venue).capabilities)
    if switch is None:
        assert not isinstance(client, CountsDown)
    elif switch.fires is Fires.SILENCE:
        assert isinstance(client, CountsDown)
    else:
        stream = open_stream(venue, "main", client, nothing, nothing, SystemClock(), random.Random(1), guard_s=60)
        assert isinstance(stream._words, GuardedWords)


@pytest.mark.parametrize("venue", ["okx", "kucoin", "bybit"])
async def test_it_is_armed_while_followed_and_not_afterwards(venue: str, sim: Sim, tmp_path: Path) -> None:
    async with desk_on(sim, tmp_path, venue) as desk:
        async with follow_accounts(desk, random.Random(1), silence_s=10) as [stream]:
            await stream.live(10)
            if venue != "bybit":
                await until(lambda: "" in sim.account(venue)["dead_man"])
        assert sim.account(venue)["dead_man"] == {}


async def test_a_lost_stream_of_bybit_starts_the_time_and_the_next_one_stops_it(sim: Sim, tmp_path: Path) -> None:
    async with (
        desk_on(sim, tmp_path, "bybit") as desk,
        follow_accounts(desk, random.Random(1), silence_s=300) as [stream],
    ):
        await stream.live(10)
        refused = sim.begin(kind="refuse", venue="bybit", for_=60)
        sim.inject(kind="disconnect", venue="bybit", variant="abort")
        await until(lambda: set(sim.account("bybit")["dead_man"]) >= {"BTC/USDT", "BTC/USDT:USDT"})
        sim.clear(refused)
        await until(lambda: sim.account("bybit")["dead_man"] == {})
        await stream.live(10)


async def test_a_switch_that_cannot_be_told_alarms_once_and_works_again(
    sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    remove = add_alarm_sink(lambda body: told.append(body["alarm"]))
    monkeypatch.setattr(dead_man, "_BEATS", 100)
    sim.begin(kind="rest_error", venue="okx", path="cancel-all-after", status=503, variant="before", for_=60)
    async with desk_on(sim, tmp_path, "okx") as desk, counting_down(desk, 10):
        await until(lambda: bool(told))
        await asyncio.sleep(0.3)
        sim.clear()
        await until(lambda: "" in sim.account("okx")["dead_man"])
    remove()
    assert told == ["dead_man_not_armed"]


async def test_a_time_that_a_venue_does_not_take_is_refused_with_what_it_takes(sim: Sim, tmp_path: Path) -> None:
    async with desk_on(sim, tmp_path, "okx", "bybit") as desk:
        with pytest.raises(ConfigError, match="dead man = '5 s' is not valid: 10 to 120 seconds on OKX"):
            async with follow_accounts(desk, random.Random(1), silence_s=5):
                pytest.fail("it must not begin")


async def test_accounts_without_any_switch_are_refused(sim: Sim, tmp_path: Path) -> None:
    async with desk_on(sim, tmp_path, "binance") as desk:
        with pytest.raises(NotSupported, match="Binance spot: no venue there cancels"):
            async with follow_accounts(desk, random.Random(1), silence_s=60):
                pytest.fail("it must not begin")


class Counting:
    """A client that counts down; where `answers` is not set its venue never answers."""

    dead_man = DeadMan(Fires.SILENCE, 0.01, 60)

    def __init__(self, *, answers: bool) -> None:
        self.answers = asyncio.Event()
        self.told: list[float] = []
        if answers:
            self.answers.set()

    async def count_down(self, symbol: str | None, within_s: float) -> None:
        self.told.append(within_s)
        await self.answers.wait()


async def test_a_venue_that_does_not_answer_lets_no_switch_of_another_fire() -> None:
    silent, good = Counting(answers=False), Counting(answers=True)
    desk: Any = SimpleNamespace(clients={("a", "main"): silent, ("b", "main"): good}, clock=SystemClock())
    async with counting_down(desk, 0.03):
        try:
            await until(lambda: len(good.told) > 3)
        finally:
            silent.answers.set()
    assert (silent.told, good.told[-1], set(good.told)) == ([0.03, 0], 0, {0.03, 0})


@pytest.mark.parametrize("hangs", [False, True], ids=["says so", "is silent"])
async def test_a_store_that_is_away_lets_no_switch_of_a_symbol_fire(hangs: bool) -> None:
    """What rests is at the venue, and this process lives: only symbols that are new are not known."""

    class BySymbol(Counting):
        dead_man = DeadMan(Fires.SILENCE, 0.01, 60, by_symbol=True)

    async def open_orders(**_: object) -> list[Any]:
        looks.append(1)
        if len(looks) > 1:
            if hangs:
                await asyncio.Event().wait()
            raise StoreUnavailable("the order store does not answer")
        return [SimpleNamespace(intent=SimpleNamespace(symbol="BTC/USDT:USDT"))]

    looks: list[int] = []
    client = BySymbol(answers=True)
    desk: Any = SimpleNamespace(
        clients={("a", "main"): client}, clock=SystemClock(), orders=SimpleNamespace(open_orders=open_orders)
    )
    async with counting_down(desk, 0.03):
        await until(lambda: len(client.told) > 3)
    assert client.told[-1] == 0
