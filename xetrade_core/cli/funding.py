"""`xetrade funding`: what perpetuals pay now, paid before, and bringing years of it into the lake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import (
    JsonOption,
    LakeOption,
    instant_ns,
    moment,
    names,
    open_settings,
    seconds,
)
from xetrade_core.cli.output import console, count, emit_json, emit_table, emit_text, plain, say
from xetrade_core.cli.quoting import (
    TimeoutOption,
    VenuesOption,
    asked_venues,
    failure_rows,
    market_access,
    tell_failures,
)
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.funding.history import SettledHistory
    from xetrade_core.history.backfill import BackfillReport
    from xetrade_core.history.imports import ImportReport
    from xetrade_core.market_data.funding import Fundings, VenueFunding
    from xetrade_core.settings import Settings

COLUMNS = ("venue", "symbol", "rate %", "hours", "APR %", "APY %", "next funding (UTC)", "predicted %", "mark")
HISTORY_COLUMNS = ("funding time (UTC)", "rate %", "hours", "APR %", "mark")
REPORT_COLUMNS = ("venue", "symbol", "rows", "first (UTC)", "last (UTC)", "missing")
MOST_MISSING_SHOWN = 5

funding = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
)


@funding.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    venue: Annotated[str, typer.Option("--venue", help="Venue id; binance and kucoin mean their perpetuals.")] = "",
    pair: Annotated[str, typer.Option("--pair", help="BTC-USDT, BTC/USDT:USDT, or the venue's own id.")] = "",
    venues: VenuesOption = "",
    history: Annotated[str | None, typer.Option(help="Also the fundings of the last 7d, 12h, ..")] = None,
    timeout: TimeoutOption = "15s",
    as_json: JsonOption = False,
) -> None:
    """Show what perpetuals pay and have paid.

    The live rate, the predicted one, APR and APY, and what was paid.


    A rate is a share of the position's value that longs pay shorts at each funding. What a venue's live rate really
    is differs; it is said below the table.

    \b
    xetrade funding --venue binance --pair BTC-USDT
    xetrade funding --venues binanceusdm,okx,bybit --pair BTC/USDT:USDT --json
    xetrade funding --venue okx --pair BTC-USDT --history 7d
    """
    if context.invoked_subcommand is not None:
        return
    if not pair:
        raise ConfigError("name a pair with --pair: BTC-USDT")
    settings, asked = open_settings(), asked_venues(venue, venues)
    length_s = None if history is None else seconds(history, "--history")
    found, past = asyncio.run(_ask(settings, asked, pair, seconds(timeout, "--timeout"), length_s))
    if as_json:
        emit_json(_fields(found, past))
        return
    for one in found.answers:
        if one.asked != one.quote.venue:
            say(f"{one.asked} lists its perpetuals as {one.quote.venue}")
    emit_table("", COLUMNS, [_row(one) for one in found.answers], _cell)
    for one in found.answers:
        emit_text(f"{one.quote.venue}: the rate is {one.rules.live_means}")
        if one.quote.predicted_rate is not None and one.rules.predicted_means:
            emit_text(f"{one.quote.venue}: predicted is {one.rules.predicted_means}")
        if not one.interval_stated:
            emit_text(f"{one.quote.venue}: it does not say how far apart fundings are; its usual interval is taken")
    for one, rows in zip(found.answers, past, strict=False):
        _show_history(one, rows)
    tell_failures(found.failures)


async def _ask(
    settings: Settings, venues: Sequence[str], pair: str, deadline_s: float, history_s: float | None
) -> tuple[Fundings, list[SettledHistory]]:
    from xetrade_core.history.recent import recent_fundings
    from xetrade_core.market_data.funding import fetch_fundings

    access = market_access(settings)
    found = await fetch_fundings(access, venues, pair, deadline_s)
    past = []
    for one in found.answers if history_s is not None else ():
        client = access.client(one.quote.venue)
        try:
            end_ns = access.clock.wall_ns()
            start_ns = end_ns - round((history_s or 0) * NS_PER_S)
            past.append(await recent_fundings(client, one.rules, one.quote.symbol, start_ns, end_ns))
        finally:
            await client.close()
    return found, past


def _row(one: VenueFunding) -> tuple[object, ...]:
    quote = one.quote
    return (
        quote.venue,
        quote.symbol,
        _percent(quote.rate, 5),
        one.interval_s / 3600,
        _percent(one.apr, 2),
        _percent(one.apy, 2),
        "-" if quote.next_funding_ns is None else f"{moment(quote.next_funding_ns):%F %H:%M}",
        _percent(quote.predicted_rate, 5),
        quote.mark_price,
    )


def _fields(found: Fundings, past: Sequence[SettledHistory]) -> dict[str, Any]:
    rows = []
    for index, one in enumerate(found.answers):
        rows.append(
            {
                **plain(one.quote),
                "asked": one.asked,
                "interval_s": one.interval_s,
                "interval_stated": one.interval_stated,
                "apr": one.apr,
                "apy": one.apy,
                "rate_means": one.rules.live_means,
                "predicted_means": one.rules.predicted_means,
                **({"history": plain(past[index].rows), "missing": list(past[index].missing)} if past else {}),
            }
        )
    return {"fundings": rows, "failures": failure_rows(found.failures)}


def _show_history(one: VenueFunding, past: SettledHistory) -> None:
    rows = [
        (
            f"{moment(row.funding_ns):%F %H:%M}",
            _percent(row.rate, 5),
            None if row.interval_s is None else row.interval_s / 3600,
            _percent(row.apr, 2),
            row.mark_price,
        )
        for row in past.rows
    ]
    emit_table(f"{one.quote.symbol} on {one.quote.venue}", HISTORY_COLUMNS, rows, _cell)
    if past.missing:
        emit_text(f"the venue's history leaves out {count(len(past.missing), 'funding')}: {_moments(past.missing)}")


@funding.command()
def backfill(
    pairs: Annotated[str, typer.Option("--pairs", "--symbols", help="BTC-USDT,ETH-USDT")],
    venues: Annotated[str, typer.Option("--venues", help="okx,bybit. Default: those of the settings.")] = "",
    since: Annotated[str, typer.Option(help="From that UTC time on.")] = "2020-01-01",
    until: Annotated[str | None, typer.Option(help="Up to that UTC time; default: now.")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the venues' funding history into the lake.

    Page by page, by each venue's own rule and within its limits. A backfill that was interrupted goes on where it
    stopped; repeated, it changes nothing but what the venue has changed, and says so.

    \b
    xetrade funding backfill --venues okx,bybit --pairs BTC-USDT,ETH-USDT --since 2022-01-01
    """
    settings = open_settings(lake)
    asked = asked_venues("", venues or ",".join(settings.venues))
    wanted = names(pairs)
    if not wanted:
        raise ConfigError("name at least one pair with --pairs: BTC-USDT")
    start_ns = instant_ns(since, "--since")
    end_ns = SystemClock().wall_ns() if until is None else instant_ns(until, "--until")
    if end_ns <= start_ns:
        raise ConfigError.of("--until", until or "now", f"must be after --since {since}")
    reports = asyncio.run(_backfill(settings, asked, wanted, start_ns, end_ns))
    if as_json:
        emit_json([_report_fields(report) for report in reports])
        return
    rows = [
        (report.plan.venue, one.symbol, one.rows, *(_time(at) for at in (one.first_ns, one.last_ns)), len(one.missing))
        for report in reports
        for one in report.symbols
    ]
    emit_table("", REPORT_COLUMNS, rows)
    for report in reports:
        emit_text(_report_line(report))


