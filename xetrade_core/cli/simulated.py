"""Simulated venues beside a command: a process of their own, and settings that point at it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xetrade_core.errors import XETradeError
from xetrade_core.supervisor import die_with_parent

if TYPE_CHECKING:
    from xetrade_core.settings import Settings

START_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """Where the venues listen: `venues[venue]["rest" | "ws"]`, and the admin endpoints."""

    admin: str
    venues: Mapping[str, Mapping[str, str]]


@contextlib.contextmanager
def simulator(arguments: Sequence[str]) -> Iterator[Simulated]:
    """`xetrade sim ARGUMENTS...` for as long as the block lasts. Raises XETradeError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="xetrade-sim-") as folder:
        ports = Path(folder) / "ports.json"
        command = [sys.executable, "-m", "xetrade_core.cli", "sim", *arguments, "--port-file", str(ports)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            yield _wait(process, ports)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=5)
            process.kill()


@contextlib.contextmanager
def simulated_venues(settings: Settings, venues: Sequence[str], pairs: Sequence[str]) -> Iterator[Settings]:
    """`settings` with these venues simulated, listing these pairs."""
    from xetrade_core.settings_sections import VenueSettings

    with simulator(["--venues", ",".join(venues), "--symbols", ",".join(pairs)]) as simulated:
        pointed = {
            name: VenueSettings(rest_url=urls["rest"], ws_url=urls["ws"]) for name, urls in simulated.venues.items()
        }
        yield settings.model_copy(update={"venues": {**settings.venues, **pointed}})


def _wait(process: subprocess.Popen[bytes], ports: Path) -> Simulated:
    deadline = time.monotonic() + START_WITHIN_S
    while not ports.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            said = process.communicate()[1].decode(errors="replace").strip().removeprefix("error: ")
            raise XETradeError(f"the simulated venues did not start: {said or 'no answer'}")
        time.sleep(0.02)
    addresses = json.loads(ports.read_text())
    return Simulated(addresses["admin"], addresses["venues"])
