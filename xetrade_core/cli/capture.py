"""`xetrade capture`: record order books; watch and stop recordings. Also under the commands' older names."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.options import (
    DepthOption,
    IntervalOption,
    JsonOption,
    LakeOption,
    SpoolOption,
    interval_seconds,
    names,
    open_settings,
    pair_as_asked,
    seconds,
)
from xetrade_core.cli.output import count, emit_json, emit_table, emit_text, plain, say
from xetrade_core.cli.quoting import tell_failures
from xetrade_core.cli.recordings import known_recording, known_recordings, stop_and_wait, summary, verdict
from xetrade_core.errors import ConfigError, SessionError

if TYPE_CHECKING:
    from xetrade_core.capture.status import CaptureReport, CaptureStatus
    from xetrade_core.market_data.asking import Answers
    from xetrade_core.settings import Settings

SESSION_HELP = "Session id, or its beginning; the newest one that fits is meant."
STOP_WAIT_S = 60.0
LEAD_S = 2.0
"""From the start of a session to its first sample: time to connect, so that the first rows have books."""

capture = typer.Typer(help="Record order books; watch and stop recordings.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a capture command line asks for; None is the setting's default."""

    venues: tuple[str, ...]
    pairs: tuple[str, ...]
    interval_s: float | None
    duration_s: float | None
    depth: int | None
    raw: bool
    simulated: bool
    session_id: str = ""
    where_listed: bool = False


