"""`xetrade replay`: recorded frames into the lake, through the same recorder as a live capture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import (
    DepthOption,
    IntervalOption,
    JsonOption,
    LakeOption,
    VenueOption,
    interval_seconds,
    names,
    open_settings,
    seconds,
    universal,
)
from xetrade_core.cli.output import count, emit_json, emit_table, emit_text, say, working
from xetrade_core.errors import ConfigError, UnknownSymbol

if TYPE_CHECKING:
    from xetrade_core.capture.replay import ReplayReport

#: some thousands of lines each
LOOK_AHEAD_BATCHES = 4
COLUMNS = ("symbol", "expected", "captured", "synced", "gaps", "resyncs", "refused", "updates")


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Recorded files in their order: lines of `<receive ns> <frame>`.")
    ],
    venue: VenueOption,
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", help="Symbols of the recording, several times or with commas; ours name their own."),
    ] = None,
    lake: LakeOption = None,
    interval: IntervalOption = None,
    depth: DepthOption = None,
    staleness: Annotated[str | None, typer.Option(help="Age of the last update from which a book is stale.")] = None,
    compact: Annotated[bool, typer.Option(help="Compact the hours that were replayed.")] = True,
    accelerate: Annotated[
        bool | None,
        typer.Option(
            help="Binance's, OKX's and Bybit's messages by compiled code (xetrade[fast]). Default: from 32 MiB."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn recorded frames into rows of the lake.

    The files are read as one stream; the same files make the same bytes each time. Recordings with `--raw` name their
    own symbols, interval and depth.

    \b
    xetrade replay day1.gz day2.gz --venue binance --symbol BTC-USDT
    xetrade replay usdm.gz --venue binanceusdm --symbol BTCUSDT --interval 100ms --depth 20
    xetrade replay data/lake/raw_frames/venue=okx/date=2026-11-20/hour=13/*.zst --venue okx
    """
    from xetrade_core.assembly import lake_store
    from xetrade_core.capture import replay as replaying

    settings = open_settings(lake)
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise ConfigError.of("FILE", str(missing), "a recorded file that exists")
    symbols = tuple(universal(venue, one) for one in names(",".join(symbol or ())))
    require_recorded(files, venue, symbols)
    options: dict[str, Any] = {
        "interval_s": interval_seconds(interval),
        "depth": depth,
        "staleness_s": seconds(staleness, "--staleness") if staleness is not None else None,
    }
    size_mib = sum(path.stat().st_size for path in files) / 2**20
    if accelerate or (accelerate is None and replaying.worth_accelerating(files)):
        accelerate = True
        load_compiled()
    with working(f"replaying {count(len(files), 'file')}, {size_mib:,.1f} MiB"):
        report = replaying.replay(
            files, venue, symbols, lake_store(settings), compact=compact, accelerate=accelerate, **options
        )
    if as_json:
        emit_json(_summary(report))
        return
    rows = [tuple(getattr(row, name) for name in COLUMNS) for row in report.symbols]
    emit_table(f"{venue}, {count(report.files, 'file')}", COLUMNS, rows)
    _show_gaps(report)
    complete = [one.complete for one in report.compactions]
    verdict = f"; {sum(complete)} of {len(complete)} hours complete" if complete else ""
    emit_text(
        f"{count(report.updates, 'message')} applied in {report.seconds:.2f} s ({report.updates_per_s:,.0f}/s), "
        f"{count(report.rows, 'row')} in {settings.lake}{verdict}"
    )
    if accelerate:
        emit_text(f"{count(report.accelerated, 'message')} of these by compiled code")
    if report.unreadable_lines:
        say(f"{count(report.unreadable_lines, 'line')} could not be read")


def load_compiled() -> None:
    """Load the compiled code, and say so if it had to be compiled: that takes some seconds, once."""
    from xetrade_core.books import fast

    with working("loading compiled code (the first time on this machine it is compiled, in about ten seconds)"):
        compiled = fast.load()
    if compiled:
        say("compiled the code for the venues' messages; the next run finds it in numba's cache")


def require_recorded(files: Sequence[Path], venue: str, symbols: Sequence[str]) -> None:
    """Look into the recording before anything is written.

    Raises ConfigError where it names no symbols and none are given, UnknownSymbol where its beginning has no word of
    any that is given: a book of another symbol's snapshot must not come to be.
    """
    from xetrade_core.feeds.recording import Recording, is_control, read_control
    from xetrade_core.venues.instruments import named_instrument
    from xetrade_core.venues.registry import venue as known_venue

    rules = known_venue(venue)
    ids = [named_instrument(rules, symbol).venue_id for symbol in symbols]
    batches = Recording(files).batches()
    lines = [frame for batch in islice(batches, LOOK_AHEAD_BATCHES) for _, frame in batch]
    header = read_control(lines[0]) if lines and is_control(lines[0]) else None
    if header is not None and header.kind == "session":
        unknown = next((symbol for symbol in symbols if symbol not in header.symbols), None)
        if unknown is not None:
            raise UnknownSymbol(unknown, venue, f"the recording has {', '.join(header.symbols)}")
    elif not symbols:
        raise ConfigError("--symbol is missing: this recording does not name its symbols; --symbol BTC-USDT,ETH-USDT")
    elif lines and not any(f'"{venue_id}"'.encode() in line for venue_id in ids for line in lines):
        wanted = ", ".join(ids)
        raise UnknownSymbol(", ".join(symbols), venue, f"no frame of {wanted} among the first {len(lines):,} lines")


def _show_gaps(report: ReplayReport) -> None:
    from xetrade_core.cli.options import moment

    if not report.gaps:
        return
    columns = ("symbol", "from", "to", "cause", "from sequence", "to sequence", "detail")
    rows = [
        (gap.symbol, f"{moment(gap.from_ns):%F %T.%f}",
         "open" if gap.to_ns is None else f"{moment(gap.to_ns):%F %T.%f}", str(gap.cause.value),
         str(gap.from_sequence or "-"), str(gap.to_sequence or "-"), gap.detail)
        for gap in report.gaps
    ]  # fmt: skip
    emit_table("ledger: when there was no book, and why", columns, rows)


def _summary(report: ReplayReport) -> dict[str, object]:
    """The report without what belongs to the lake's own records."""
    from dataclasses import fields

    left_out = {"compactions"}
    summary: dict[str, object] = {
        field.name: getattr(report, field.name) for field in fields(report) if field.name not in left_out
    }
    return {**summary, "complete": all(one.complete for one in report.compactions)}


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(replay)
