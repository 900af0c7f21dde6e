"""`xetrade demo`: the main job from end to end on simulated venues, with two faults on purpose, and the proof after it.

Everything is what a real deployment runs: the venues speak their wire protocols on loopback, the recording is the
Dagster job `capture_l2`, the files are the lake's. The exit code says whether everything was found and accounted for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import seconds
from xetrade_core.cli.output import emit_text, say
from xetrade_core.errors import ConfigError, XETradeError

if TYPE_CHECKING:
    from xetrade_core.capture.status import CaptureStatus
    from xetrade_core.cli.simulated import Simulated

DEFINITIONS = "xetrade_pipelines.definitions"
SYMBOLS = {
    "binance": ("BTC/USDT", "ETH/USDT"),
    "binanceusdm": ("BTC/USDT:USDT", "ETH/USDT:USDT"),
    "okx": ("BTC/USDT", "ETH/USDT"),
}
INTERVAL_S = 1.0
DEPTH = 100
#: what goes wrong on purpose: the fault, and when, as a share of the recording
FAULTS: tuple[tuple[float, dict[str, str]], ...] = (
    (0.35, {"kind": "lost", "venue": "binance", "symbol": "BTC/USDT"}),
    (0.65, {"kind": "disconnect", "venue": "okx"}),
)
#: within the second: so close to the next sample that a book which is lost then is still away when it is due
JUST_BEFORE_S = 0.85
JOB_TIMEOUT_S = 120.0


class DemoFailed(XETradeError):
    """A step of the demo did not do its work; the message names its log."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one demo keeps its things: `out/demo` by default, emptied at the start."""

    root: Path

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def home(self) -> Path:
        return self.root / "dagster"

    @property
    def picture(self) -> Path:
        return self.root / "book.png"


def demo(
    duration: Annotated[str, typer.Option(help="How long to record.")] = "60s",
    out: Annotated[Path, typer.Option(help="Directory for everything the demo writes; replaced.")] = Path("out/demo"),
) -> None:
    """Record simulated venues, break things, prove it was found.

    Through Dagster, three venues, about two minutes: a connection is cut and a message lost on purpose, and every
    second accounted for. Exit code 1 if anything is not. To be run in the project's directory.

    \b
    xetrade demo
    xetrade demo --duration 20s --out /tmp/demo
    """
    from xetrade_core.cli.demo_report import Findings, show
    from xetrade_core.cli.simulated import simulator

    began = time.monotonic()
    duration_s = seconds(duration, "--duration")
    if duration_s < 10:
        raise ConfigError.of("--duration", duration, "at least 10s, for two faults and their recoveries")
    place = prepare(out)
    arguments = ["--venues", ",".join(SYMBOLS), "--symbols", "2"]
    with simulator(arguments) as simulated:
        say(f"1. simulated venues: {', '.join(SYMBOLS)}, two symbols each, at {simulated.admin}")
        environment = environment_of(place, simulated)
        say(f"2. job capture_l2: {duration_s:g} s, a snapshot a second, {DEPTH} levels; log: {place.root}/capture.log")
        record(place, environment, simulated, duration_s)
        say(f"3. job compact_l2: merge, verify, measure; log: {place.root}/compact.log")
        run_job("compact_l2", {}, place.root / "compact.log", environment)
        findings = Findings.gather(place.lake, SYMBOLS, round(duration_s / INTERVAL_S), simulated.admin)
    say("4. what the lake holds\n")
    show(findings, place.lake, place.picture)
    emit_text(f"\ndemo: {'passed' if findings.accounted else 'FAILED'} in {time.monotonic() - began:.0f} s")
    raise typer.Exit(0 if findings.accounted else 1)


def prepare(root: Path) -> Place:
    """An empty place; refuses to empty a directory that no demo has made."""
    import shutil

    marker = root / ".xetrade-demo"
    if root.exists() and any(root.iterdir()) and not marker.exists():
        raise ConfigError.of("--out", str(root), "a new or empty directory, or that of an earlier demo")
    instance = Path("dagster.yaml")
    if not instance.is_file():
        raise ConfigError("there is no dagster.yaml here: run this in the project's directory")
    if root.exists():
        shutil.rmtree(root)
    place = Place(root.resolve())
    place.home.mkdir(parents=True)
    marker.touch()
    shutil.copy(instance, place.home / "dagster.yaml")
    return place


