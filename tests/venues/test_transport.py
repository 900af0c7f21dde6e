"""What passes the wire: a call that acts is sent once, whatever becomes of its connection."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from xetrade_core.clock import SystemClock
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.transport import Call, LostReply, Transport, calling
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
