"""`xetrade sim`: simulated venues on loopback until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.options import JsonOption, names
from xetrade_core.cli.output import emit_json, emit_text, say
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.simvenue.config import SimConfig

DEFAULT_VENUES = "binance,binanceusdm,okx,bybit"


def sim(
    venues: Annotated[str, typer.Option(help="Venues to simulate.")] = DEFAULT_VENUES,
    symbols: Annotated[str, typer.Option(help="How many symbols a venue, or which: BTC/USDT,ETH/USDT.")] = "",
    port: Annotated[
        int, typer.Option(min=0, max=65_000, help="Admin port; the venues take those after it. 0: any free ones.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same markets.")] = 1,
    scenario: Annotated[
        Path | None, typer.Option(help="Scenario file (TOML); what it says replaces the options above.")
    ] = None,
    recording: Annotated[Path | None, typer.Option(help="Serve this recording instead of a made-up market.")] = None,
    port_file: Annotated[Path | None, typer.Option(help="Also write the addresses to this file, as JSON.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start simulated venues, until Ctrl-C.

    They speak the real venues' wire protocols on loopback. Prints the variables that point XETrade at them: keep them
    in a file, and `source sim.env` in another shell.

    \b
    xetrade sim
    xetrade sim > sim.env
    xetrade sim --venues binance --symbols BTC/USDT,ETH/USDT --seed 7
    xetrade sim --scenario faults.toml --port-file ports.json
    xetrade sim --venues binance --symbols BTC/USDT --recording recorded.gz
    """
    from xetrade_core.simvenue.config import load_config

    if scenario is not None:
        config = load_config(scenario)
    else:
        config = simulation(names(venues), symbols, port, seed, recording)
    try:
        asyncio.run(_serve(config, port_file, as_json))
    finally:
        if port_file is not None:
            port_file.unlink(missing_ok=True)


def simulation(venues: tuple[str, ...], symbols: str, port: int, seed: int, recording: Path | None = None) -> SimConfig:
    """The simulation that the options describe. Raises ConfigError."""
    from xetrade_core.simvenue.config import MOST_SYMBOLS, RecordingConfig, SimConfig, VenueConfig

    if recording is not None:
        if not recording.is_file():
            raise ConfigError.of("--recording", str(recording), "a recorded file, lines of `<receive ns> <frame>`")
        if len(venues) != 1 or not symbols:
            raise ConfigError("--recording serves one venue: name it, and its symbols, with --venues and --symbols")
    wanted = int(symbols) if symbols.isdigit() else names(symbols) or None
    if isinstance(wanted, int) and not 1 <= wanted <= MOST_SYMBOLS:
        raise ConfigError.of("--symbols", symbols, f"a number from 1 to {MOST_SYMBOLS}, or names")
    source = RecordingConfig(path=str(recording)) if recording else None
    return SimConfig(
        venues={
            venue: VenueConfig(symbols=_fitting(venue, wanted), port=port + 1 + index if port else 0, recording=source)
            for index, venue in enumerate(venues)
        },
        seed=seed,
        admin_port=port,
    )


def _fitting(venue: str, wanted: int | tuple[str, ...] | None) -> int | tuple[str, ...] | None:
    """The symbols as this venue trades them: `BTC/USDT` is `BTC/USDT:USDT` on a venue of swaps only."""
    if not isinstance(wanted, tuple):
        return wanted
    pairs = [name if "/" in name else name.replace("-", "/", 1) for name in wanted]
    settle = {"binanceusdm": -1, "binancecoinm": 0}.get(venue)
    if settle is None:
        return tuple(pairs)
    return tuple(pair if ":" in pair else f"{pair}:{pair.split('/')[settle]}" for pair in pairs)


def environment_lines(addresses: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The variables that point XETrade at these venues: `{venue: {"rest": url, "ws": url}}`."""
    return {
        f"XETRADE_VENUES__{venue.upper()}__{kind.upper()}_URL": urls[kind]
        for venue, urls in addresses.items()
        for kind in ("rest", "ws")
    }


async def _serve(config: SimConfig, port_file: Path | None, as_json: bool) -> None:
    from xetrade_core.simvenue.run import write_port_file
    from xetrade_core.simvenue.server import SimServer

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with SimServer(config) as server:
        urls = {venue: server.url(venue) for venue in server.venues}
        addresses = {venue: {"rest": url.rest, "ws": url.ws} for venue, url in urls.items()}
        if port_file is not None:
            write_port_file(server, port_file)
        _announce(config, server.admin_url, addresses, as_json)
        await server.until(stop)
    say("simulated venues ended")


def _announce(config: SimConfig, admin: str, addresses: dict[str, dict[str, str]], as_json: bool) -> None:
    if as_json:
        emit_json({"admin": admin, "venues": addresses, "environment": environment_lines(addresses)})
    else:
        say(f"simulated venues, seed {config.seed}; faults and the true books at {admin}/admin/state")
        for venue in addresses:
            say(f"  {venue}: {', '.join(config.venues[venue].symbol_names(venue))}")
        say("point XETrade at them with what is on standard output, in another shell:")
        for name, value in environment_lines(addresses).items():
            emit_text(f"export {name}={value}")
        say("Ctrl-C ends them")
    sys.stdout.flush()


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(sim)
