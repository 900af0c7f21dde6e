"""Run the simulated venues as a process of their own: for the command line, the supervisor, and tests."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.config import SimConfig, load_config
from xetrade_core.simvenue.server import SimServer


def run_sim(config: SimConfig, port_file: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Blocking; for `xetrade sim` and `python -m xetrade_core.simvenue`.

    `port_file`, if given, gets `{"admin": url, "venues": {venue: {"rest": url, "ws": url}}}` once all ports listen,
    and is removed at the end.
    """
    try:
        asyncio.run(serve(config, port_file))
    finally:
        if port_file is not None:
            port_file.unlink(missing_ok=True)


async def serve(config: SimConfig, port_file: Path | None = None) -> None:
    """As `run_sim`, inside a running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with SimServer(config) as sim:
        if port_file is not None:
            write_port_file(sim, port_file)
        await sim.until(stop)


def write_port_file(sim: SimServer, path: Path) -> None:
    """Tell others where the venues listen; the file appears whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(msgspec.json.encode({**sim.addresses(), "pid": os.getpid()}))
    partial.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """`python -m xetrade_core.simvenue [--config FILE] [--port-file FILE]`; exit code 2 for a bad scenario."""
    parser = argparse.ArgumentParser(
        prog="python -m xetrade_core.simvenue", description="Simulated venues on loopback."
    )
    parser.add_argument(
        "--config", type=Path, help="scenario file (TOML); without one, three venues with a few symbols"
    )
    parser.add_argument("--port-file", type=Path, help="write the addresses as JSON to this file once all ports listen")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config) if options.config else SimConfig()
        run_sim(config, options.port_file)
    except XETradeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
