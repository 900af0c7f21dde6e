"""`xetrade stress`: many clients that place an order and cancel it at once, and proof of what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.desk import NOT_CLEAN, AccountOption
from xetrade_core.cli.options import JsonOption, names, open_settings, seconds
from xetrade_core.cli.output import count, emit_json, emit_rows, emit_table, emit_text, has_room, say, working
from xetrade_core.cli.quoting import PairOption
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.trading.stress.report import Quantiles, StressReport, VenueResult
    from xetrade_core.trading.stress.run import StressProgress

COLUMNS = (
    "venue", "orders", "canceled", "filled", "failed", "unknown", "place p50", "place p99", "place max ms", "ack p50",
    "ack p99", "cancel p50", "cancel p99", "cancel max ms", "budget p50", "budget p99",
)  # fmt: skip
LINE_EVERY_S = 10.0


def stress(
    pair: PairOption,
    venues: Annotated[
        str, typer.Option("--venues", "--venue", "--exchange", help="Venues, separated by commas.")
    ] = "binance",
    clients: Annotated[int | None, typer.Option("--clients", help="Clients at once. Default: 200.")] = None,
    orders: Annotated[int | None, typer.Option("--count", help="Orders in all. Default: one a client.")] = None,
    over: Annotated[str, typer.Option("--over", help="Begin them evenly within this time: 5m.")] = "",
    soak: Annotated[str, typer.Option("--soak", help="Go on for this time, whatever the count: 10m.")] = "",
    account: AccountOption = "",
    below: Annotated[str, typer.Option("--below", help="How far under the market they are placed.")] = "5%",
    picture: Annotated[str, typer.Option("--picture", help="Write the times as a PNG to this file.")] = "",
    key: Annotated[str, typer.Option("--key", help="Name of this test: the same key places nothing twice.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Place and cancel many orders, and account for each.

    The orders are the smallest that the venue allows, far under the market. They pass the same limits, arming and
    budgets as any other order, so that a test that needs more than a venue allows takes its time: `budget` is the wait
    for that, `ack` what wire and venue take of the placing without it. Exit code 0: every order was placed, cancelled
    and accounted for by its venue; 1: something failed or is not accounted for.

    \b
    xetrade stress --venues binance --pair BTC-USDT                      # 200 clients at once
    xetrade stress --venues binance,binanceusdm --pair BTC-USDT --clients 200 --count 1000
    xetrade stress --venues binance --pair BTC-USDT --count 200 --over 5m
    xetrade stress --exchange binance --pair BTC/USDT --count 10 --json
    """
    import secrets

    from xetrade_core.assembly.stress_runs import stress_test
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.stress.plan import CLIENTS, StressPlan

    settings = open_settings()
    _require_place(picture)
    at_once = clients if clients is not None else min(CLIENTS, max(orders or CLIENTS, 1))
    plan = StressPlan(
        clients=at_once,
        count=orders,
        over_s=seconds(over, "--over") if over else 0.0,
        soak_s=seconds(soak, "--soak") if soak else None,
    )
    chosen = key or f"stress-{secrets.token_hex(8)}"
    try:
        with working("asking the venues what they list") as change:
            report = stress_test(
                settings,
                SystemClock(),
                plan,
                venues=names(venues),
                pair=pair,
                account=account or None,
                below=_share(below),
                key=chosen,
                told=_teller(change),
            )
    except KeyboardInterrupt:
        say(f"orders of {chosen} may be open: the same command with --key {chosen} cancels them and places the rest")
        raise
    if as_json:
        emit_json(report.as_dict())
    else:
        _show(report)
    if picture:
        _draw(report, picture)
    if not report.passed:
        raise typer.Exit(NOT_CLEAN)


def _share(text: str) -> Any:
    """`5%` or `0.05` as a share."""
    from decimal import Decimal, InvalidOperation

    stripped = text.strip()
    try:
        value = Decimal(stripped.removesuffix("%")) / (100 if stripped.endswith("%") else 1)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and 0 < value < 1):
        raise ConfigError.of("--below", text, "a share such as 5% or 0.05")
    return value


def _teller(change: Callable[[str], None]) -> Callable[[StressProgress], None]:
    """Says how far the test is: on a terminal always, elsewhere every ten seconds."""
    said_s = 0.0

    def tell(progress: StressProgress) -> None:
        nonlocal said_s
        of = "" if progress.orders is None else f" of {progress.orders:,}"
        failed = f", {progress.failed:,} failed" if progress.failed else ""
        line = f"{progress.ended:,}{of} orders placed and cancelled{failed}, {progress.seconds:.0f} s"
        if sys.stderr.isatty():
            change(line)
        elif progress.seconds - said_s >= LINE_EVERY_S:
            said_s = progress.seconds
            say(line)

    return tell


def _require_place(path: str) -> None:
    """Raises ConfigError if the picture could not be written: a test of an hour must not find that out at its end."""
    from pathlib import Path

    if path and (Path(path).is_dir() or not Path(path).absolute().parent.is_dir()):
        raise ConfigError.of("--picture", path, "a file in a folder that there is")


def _draw(report: StressReport, path: str) -> None:
    from pathlib import Path

    from xetrade_core.plots import NothingToDraw, stress_picture

    title = f"{count(report.total.orders, 'order')}, {report.key}"
    try:
        drawn = stress_picture(report.times_ms(), report.endings(), title)
    except NothingToDraw as nothing:
        say(f"no picture: {nothing}")
        return
    try:
        Path(path).write_bytes(drawn)
    except OSError as error:
        raise ConfigError.of("--picture", path, f"a file that can be written: {error.strerror}") from None


def _show(report: StressReport) -> None:
    rows = list(report.venues)
    if len(rows) > 1:
        rows.append(report.total)
    each = f"{count(report.total.orders, 'order')} by {count(report.clients, 'client')} in {report.seconds:.1f} s"
    table = [_row(one) for one in rows]
    if has_room(COLUMNS, table):
        emit_table(each, COLUMNS, table)
    else:  # a column a venue
        head, *turned = zip(COLUMNS, *table, strict=True)
        emit_rows(each, [str(name) for name in head], turned)
    if before := report.found_before():
        emit_text(before)
    for cause, many in report.total.causes.items():
        emit_text(f"{many:,} x {cause}")
    for proof in report.proofs:
        where = f"{proof.venue}/{proof.account}"
        if proof.clean:
            emit_text(f"{where}: the venue has none of these orders open, lost or doubled")
        for name in ("open", "lost", "doubled", "found", "unsettled", "problems"):
            if found := getattr(proof, name):
                emit_text(f"{where}: {len(found)} {name}: {', '.join(found[:5])}{', ..' if len(found) > 5 else ''}")
    emit_text("everything is accounted for" if report.accounted else "NOT everything is accounted for")


def _row(one: VenueResult) -> tuple[object, ...]:
    def at(times: Quantiles | None, name: str) -> float | None:
        return None if times is None else round(getattr(times, name), 1)

    return (
        one.venue, one.orders, one.canceled, one.filled, one.failed, one.unknown,
        at(one.place, "p50_ms"), at(one.place, "p99_ms"), at(one.place, "max_ms"),
        at(one.ack, "p50_ms"), at(one.ack, "p99_ms"),
        at(one.cancel, "p50_ms"), at(one.cancel, "p99_ms"), at(one.cancel, "max_ms"),
        at(one.budget, "p50_ms"), at(one.budget, "p99_ms"),
    )  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(stress)