def environment_of(place: Place, simulated: Simulated) -> dict[str, str]:
    """The variables of the jobs: this lake, this spool, these venues; no setting of the machine gets in."""
    from xetrade_core.cli.sim import environment_lines

    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("XETRADE_")}
    settings = place.root / "xetrade.toml"
    settings.write_text(f'lake = "{place.lake}"\nspool = "{place.spool}"\n\n[capture]\nsegment_s = 15\n')
    return {
        **inherited,
        **environment_lines(simulated.venues),
        "XETRADE_CONFIG": str(settings),
        "XETRADE_LAKE": str(place.lake),
        "DAGSTER_HOME": str(place.home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }


def record(place: Place, environment: Mapping[str, str], simulated: Simulated, duration_s: float) -> None:
    """Run the capture job, show how it goes, and inject the faults when their time has come."""
    from xetrade_core.cli.progress import Progress

    config = {
        "venues": {venue: list(symbols) for venue, symbols in SYMBOLS.items()},
        "duration_s": duration_s,
        "interval_s": INTERVAL_S,
        "depth": DEPTH,
    }
    waiting = list(FAULTS)
    with job("capture_l2", {"ops": {"capture_l2": {"config": config}}}, place.root / "capture.log", environment) as run:
        deadline = time.monotonic() + duration_s + JOB_TIMEOUT_S
        with Progress() as progress:
            while run.poll() is None:
                status = session_status(place.spool)
                if status is not None:
                    progress.show(status)
                    if waiting and elapsed_s(status) >= waiting[0][0] * duration_s:
                        time.sleep((JUST_BEFORE_S - time.time()) % INTERVAL_S)
                        inject(simulated.admin, waiting.pop(0)[1])
                if time.monotonic() > deadline:
                    raise DemoFailed(f"the recording did not end: see {place.root}/capture.log")
                time.sleep(0.2)
    finish("capture_l2", run, place.root / "capture.log")


def elapsed_s(status: CaptureStatus) -> float:
    """Seconds of the window that are over."""
    return (time.time_ns() - status.start_ns) / 1e9


def session_status(spool: Path) -> CaptureStatus | None:
    """What the one session of the spool tells about itself, once it does."""
    import msgspec

    from xetrade_core.capture.spool import sessions
    from xetrade_core.capture.status import read_status

    for session in sessions(spool):
        try:
            return read_status(session.status_file.read_bytes())
        except (OSError, msgspec.DecodeError):
            continue
    return None


def inject(admin: str, fault: Mapping[str, str]) -> None:
    """Tell the simulated venues to break something now."""
    call(f"{admin}/admin/faults", json.dumps(fault).encode())
    where = " ".join(value for name, value in fault.items() if name != "kind")
    say(f"   injected on purpose: {fault['kind']} on {where}")


def call(url: str, body: bytes | None = None) -> Any:
    """The JSON answer of an admin endpoint on loopback."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data=body), timeout=10) as answer:
        return json.load(answer)


@contextmanager
def job(
    name: str, config: Mapping[str, Any], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster job execute` of one job while the block lasts; ended with it if it still runs."""
    from xetrade_core.supervisor import die_with_parent

    file = log.with_suffix(".json")  # JSON is YAML
    file.write_text(json.dumps(config, indent=1))
    program = str(Path(sys.executable).with_name("dagster"))
    command = [program, "job", "execute", "-m", DEFINITIONS, "-j", name, "-c", str(file)]
    with log.open("wb") as output:
        run = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent,
        )
        try:
            yield run
        finally:
            if run.poll() is None:
                run.terminate()
                try:
                    run.wait(30)
                except subprocess.TimeoutExpired:
                    run.kill()
                    run.wait()


def run_job(name: str, config: Mapping[str, Any], log: Path, environment: Mapping[str, str]) -> None:
    """Run a job to its end. Raises DemoFailed."""
    with job(name, config, log, environment) as run:
        try:
            run.wait(JOB_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"the job {name} did not end: see {log}") from None
    finish(name, run, log)


def finish(name: str, run: subprocess.Popen[bytes], log: Path) -> None:
    """Raise DemoFailed with the last words of a job that failed."""
    if run.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise DemoFailed(f"the job {name} ended with exit code {run.returncode}: {' '.join(last)} (see {log})")


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(demo)
