"""The simulated venues behind real sockets: what a client meets on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.sim import Sim, SimError, sim_process
from xetrade_core.errors import ConfigError, UnknownVenue
from xetrade_core.simvenue import SimConfig, SimServer, VenueConfig
from xetrade_core.simvenue.instruments import VENUES
from xetrade_core.simvenue.server import SocketWire

SMALL = VenueConfig(symbols=("BTC/USDT",), depth=20)
CONFIG = SimConfig(venues={"binance": SMALL, "okx": SMALL})


@pytest.fixture
async def sim() -> AsyncIterator[SimServer]:
    async with SimServer(CONFIG) as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def admin(client: aiohttp.ClientSession, sim: SimServer, method: str, at: str, **body: Any) -> dict[str, Any]:
    async with client.request(method, sim.admin_url + at, json=body or None) as response:
        answer: dict[str, Any] = await response.json()
        return {"status": response.status, **answer}


async def depth_stream(client: aiohttp.ClientSession, sim: SimServer) -> aiohttp.ClientWebSocketResponse:
    """A connection that has had its first message."""
    stream = await client.ws_connect(sim.url("binance").ws + "/ws/btcusdt@depth@100ms", autoping=False)
    await asyncio.wait_for(stream.receive_json(), 3)
    return stream


async def drain(stream: aiohttp.ClientWebSocketResponse) -> list[aiohttp.WSMsgType]:
    """The types of what still comes, until nothing has come for 0.4 s."""
    types = []
    try:
        while True:
            types.append((await asyncio.wait_for(stream.receive(), 0.4)).type)
    except TimeoutError:
        return types


async def test_a_stream_and_a_call_agree_with_the_truth(sim: SimServer, client: aiohttp.ClientSession) -> None:
    stream = await depth_stream(client, sim)
    message = await asyncio.wait_for(stream.receive_json(), 3)
    book = await admin(
        client, sim, "GET", f"/admin/truth?venue=binance&symbol=BTC/USDT&sequence={message['u']}&depth=1000"
    )
    sides = {"b": dict(map(tuple, book["bids"])), "a": dict(map(tuple, book["asks"]))}
    for side, levels in sides.items():
        for price, size in message[side]:
            assert levels.get(float(price), 0.0) == float(size)
    async with client.get(sim.url("binance").rest + "/api/v3/depth?symbol=BTCUSDT&limit=5") as response:
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "5"
        assert len((await response.json())["bids"]) == 5


async def test_an_abort_resets_the_connection(sim: SimServer, client: aiohttp.ClientSession) -> None:
    host, port = sim.url("binance").ws.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    head = f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await admin(client, sim, "POST", "/admin/faults", kind="disconnect", venue="binance", variant="abort")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 3)


async def test_a_clean_disconnect_says_goodbye(sim: SimServer, client: aiohttp.ClientSession) -> None:
    stream = await depth_stream(client, sim)
    await admin(client, sim, "POST", "/admin/faults", kind="disconnect", venue="binance")
    async for _ in stream:
        pass
    assert stream.close_code == 1001
    state = await admin(client, sim, "GET", "/admin/state")
    assert state["venues"]["binance"]["connections"] == 0


async def test_a_half_open_connection_answers_no_ping(sim: SimServer, client: aiohttp.ClientSession) -> None:
    stream = await depth_stream(client, sim)
    await stream.ping()
    while (await asyncio.wait_for(stream.receive(), 3)).type is not aiohttp.WSMsgType.PONG:
        pass
    await admin(client, sim, "POST", "/admin/faults", kind="half_open", venue="binance")
    await asyncio.sleep(0.05)
    await stream.ping()
    types = await drain(stream)
    assert types in ([], [aiohttp.WSMsgType.TEXT]), "at most a frame that was on its way before"
    assert not stream.closed


async def test_a_refusing_venue_does_not_listen_and_comes_back_on_the_same_port(
    sim: SimServer, client: aiohttp.ClientSession
) -> None:
    url = sim.url("binance").rest + "/api/v3/ping"
    await admin(client, sim, "POST", "/admin/faults", kind="refuse", venue="binance")
    assert not await becomes(client, url, listening=False)
    async with client.get(sim.url("okx").rest + "/api/v5/public/time") as response:
        assert response.status == 200
    await admin(client, sim, "DELETE", "/admin/faults")
    assert await becomes(client, url, listening=True)


async def becomes(client: aiohttp.ClientSession, url: str, *, listening: bool) -> bool:
    """Whether the URL is served, once it is as expected or three seconds are over."""
    for _ in range(60):
        try:
            async with client.get(url) as response:
                served = response.status == 200
        except aiohttp.ClientConnectionError:
            served = False
        if served is listening:
            break
        await asyncio.sleep(0.05)
    return served


async def test_maintenance_refuses_websockets(sim: SimServer, client: aiohttp.ClientSession) -> None:
    await admin(client, sim, "POST", "/admin/faults", kind="maintenance", venue="okx", **{"for": 5.0})
    await asyncio.sleep(0.05)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(sim.url("okx").ws + "/ws/v5/public")
    assert refused.value.status == 503


async def test_a_path_without_streams_is_refused_with_its_status(sim: SimServer, client: aiohttp.ClientSession) -> None:
    for path, status in {"/nowhere": 404, "/ws/btcusdt@gossip": 400}.items():
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(sim.url("binance").ws + path)
        assert refused.value.status == status


async def test_a_slow_snapshot_does_not_hold_up_the_stream(sim: SimServer, client: aiohttp.ClientSession) -> None:
    stream = await depth_stream(client, sim)
    await admin(client, sim, "POST", "/admin/faults", kind="rest_delay", venue="binance", path="depth", delay_s=1.0)
    await asyncio.sleep(0.05)
    call = asyncio.create_task(client.get(sim.url("binance").rest + "/api/v3/depth?symbol=BTCUSDT"))
    for _ in range(2):
        await asyncio.wait_for(stream.receive_json(), 1)
    assert not call.done()
    (await call).close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/admin/truth?venue=kraken&symbol=BTC/USDT", {}, 400, "unknown venue 'kraken'"),
        ("GET", "/admin/truth?venue=okx&symbol=XX/YY", {}, 400, "unknown symbol 'XX/YY' on okx"),
        ("GET", "/admin/truth?venue=okx&symbol=BTC/USDT&sequence=one", {}, 400, "sequence = 'one' is not valid"),
        ("GET", "/admin/truth?venue=okx&symbol=BTC/USDT&sequence=1", {}, 404, "is not in the truth log"),
        ("POST", "/admin/faults", {"kind": "gremlin"}, 400, "fault.kind = 'gremlin'"),
        ("POST", "/admin/faults", {"sort": "lost"}, 400, "not a fault"),
        ("POST", "/admin/step", {"ticks": 1}, 400, "start it with auto = false"),
    ],
)
async def test_admin_refuses_in_one_line(
    sim: SimServer, client: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await admin(client, sim, method, path, **body)
    assert answer["status"] == status
    assert words in answer["error"]


async def test_time_by_hand_moves_only_when_told(client: aiohttp.ClientSession) -> None:
    async with SimServer(SimConfig(venues={"binance": SMALL}, auto=False)) as sim:
        await asyncio.sleep(0.05)
        assert (await admin(client, sim, "GET", "/admin/state"))["ticks"] == 0
        assert (await admin(client, sim, "POST", "/admin/step", ticks=25))["ticks"] == 25


async def test_a_port_in_use_is_one_clear_line(sim: SimServer) -> None:
    taken = int(sim.admin_url.rsplit(":", 1)[1])
    for config in (
        SimConfig(venues={"binance": VenueConfig(port=taken, depth=5)}),
        SimConfig(venues={"binance": SMALL}, admin_port=taken),
    ):
        with pytest.raises(ConfigError, match=f"port {taken} on 127.0.0.1 .*cannot be opened"):
            async with SimServer(config):
                pass


async def test_addresses_of_a_venue_that_is_not_simulated_are_refused(sim: SimServer) -> None:
    with pytest.raises(UnknownVenue, match="known venues are binance, okx"):
        sim.url("kraken")


def test_the_process_writes_its_ports_and_ends_on_sigterm(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    config = tmp_path / "scenario.toml"
    config.write_text("[venues.binance]\ndepth = 5")
    command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(config), "--port-file", str(ports)]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 20
        while not ports.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        sim = Sim(json.loads(ports.read_text()))
        assert sim.venues == ("binance",)
        with socket.create_connection(("127.0.0.1", int(sim.url("binance").rest.rsplit(":", 1)[1]))):
            pass
    finally:
        process.terminate()
    assert process.wait(10) == 0
    assert not ports.exists()


def test_the_process_refuses_a_bad_scenario_with_exit_code_2(tmp_path: Path) -> None:
    config = tmp_path / "scenario.toml"
    config.write_text("[venues.kraken]")
    command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"scenario file {config}: venues = 'kraken' is not valid: one of {', '.join(VENUES)}"
    ]


def test_the_test_client_steps_injects_and_asks() -> None:
    with sim_process("auto = false\n[venues.okx]\nsymbols = ['BTC/USDT']\ndepth = 10") as sim:
        before = sim.truth("okx", "BTC/USDT")["sequence"]
        fault = sim.inject(kind="sequence_reset", venue="okx")
        sim.step(30)
        assert sim.injected("sequence_reset")[0]["fault_id"] == fault
        assert sim.truth("okx", "BTC/USDT")["sequence"] < before
        sim.clear()
        with pytest.raises(SimError, match="400"):
            sim.inject(kind="gremlin")


async def test_resetting_a_connection_that_the_client_has_just_closed_breaks_nothing() -> None:
    accepted: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    class Accepting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            accepted.set_result(transport)

    server = await asyncio.get_running_loop().create_server(Accepting, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    transport = await accepted
    writer.close()
    while transport.get_extra_info("socket").fileno() >= 0:
        await asyncio.sleep(0.01)
    SocketWire(transport).abort()
    server.close()