async def _backfill(
    settings: Settings, venues: Sequence[str], pairs: Sequence[str], start_ns: int, end_ns: int
) -> list[BackfillReport]:
    from xetrade_core.assembly.funding import backfill_funding

    reports = []
    with _Bars() as bars:
        for venue in venues:
            reports += await backfill_funding(settings, venue, pairs, start_ns, end_ns, SystemClock(), bars.show)
    return reports


def _report_line(report: BackfillReport) -> str:
    stored = report.stored
    parts = [f"{count(report.pages, 'page')} read", f"{stored.new:,} new", f"{stored.unchanged:,} unchanged"]
    if report.resumed:
        parts.append(f"{report.resumed:,} had been read by an earlier run")
    if stored.revised:
        parts.append(f"{stored.revised:,} revised by the venue: see funding_revisions")
    if stored.rejected:
        parts.append(f"{stored.rejected:,} rejected: see funding_rates_rejected")
    if report.missing:
        parts.append(f"{count(report.missing, 'funding')} missing at the venue")
    if (kept_s := report.kept_s) is not None:
        parts.append(f"it tells of the last {kept_s / 86_400:.0f} days only")
    return f"{report.plan.venue}: {', '.join(parts)}"


def _report_fields(report: BackfillReport) -> dict[str, Any]:
    return {**plain(report), "missing": report.missing}


