"""`xetrade recover`, `compact`, `quality`: from what was captured to what is proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.options import (
    NS_PER_HOUR,
    IntervalOption,
    JsonOption,
    LakeOption,
    SpoolOption,
    instant_ns,
    interval_seconds,
    moment,
    open_settings,
    symbol_fits,
    window,
)
from xetrade_core.cli.output import cell_text, console, count, emit_json, emit_table, emit_text, working
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, CorruptFile, LakeError, LakeUnavailable, StorageFull, XETradeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xetrade_core.lake.compaction import CompactionReport
    from xetrade_core.lake.quality import QualityRecord
    from xetrade_core.lake.store import ObjectStore

HourOption = Annotated[str | None, typer.Option("--hour", help="One UTC hour: 2026-11-20T13.")]
FromOption = Annotated[str | None, typer.Option("--from", help="From this UTC time on.")]
ToOption = Annotated[str | None, typer.Option("--to", help="To this UTC time, exclusive.")]
AnyVenueOption = Annotated[str, typer.Option("--venue", help="Only this venue.")]
CheckOption = Annotated[bool, typer.Option("--check", help="Exit with code 1 unless everything is complete.")]

#: left out one after the other where the terminal is too narrow
EXPENDABLE = ("bytes/row", "p50 ms", "resyncs", "p99 ms", "captured")
COLUMN_GAP = 3
#: shown only where one is not zero
RARE = ("missing", "unexplained", "refused", "crossed", "stale")


def recover(lake: LakeOption = None, spool: SpoolOption = None, as_json: JsonOption = False) -> None:
    """Bring what dead recordings left into the lake.

    Reads the spool: seals orphaned write-ahead logs, uploads what waits. Living recordings are left alone, and it can
    be repeated at any time. Exit code 1 if something could not be brought in.
    """
    from xetrade_core import assembly
    from xetrade_core.capture import recovery
    from xetrade_core.clock import SystemClock

    settings = open_settings(lake, spool)
    store = assembly.lake_to_fill(settings)
    with working(f"recovering from {settings.spool}"):
        report = recovery.recover(settings.spool, store, SystemClock())
    if as_json:
        emit_json(report)
    else:
        columns = ("session", "rows", "torn bytes", "uploaded", "left", "problem")
        rows = [
            (one.session_id, one.rows, one.torn_bytes, one.uploaded, one.left, one.problem) for one in report.recovered
        ]
        if rows:
            emit_table("", columns, rows)
        emit_text(
            f"{count(len(rows), 'session')} recovered, {len(report.live)} live left alone, "
            f"{count(report.left, 'file')} left"
        )
    if report.left:
        raise typer.Exit(1)


def compact(
    venue: AnyVenueOption = "",
    hour: HourOption = None,
    interval: IntervalOption = None,
    lake: LakeOption = None,
    check: CheckOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn segments into sorted, verified hours.

    Makes each hour's rows, gap ledger and completeness record, and deletes segments only after reading back what was
    written. Every hour that waits, or those of --venue and --hour. Can be repeated at any time. An hour that cannot be
    compacted keeps its segments and stops no other.

    \b
    xetrade compact
    xetrade compact --venue okx --hour 2026-11-20T13 --check
    """
    from xetrade_core.assembly import lake_store
    from xetrade_core.lake.compaction import compact_hour
    from xetrade_core.lake.pending import pending_hours

    settings = open_settings(lake)
    store = lake_store(settings)
    _require_venue(venue)
    interval_s = interval_seconds(interval)
    interval_ns = round(interval_s * NS_PER_S) if interval_s is not None else None
    usual_ns = round(settings.capture.interval_s * NS_PER_S)
    wanted = instant_ns(hour, "--hour") // NS_PER_HOUR * NS_PER_HOUR if hour is not None else None
    hours = [one for one in pending_hours(store, venue or None) if wanted in (None, one[1])]
    reports: list[CompactionReport] = []
    problems: list[XETradeError] = []
    with working("") as tell:
        for number, (name, start) in enumerate(hours, 1):
            tell(f"hour {number} of {len(hours)}: {name}, {moment(start):%F %H:00}")
            try:
                reports.append(compact_hour(store, name, start, interval_ns=interval_ns, usual_interval_ns=usual_ns))
            except (LakeUnavailable, StorageFull):
                raise  # no other hour would fare better
            except (ConfigError, LakeError, CorruptFile) as error:
                problems.append(error)
    records = [symbol.quality for report in reports for symbol in report.symbols]
    if problems and not reports:
        raise _of_several(problems)
    complete = not problems and all(report.complete for report in reports)
    if as_json:
        emit_json({"complete": complete, "hours": reports, "problems": [str(error) for error in problems]})
    else:
        if records:
            _show(records)
        unreadable = [key for report in reports for key in report.unreadable]
        merged = sum(report.segments_merged for report in reports)
        emit_text(
            f"{count(len(reports), 'hour')} compacted from {count(merged, 'segment')}"
            + "".join(f"; unreadable: {key}" for key in unreadable)
        )
        if problems:
            raise _of_several(problems)
    if problems:
        raise typer.Exit(2)
    if check and not complete:
        raise typer.Exit(1)


