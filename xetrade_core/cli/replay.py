"""`xetrade replay`: recorded frames into the lake, through the same recorder as a live capture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.options import (
    DepthOption,
    IntervalOption,
    JsonOption,
    LakeOption,
    VenueOption,
    names,
    open_settings,
    seconds,
    universal,
)
from xetrade_core.cli.output import emit_json, emit_table, emit_text, say
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.capture.replay import ReplayReport

COLUMNS = ("symbol", "expected", "captured", "synced", "gaps", "resyncs", "refused", "updates")


def replay(
    files: Annotated[
        list[Path], typer.Argument(help="Recorded files in their order: lines of `<receive ns> <frame>`.")
    ],
    venue: VenueOption,
    symbol: Annotated[
        str, typer.Option("--symbol", help="Symbols of the recording, with commas; ours name their own.")
    ] = "",
    lake: LakeOption = None,
    interval: IntervalOption = None,
    depth: DepthOption = None,
    staleness: Annotated[str | None, typer.Option(help="Age of the last update from which a book is stale.")] = None,
    compact: Annotated[bool, typer.Option(help="Compact the hours that were replayed.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Replay recordings of one venue into the lake, as one stream; the same files make the same bytes each time."""
    from xetrade_core.assembly import lake_store
    from xetrade_core.capture import replay as replaying

    settings = open_settings(lake)
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise ConfigError.of("FILE", str(missing), "a recorded file that exists")
    report = replaying.replay(
        files,
        venue,
        tuple(universal(venue, one) for one in names(symbol)),
        lake_store(settings),
        interval_s=seconds(interval, "--interval") if interval is not None else None,
        depth=depth,
        staleness_s=seconds(staleness, "--staleness") if staleness is not None else None,
        compact=compact,
    )
    if as_json:
        emit_json(_summary(report))
        return
    rows = [tuple(getattr(row, name) for name in COLUMNS) for row in report.symbols]
    emit_table(f"{venue}, {report.files} files", COLUMNS, rows)
    _show_gaps(report)
    complete = [one.complete for one in report.compactions]
    verdict = f"; {sum(complete)} of {len(complete)} hours complete" if complete else ""
    emit_text(
        f"{report.updates:,} updates in {report.seconds:.2f} s ({report.updates_per_s:,.0f}/s), {report.rows:,} rows "
        f"in {settings.lake}{verdict}"
    )
    if report.unreadable_lines:
        say(f"{report.unreadable_lines} lines could not be read")


def _show_gaps(report: ReplayReport) -> None:
    from xetrade_core.cli.options import moment

    if not report.gaps:
        return
    columns = ("gap", "symbol", "from", "to", "cause", "from sequence", "to sequence", "detail")
    rows = [
        (gap.gap_id, gap.symbol, f"{moment(gap.from_ns):%F %T.%f}",
         "open" if gap.to_ns is None else f"{moment(gap.to_ns):%F %T.%f}", str(gap.cause.value),
         str(gap.from_sequence or "-"), str(gap.to_sequence or "-"), gap.detail)
        for gap in report.gaps
    ]  # fmt: skip
    emit_table("gaps", columns, rows)


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