@capture.command()
def start(
    venues: Annotated[str, typer.Option(help="Venue ids: binance,okx. Default: those of the settings.")] = "",
    pairs: Annotated[str, typer.Option(help="BTC-USDT,ETH-USDT or venue ids. Default: those of the settings.")] = "",
    interval: IntervalOption = None,
    duration: Annotated[str | None, typer.Option(help="30s, 5m, 1h; default: until stopped.")] = None,
    depth: DepthOption = None,
    lake: LakeOption = None,
    spool: SpoolOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="Also keep every frame as it came, to be replayed.")] = False,
    sim: Annotated[bool, typer.Option("--sim", help="Start simulated venues and record those.")] = False,
    session_id: Annotated[str, typer.Option(help="Name of the session; default: made up.")] = "",
    where_listed: Annotated[
        bool, typer.Option("--where-listed", help="Leave out venues that lack a pair, instead of refusing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Record order books until the duration is over or Ctrl-C.

    Then seal and upload; a second Ctrl-C waits for nothing, and `xetrade recover` brings in what is left. Exit code 1
    if something is left.

    \b
    xetrade capture start --venues binance,okx --pairs BTC-USDT,ETH-USDT --duration 1h
    xetrade capture start --sim --interval 500ms --depth 20 --duration 30s
    xetrade capture start --venues binanceusdm --pairs BTCUSDT --raw
    xetrade capture start --venues binance,okx,bybit,max --pairs SOL-USDT --where-listed
    """
    settings = open_settings(lake, spool)
    wish = Wish(
        names(venues),
        names(pairs),
        interval_seconds(interval),
        seconds(duration, "--duration") if duration is not None else None,
        depth,
        raw or settings.capture.raw,
        sim,
        session_id,
        where_listed,
    )
    _record(settings, wish, as_json)


@capture.command()
def status(
    session_id: Annotated[str, typer.Option(help=SESSION_HELP)] = "",
    spool: SpoolOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the recordings of this machine, or one of them.

    \b
    xetrade capture status
    xetrade capture status --session-id mine --json
    """
    from xetrade_core.cli.progress import COLUMNS, headline, rows_of

    settings = open_settings(None, spool)
    if session_id:
        one, alive = known_recording(settings.spool, session_id)
        if as_json:
            emit_json({**plain(one), "alive": alive})
        else:
            emit_table(headline(one), COLUMNS, rows_of(one))
            emit_text(verdict(one, alive))
        return
    found = known_recordings(settings.spool)
    if as_json:
        emit_json({"sessions": [{**plain(one), "alive": alive} for one, alive in found]})
        return
    if not found:
        emit_text(f"no recordings in {settings.spool}: `xetrade capture start` makes one")
        return
    columns = ("session", "state", "books", "expected", "captured", "synced", "gaps", "waiting files")
    emit_table(f"recordings in {settings.spool}", columns, [summary(one, alive) for one, alive in found])


@capture.command()
def stop(
    session_id: Annotated[str, typer.Option(help=SESSION_HELP)] = "",
    spool: SpoolOption = None,
    wait: Annotated[str, typer.Option(help="How long to wait for it to seal and upload.")] = f"{STOP_WAIT_S:g}s",
    as_json: JsonOption = False,
) -> None:
    """Stop a recording; it seals and uploads what it has.

    Without --session-id: the only one that runs.
    """
    settings = open_settings(None, spool)
    running = [one for one, alive in known_recordings(settings.spool) if alive]
    if session_id:
        one, alive = known_recording(settings.spool, session_id)
        if not alive:
            raise SessionError(f"session {one.session_id} does not run: it is {one.state}")
    elif len(running) != 1:
        which = ", ".join(one.session_id for one in running) or "none"
        raise SessionError(f"name the session with --session-id: {which} run in {settings.spool}")
    else:
        one = running[0]
    ended = stop_and_wait(settings.spool, one, seconds(wait, "--wait"))
    if as_json:
        emit_json(plain(ended))
    else:
        sent = count(ended.uploaded_files, "file")
        left = f"; {count(ended.spool_files, 'file')} left: run `xetrade recover`" if ended.spool_files else ""
        emit_text(f"{ended.session_id}: {ended.state}, {sent} uploaded{left}")


def start_capture(
    venue: Annotated[str, typer.Option(help="Venue id; `mock` is a simulated binance.")],
    pairs: Annotated[str, typer.Option(help="BTC-USDT,ETH-USDT")],
    interval: Annotated[float, typer.Option(help="Seconds between snapshots.")] = 1.0,
    duration: Annotated[float, typer.Option(help="Minutes; 0: until stopped.")] = 0.0,
    storage: Annotated[str, typer.Option(help="s3 or local: where the lake must be.")] = "",
    depth: DepthOption = None,
    as_json: JsonOption = False,
) -> None:
    """`capture start` by its earlier name and flags.

    Here the duration is in minutes, and the venue `mock` is a simulated binance.

    \b
    xetrade start-capture --venue mock --pairs BTC-USDT,ETH-USDT --interval 1.0 --duration 10 --storage local
    """
    settings = open_settings()
    if storage not in ("", "s3", "local"):
        raise ConfigError.of("--storage", storage, "s3 or local")
    if storage and (storage == "s3") != settings.lake.startswith("s3://"):
        wanted = "s3://bucket/prefix" if storage == "s3" else "a directory"
        raise ConfigError(f"--storage {storage}, but the lake is {settings.lake}: set XETRADE_LAKE to {wanted}")
    if duration < 0:
        raise ConfigError.of("--duration", duration, "minutes, or 0 for no end")
    simulated = venue == "mock"
    session = "_".join((venue, *(pair.replace("/", "-").replace(":", "-") for pair in names(pairs))))[:80]
    wish = Wish(
        ("binance",) if simulated else (venue,),
        names(pairs),
        interval_seconds(str(interval)),
        duration * 60 or None,
        depth,
        settings.capture.raw,
        simulated,
        f"{session}.{time.time_ns() // 1_000_000_000}",
    )
    _record(settings, wish, as_json)


def _record(settings: Settings, wish: Wish, as_json: bool) -> None:
    """Run one session to its end and show the report."""
    with contextlib.ExitStack() as stack:
        if wish.simulated:
            from xetrade_core.cli.simulated import simulated_venues

            wish = replace(wish, venues=wish.venues or ("binance", "okx"), pairs=wish.pairs or ("BTC-USDT", "ETH-USDT"))
            settings = stack.enter_context(simulated_venues(settings, wish.venues, wish.pairs))
        report = asyncio.run(_session(settings, wish))
    if as_json:
        emit_json({**plain(report.status), "reason": report.reason, "left_in_spool": report.left_in_spool})
    else:
        _show_report(report, settings)
    if report.left_in_spool:
        raise typer.Exit(1)


def _show_report(report: CaptureReport, settings: Settings) -> None:
    from xetrade_core.cli.progress import COLUMNS, headline, rows_of

    emit_table(headline(report.status), COLUMNS, rows_of(report.status))
    emit_text(f"{report.reason}; the lake is {settings.lake}: `xetrade compact`, then `xetrade quality`")
    if report.left_in_spool:
        waiting = count(report.left_in_spool, "file")
        say(f"{waiting} could not be uploaded and wait in {settings.spool}: run `xetrade recover`")


async def _session(settings: Settings, wish: Wish) -> CaptureReport:
    from xetrade_core.assembly import capture_session, universal_symbols
    from xetrade_core.capture.config import CaptureConfig
    from xetrade_core.capture.spool import require_spool
    from xetrade_core.cli.progress import Progress
    from xetrade_core.clock import NS_PER_S, SystemClock
    from xetrade_core.exposition import publish
    from xetrade_core.telemetry import serve_metrics

    clock, rng = SystemClock(), random.Random()
    require_spool(settings.spool)
    found = await universal_symbols(settings, _wanted(settings, wish), clock, rng)
    symbols = _recordable(found, wish.where_listed)
    defaults = settings.capture
    interval_s = wish.interval_s or defaults.interval_s
    start_ns = clock.wall_ns() + round(LEAD_S * NS_PER_S)
    config = CaptureConfig(
        venues=symbols,
        spool_dir=settings.spool,
        interval_s=interval_s,
        depth=wish.depth or defaults.depth,
        start_ns=start_ns,
        end_ns=start_ns + round(wish.duration_s * NS_PER_S) if wish.duration_s else None,
        segment_s=max(defaults.segment_s, interval_s),
        staleness_s=defaults.staleness_s,
        venue_staleness_s={name: own for name in symbols if (own := settings.venue(name).staleness_s) is not None},
        raw=wish.raw,
        session_id=wish.session_id,
    )
    with Progress() as progress, contextlib.ExitStack() as stack:

        def show(now: CaptureStatus) -> None:
            publish(now)
            progress.show(now)

        if settings.metrics.port is not None:
            port, close = serve_metrics(settings.metrics.port, settings.metrics.host)
            stack.callback(close)
            say(f"metrics at http://{settings.metrics.host}:{port}/metrics")
        session = capture_session(config, settings, clock, rng, show)
        _stop_on_signals(session.request_stop)
        return await session.run()


def _recordable(found: Answers[tuple[str, ...]], where_listed: bool) -> Mapping[str, tuple[str, ...]]:
    """Symbols by venue. Venues that lack a pair are left out and named where that is asked for, else an error."""
    if not found.failures:
        return found.by_venue
    if not found.by_venue and len(found.failures) == 1:
        raise found.failures[0].error
    if not found.by_venue or not where_listed:
        lacking = "; ".join(failure.reason for failure in found.failures)
        others = ", ".join(found.by_venue)
        todo = (
            f"leave them out, or record {others} alone with --where-listed" if others else "name pairs that they list"
        )
        raise ConfigError(f"not every venue has what is to be recorded: {lacking}; {todo}")
    tell_failures(found.failures)
    return found.by_venue


def _stop_on_signals(request_stop: Callable[..., None]) -> None:
    """The first SIGINT or SIGTERM stops, seals and uploads; the next one waits for nothing."""
    asked = False

    def stop_now() -> None:
        nonlocal asked
        request_stop("stopped by a signal", hurry=asked)
        if not asked:
            say("stopping: sealing and uploading; again to leave the rest in the spool")
        asked = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_now)


def _wanted(settings: Settings, wish: Wish) -> dict[str, tuple[str, ...]]:
    """Pairs by venue: those named, else those of the settings."""
    venues = wish.venues or tuple(name for name, own in settings.venues.items() if own.symbols)
    asked = tuple(pair_as_asked(pair) for pair in wish.pairs)
    wanted = {venue: asked or settings.venue(venue).symbols for venue in venues}
    if not wanted:
        raise ConfigError(
            "nothing to record: name --venues and --pairs, or set venues.<venue>.symbols (docs/settings.md)"
        )
    for venue, pairs in wanted.items():
        if not pairs:
            raise ConfigError(f"nothing to record on {venue}: name --pairs, or set venues.{venue}.symbols")
    return wanted


def add_to(app: typer.Typer) -> None:
    """Add the group, and the older spellings of its commands."""
    app.add_typer(capture, name="capture")
    app.command("start-capture", hidden=False)(start_capture)
    app.command("capture-status")(status)
    app.command("stop-capture")(stop)
