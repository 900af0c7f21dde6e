"""`xetrade up`: the Dagster UI, daemon and code server, and the simulated venues, under one supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from xetrade_core.cli.options import open_settings
from xetrade_core.cli.output import say
from xetrade_core.errors import ConfigError
from xetrade_core.supervisor import Child, Supervisor

DEFINITIONS = "xetrade_pipelines.definitions"
COLOURS = {"sim": 36, "code": 35, "daemon": 33, "web": 32, "up": 1}


def up(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the UI, on 127.0.0.1.")] = 3000,
    live: Annotated[bool, typer.Option("--live", help="No simulated venues: the venues of the settings.")] = False,
    symbols: Annotated[str, typer.Option(help="Symbols a venue simulates: a number, or names.")] = "2",
    seed: Annotated[int, typer.Option(help="Seed of the simulated markets.")] = 1,
    home: Annotated[Path | None, typer.Option(help="DAGSTER_HOME; default: the variable, or ./.dagster.")] = None,
) -> None:
    """Run the Dagster UI and all it needs, until Ctrl-C.

    Simulated venues (unless --live), Dagster's code server, daemon and web interface, under one supervisor: what dies
    is started again, and nothing outlives it.

    \b
    xetrade up
    xetrade up --live --port 8080
    """
    open_settings()
    instance = Path("dagster.yaml")
    if not instance.is_file():
        raise ConfigError("there is no dagster.yaml here: run this in the project's directory")
    if not _free(port):
        raise ConfigError.of("--port", port, "a free port: something listens there already")
    place = prepare_home(home or Path(os.environ.get("DAGSTER_HOME") or ".dagster"), instance)
    children = dagster_children(place, port)
    if not live:
        simulated, environment = simulated_venues(place, symbols, seed)
        children = [simulated, *(_with(child, environment) for child in children)]
    say(f"the web interface will be at http://127.0.0.1:{port}; state is in {place}")
    asyncio.run(Supervisor(children, _teller()).run())


def prepare_home(home: Path, instance: Path) -> Path:
    """DAGSTER_HOME with the project's instance settings in it; a dagster.yaml that is there and ours is renewed."""
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    target, note = home / "dagster.yaml", "# copied by `xetrade up`; delete this line to keep your own changes\n"
    if not target.exists() or target.read_text().startswith(note):
        target.write_text(note + instance.read_text())
    return home


def dagster_children(home: Path, port: int) -> list[Child]:
    """Code server, then daemon and web server that both use it: the order in which they need each other."""
    code_port = free_port()
    workspace = home / "workspace.yaml"
    address = {"host": "127.0.0.1", "port": code_port, "location_name": "xetrade"}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": address}]}))  # JSON is YAML
    environment = {"DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1", "DAGSTER_DISABLE_TELEMETRY": "1"}
    tools = Path(sys.executable).parent
    code = [str(tools / "dagster"), "code-server", "start", "-m", DEFINITIONS, "-h", "127.0.0.1", "-p", str(code_port)]
    web = [str(tools / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)]
    return [
        Child("code", code, environment, listening(code_port), healthy_within_s=120),
        Child("daemon", [str(tools / "dagster-daemon"), "run", "-w", str(workspace)], environment),
        Child("web", web, environment, answering(f"http://127.0.0.1:{port}/server_info"), healthy_within_s=120),
    ]


def simulated_venues(home: Path, symbols: str, seed: int) -> tuple[Child, dict[str, str]]:
    """The simulated venues on ports that outlast a restart, and the variables that name them."""
    from xetrade_core.cli.sim import DEFAULT_VENUES, environment_lines, simulation
    from xetrade_core.simvenue.config import VenueConfig

    admin = free_port()
    ports = {venue: free_port() for venue in DEFAULT_VENUES.split(",")}
    config = simulation(tuple(ports), symbols, 0, seed)  # checks the options before anything is started
    scenario = home / "simulated-venues.toml"
    lines = [f"seed = {seed}", f"admin_port = {admin}"]
    environment: dict[str, str] = {}
    for venue, port in ports.items():
        names: tuple[str, ...] = VenueConfig(symbols=config.venues[venue].symbols).symbol_names(venue)
        lines += [f"[venues.{venue}]", f"port = {port}", f"symbols = {json.dumps(names)}"]
        urls = {"rest": f"http://127.0.0.1:{port}", "ws": f"ws://127.0.0.1:{port}"}
        environment |= environment_lines({venue: urls})
        environment[f"XETRADE_VENUES__{venue.upper()}__SYMBOLS"] = json.dumps(names)
    scenario.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(scenario)]
    return Child("sim", command, {}, answering(f"http://127.0.0.1:{admin}/admin/state")), environment


def listening(port: int) -> Callable[[], bool]:
    """A health check: something accepts connections on that port of this machine."""

    def healthy() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return healthy


def answering(url: str) -> Callable[[], bool]:
    """A health check: the URL answers 200."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy

    def healthy() -> bool:
        with contextlib.suppress(OSError), opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    return healthy


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _with(child: Child, environment: dict[str, str]) -> Child:
    from dataclasses import replace

    return replace(child, environment={**child.environment, **environment})


def _teller() -> Callable[[str, str], None]:
    """Prints each line under its child's name, in the child's colour on a terminal."""
    colour = sys.stderr.isatty()

    def tell(name: str, line: str) -> None:
        head = f"{name:>6} |"
        say(f"\x1b[{COLOURS.get(name, 37)}m{head}\x1b[0m {line}" if colour else f"{head} {line}")

    return tell


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(up)
