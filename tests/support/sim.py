"""The simulated venues for tests: started as a process of their own, so that they do not disturb the measured one.

    with sim_process('seed = 1\n[venues.binance]\nsymbols = ["BTC/USDT"]') as sim:
        sim.url("binance").rest, sim.url("binance").ws
        sim.inject(kind="lost", venue="binance", symbol="BTC/USDT", count=2)
        sim.truth("binance", "BTC/USDT", sequence=..., depth=100)

The client is synchronous (a call takes about a millisecond); `AsyncSim` wraps it for code that must not block its loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xetrade_core.simvenue import VenueUrl

_START_S = 30.0


class SimError(AssertionError):
    """The simulation did not start, or an admin endpoint refused."""


class Sim:
    """Client of a running simulation's admin endpoints; has the `venues` and `url` that `ccxt_config` asks for."""

    def __init__(self, addresses: dict[str, Any]) -> None:
        self.admin_url: str = addresses["admin"]
        self._urls = {venue: VenueUrl(**urls) for venue, urls in addresses["venues"].items()}

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(self._urls)

    def url(self, venue: str) -> VenueUrl:
        return self._urls[venue]

    def inject(self, **fault: Any) -> int:
        """Give a fault (see docs/simulated-venues.md); `for_` stands for the field `for`. Gives its id."""
        if "for_" in fault:
            fault["for"] = fault.pop("for_")
        return int(self._call("POST", "/admin/faults", fault)["id"])

    def begin(self, **fault: Any) -> int:
        """`inject`, and wait until it acts: the simulation takes faults at its ticks."""
        fault_id = self.inject(**fault)
        while any(row["id"] == fault_id and not row["begun"] for row in self._call("GET", "/admin/faults")["active"]):
            time.sleep(0.005)
        return fault_id

    def clear(self, fault_id: int | None = None) -> None:
        """Take back one fault or all."""
        self._call("DELETE", "/admin/faults" + ("" if fault_id is None else f"?id={fault_id}"))

    def injected(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What has really been injected, oldest first."""
        rows: list[dict[str, Any]] = self._call("GET", "/admin/faults")["injected"]
        return [row for row in rows if kind in (None, row["kind"])]

    def truth(self, venue: str, symbol: str, sequence: int | None = None, depth: int = 100) -> dict[str, Any]:
        """The true book after the change with that id (None = now): `{"sequence", "bids": [[price, size], ...],
        "asks"}`.
        """
        query: dict[str, object] = {"venue": venue, "symbol": symbol, "depth": depth}
        if sequence is not None:
            query["sequence"] = sequence
        return self._call("GET", "/admin/truth?" + urllib.parse.urlencode(query))

    def state(self) -> dict[str, Any]:
        return self._call("GET", "/admin/state")

    def step(self, ticks: int = 1) -> dict[str, Any]:
        """Move time where the scenario says `auto = false`."""
        return self._call("POST", "/admin/step", {"ticks": ticks})

    def funding(self, venue: str, symbol: str, start_ms: int | None = None, end_ms: int | None = None) -> list[Any]:
        """The fundings that the venue shows with start_ms <= time <= end_ms, oldest first."""
        query: dict[str, object] = {"venue": venue, "symbol": symbol}
        query |= {name: at for name, at in (("start", start_ms), ("end", end_ms)) if at is not None}
        rows: list[Any] = self._call("GET", "/admin/funding?" + urllib.parse.urlencode(query))["rows"]
        return rows

    def change_funding(
        self, venue: str, symbol: str, at: str, until: str | None = None, rate: float | None = None
    ) -> None:
        """From now on the venue shows another `rate` for a funding, or, without a rate, no row at all."""
        self._call("POST", "/admin/funding", {"venue": venue, "symbol": symbol, "at": at, "until": until, "rate": rate})

    def restore_funding(self, venue: str, symbol: str) -> None:
        """The venue shows again what it paid."""
        self._call("DELETE", "/admin/funding?" + urllib.parse.urlencode({"venue": venue, "symbol": symbol}))

    def account(self, venue: str, account: str = "main") -> dict[str, Any]:
        """The truth: `balances`, `positions`, `open_orders`, `orders`, `fills`, `journal`, `dead_man`."""
        return self._call("GET", "/admin/account?" + urllib.parse.urlencode({"venue": venue, "account": account}))

    def fill(self, venue: str, order_id: int | str, amount: str | None = None) -> None:
        """Let somebody hit a resting order, wholly or for an amount."""
        self._call("POST", "/admin/fill", {"venue": venue, "order_id": int(order_id), "amount": amount})

    def pay_funding(self, venue: str, symbol: str, rate: str | None = None) -> None:
        """Let the positions of a perpetual pay a funding now."""
        self._call("POST", "/admin/funding/pay", {"venue": venue, "symbol": symbol, "rate": rate})

    def deliver(self, venue: str, symbol: str, price: str | None = None, fee_rate: str = "0") -> None:
        """Let a dated future end now."""
        self._call("POST", "/admin/deliver", {"venue": venue, "symbol": symbol, "price": price, "fee_rate": fee_rate})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin_url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise SimError(f"{method} {path}: {error.status} {error.read().decode()}") from None
        return answer


class AsyncSim:
    """`Sim` for coroutines: each call runs in a thread."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim

    async def inject(self, **fault: Any) -> int:
        return await asyncio.to_thread(self.sim.inject, **fault)

    async def injected(self, kind: str | None = None) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.sim.injected, kind)

    async def truth(self, venue: str, symbol: str, sequence: int | None = None, depth: int = 100) -> dict[str, Any]:
        return await asyncio.to_thread(self.sim.truth, venue, symbol, sequence, depth)

    async def state(self) -> dict[str, Any]:
        return await asyncio.to_thread(self.sim.state)


@contextlib.contextmanager
def sim_process(scenario: str = "") -> Iterator[Sim]:
    """Run `python -m xetrade_core.simvenue` with a scenario (TOML text) until the block ends. Ports are ephemeral."""
    with tempfile.TemporaryDirectory(prefix="xetrade-sim-") as directory:
        config, ports = Path(directory, "scenario.toml"), Path(directory, "ports.json")
        config.write_text(scenario)
        command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(config), "--port-file", str(ports)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            yield Sim(_addresses(process, ports))
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _addresses(process: subprocess.Popen[str], ports: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if ports.exists():
            addresses: dict[str, Any] = json.loads(ports.read_text())
            return addresses
        if process.poll() is not None:
            assert process.stderr is not None
            raise SimError(f"the simulation exited with {process.returncode}: {process.stderr.read()}")
        time.sleep(0.02)
    raise SimError(f"the simulation did not listen within {_START_S} s")


@pytest.fixture(autouse=True)
def no_faults_left(sim: Sim) -> Iterator[None]:
    """For a module with a `sim` of its own that imports this: each test ends without active faults."""
    yield
    sim.clear()


@pytest.fixture(scope="package")
def default_sim() -> Iterator[Sim]:
    """Three venues with a few symbols each, without faults of their own; shared by the tests of a directory.

    Use it from another directory by `from tests.support.sim import default_sim`.
    """
    with sim_process("seed = 1") as sim:
        yield sim