@funding.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, plain or .gz, with columns for time and rate.")],
    venue: Annotated[str, typer.Option("--venue", help="Whose history it is: any id, also of a venue not known here.")],
    pair: Annotated[str, typer.Option("--pair", help="The universal symbol: BTC/USDT:USDT.")],
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="What the file's times are in, where they name no zone: UTC, +03:00."),
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a funding history from a CSV file into the lake.

    Times that name no zone are refused unless --timezone says what they are in; the error tells which zones put them
    on the funding grid. What the venue itself says later takes the place of what a file said.

    \b
    xetrade funding import history.csv.gz --venue binanceusdm --pair BTC/USDT:USDT --timezone +03:00
    """
    settings = open_settings(lake)
    from xetrade_core.assembly.funding import import_funding

    report = import_funding(settings, file, venue, pair, timezone, SystemClock())
    if as_json:
        emit_json(plain(report))
        return
    emit_text(_import_line(report))


def _import_line(report: ImportReport) -> str:
    stored = report.stored
    line = f"{count(report.rows, 'funding')} of {report.symbol} on {report.venue}, {_time(report.first_ns)} to "
    line += f"{_time(report.last_ns)} UTC: {stored.new:,} new, {stored.unchanged:,} unchanged"
    if stored.overruled:
        line += f", {stored.overruled:,} left out since the venue says otherwise"
    if report.missing:
        line += f"; {count(len(report.missing), 'funding')} missing in the file: {_moments(report.missing)}"
    return line


class _Bars:
    """A bar a venue on a terminal; elsewhere a line when a venue is done reading, and for each trouble."""

    def __enter__(self) -> _Bars:
        import sys

        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, str] = {}
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            text = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")
            self._bars = Progress(*text, TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
                                  console=console(stderr=True))  # fmt: skip
            self._bars.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars is not None:
            self._bars.__exit__(*error)

    def show(self, status: Any) -> None:
        """Show how far a backfill is."""
        if self._bars is not None:
            if status.venue not in self._tasks:
                self._tasks[status.venue] = self._bars.add_task(status.venue, total=1.0, note="")
            note = status.trouble or f"{status.phase}, {count(status.rows, 'row')}"
            share = status.share if status.phase == "reading" else 1.0
            self._bars.update(self._tasks[status.venue], completed=share, note=note)
        elif status.trouble:
            say(f"{status.venue}: {status.trouble}; trying again")
        elif self._told.get(status.venue) != status.phase and status.share >= 1:
            self._told[status.venue] = status.phase
            say(f"{status.venue}: {status.phase} done, {count(status.rows, 'row')} in {count(status.pages, 'page')}")


def _percent(share: float | None, places: int) -> str:
    return "-" if share is None else f"{share * 100:,.{places}f}"


def _time(ns: int | None) -> str:
    return "-" if ns is None else f"{moment(ns):%F %H:%M}"


def _moments(times_ns: Sequence[int]) -> str:
    shown = ", ".join(_time(at) for at in times_ns[:MOST_MISSING_SHOWN])
    return shown if len(times_ns) <= MOST_MISSING_SHOWN else f"{shown}, .."


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(funding, name="funding")