def _of_several(problems: Sequence[XETradeError]) -> XETradeError:
    """The one error that is told; the hours that it stands for keep their segments and wait."""
    if len(problems) == 1:
        return problems[0]
    return LakeError(f"{len(problems)} hours could not be compacted, the first since {problems[0]}")


def quality(
    venue: AnyVenueOption = "",
    symbol: Annotated[str, typer.Option("--symbol", help="Only this symbol.")] = "",
    hour: HourOption = None,
    start: FromOption = None,
    end: ToOption = None,
    lake: LakeOption = None,
    check: CheckOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what each hour should hold, holds, and why not.

    One completeness record a venue, symbol and hour. Columns of zeros are left out; --json has them all.

    \b
    xetrade quality --venue binance --symbol BTC-USDT --hour 2026-11-20T13
    xetrade quality --from 2026-11-20 --to 2026-11-21 --check
    """
    from xetrade_core.assembly import lake_store

    settings = open_settings(lake)
    _require_venue(venue)
    records = quality_records(lake_store(settings), venue, symbol, *window(hour, start, end))
    complete = bool(records) and all(record.complete for record in records)
    if as_json:
        emit_json({"complete": complete, "records": records})
    elif records:
        _show(records)
    else:
        emit_text(f"{settings.lake} has no completeness record of that: `xetrade compact` makes them")
    if check and not complete:
        raise typer.Exit(1)


def quality_records(
    store: ObjectStore, venue: str, symbol: str, start_ns: int | None, end_ns: int | None
) -> Sequence[QualityRecord]:
    """The records of the hours that share a moment with the window, oldest first; empty names mean all."""
    from xetrade_core.lake import parquet
    from xetrade_core.lake.layout import parse_part_key, venue_prefix
    from xetrade_core.lake.quality import QualityRecord
    from xetrade_core.lake.schemas import L2_QUALITY

    found: list[QualityRecord] = []
    for info in store.list(venue_prefix(L2_QUALITY.name, venue) if venue else f"{L2_QUALITY.name}/"):
        try:
            part = parse_part_key(info.key)
        except LakeError:  # a foreign file
            continue
        after = start_ns is None or part.hour_ns + NS_PER_HOUR > start_ns
        before = end_ns is None or part.hour_ns < end_ns
        if after and before and (not symbol or symbol_fits(symbol, part.symbol)):
            table = parquet.from_bytes(store.read(info.key), f"{store.uri}/{info.key}")
            found.append(QualityRecord.from_table(table))
    if symbol and not found and not any(True for _ in store.list(f"{L2_QUALITY.name}/")):
        raise ConfigError(f"{store.uri} has no completeness records at all: run `xetrade compact`")
    return sorted(found, key=lambda record: (record.hour, record.exchange, record.symbol))


def _show(records: Sequence[QualityRecord]) -> None:
    """One row a record; columns of zeros are left out, and what a narrow terminal has no room for."""
    rows = [_row(record) for record in records]
    shown = [name for name in rows[0] if name not in RARE or any(row[name] for row in rows)]
    for name in EXPENDABLE:
        widths = (max(len(column), *(len(cell_text(row[column])) for row in rows)) for column in shown)
        if sum(widths) + COLUMN_GAP * len(shown) > console().width:
            shown.remove(name)
    emit_table("", shown, [[row[name] for name in shown] for row in rows])


def _row(record: QualityRecord) -> dict[str, object]:
    names = ("expected", "captured", "synced", *RARE, "gaps", "resyncs")
    return {
        "hour": f"{moment(record.hour):%FT%H}",
        "venue": record.exchange,
        "symbol": record.symbol,
        **{name: getattr(record, name) for name in names},
        "p50 ms": record.latency_ms_p50,
        "p99 ms": record.latency_ms_p99,
        "bytes/row": record.bytes_per_snapshot,
        "complete": record.complete,
        "causes, s": ", ".join(f"{cause} {lost_s:g}" for cause, lost_s in record.causes.items() if lost_s),
    }


def _require_venue(venue: str) -> None:
    from xetrade_core.venues.registry import venue as known_venue

    if venue:
        known_venue(venue)  # raises UnknownVenue


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(recover)
    app.command()(compact)
    app.command()(quality)
