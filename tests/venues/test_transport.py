"""What passes the wire: a call that acts is sent once, whatever becomes of its connection."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import aiohttp
import pytest

from xetrade_core.clock import SystemClock
from xetrade_core.telemetry import METRICS
from xetrade_core.venues import transport as transports
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.transport import Call, HostRules, LostReply, Transport, calling
from xetrade_core.venues.venue import RateRule

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
async def test_a_call_that_acts_is_never_repeated_when_a_kept_connection_is_lost(method: str) -> None:
    taken: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            taken.append(path)
            if path == "/act":
                writer.transport.abort()
                return
            writer.write(GOOD)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock = SystemClock()
    async with server, Transport(WeightBudget(RateRule(1000, 60), clock), clock) as transport:
        async with transport.session.get(f"{base}/read"):  # a connection that is kept
            pass
        with calling(Call(single=True)) as call, pytest.raises(aiohttp.ClientConnectionError):
            await transport.session.request(method, f"{base}/act")
        assert (taken, call.requests, call.unsent) == (["/read", "/act"], 1, 0)


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_call_that_acts_is_never_sent_on_to_another_address(status: int) -> None:
    taken: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4096):
            taken.append(head.split()[1].decode())
            writer.write(b"HTTP/1.1 %d Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n" % status)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock = SystemClock()
    async with server, Transport(WeightBudget(RateRule(1000, 60), clock), clock) as transport:
        with calling(Call(single=True)) as call, pytest.raises(LostReply, match=str(status)):
            await transport.session.post(f"{base}/act")
        assert (taken, call.requests, call.unsent) == (["/act"], 1, 0)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1"])
async def test_an_answer_that_does_not_come_or_does_not_end_is_not_waited_for(head: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await asyncio.Event().wait()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock, began = SystemClock(), time.monotonic()
    async with Transport(WeightBudget(RateRule(1000, 60), clock), clock, within_s=0.2) as transport:
        with calling(Call(single=True)) as call, pytest.raises(TimeoutError):
            await transport.session.post(f"{base}/act", timeout=transport.connecting)
    assert (call.requests, call.unsent) == (1, 0)  # the venue may have it
    assert time.monotonic() - began < 3
    server.close()


async def test_a_connection_that_is_not_made_in_time_has_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, socket.create_connection(deaf.getsockname()):
        base = f"http://127.0.0.1:{deaf.getsockname()[1]}"  # its queue is full, so that it answers nobody
        clock = SystemClock()
        async with Transport(WeightBudget(RateRule(1000, 60), clock), clock, within_s=0.6) as transport:
            with calling(Call(single=True)) as call, pytest.raises(aiohttp.ConnectionTimeoutError):
                await transport.session.post(f"{base}/act", timeout=transport.connecting)
    assert (call.requests, call.unsent) == (1, 1)


async def test_what_is_spent_is_shown_until_it_is_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "_PUBLISH_AFTER_S", 0.01)
    monkeypatch.setattr(transports, "_PUBLISH_AGAIN_S", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GOOD)

    async def becomes(holds: Callable[[float | None], bool]) -> bool:
        began = time.monotonic()
        while time.monotonic() - began < 5:
            if holds(METRICS.registry.get_sample_value("xetrade_budget_used", {"venue": "shown-here"})):
                return True
            await asyncio.sleep(0.01)
        return False

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    clock = SystemClock()
    rules = HostRules(name="shown-here")
    async with server, Transport(WeightBudget(RateRule(1000, 0.5), clock), clock, rules) as transport:
        await transport.acquire(7)
        async with transport.session.get(f"{base}/read"):
            pass
        assert await becomes(lambda used: used == 7)
        assert await becomes(lambda used: used == 0)
