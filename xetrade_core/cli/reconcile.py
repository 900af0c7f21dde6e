"""`xetrade reconcile`: the order store compared with the venues."""

from __future__ import annotations

from typing import Annotated

import typer

from xetrade_core.cli.desk import (
    NOT_CLEAN,
    ByOption,
    OneAccountOption,
    OnePairOption,
    OneVenueOption,
    ReasonOption,
    show_rows,
    who,
)
from xetrade_core.cli.options import JsonOption, open_settings, seconds
from xetrade_core.cli.output import count, emit_json, emit_text, say, working
from xetrade_core.errors import ConfigError


def reconcile(
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    pair: OnePairOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what differs; record and halt nothing.")
    ] = False,
    since: Annotated[str, typer.Option("--since", help="Compare trades of the last 24h, 7d, ... Default: 24h.")] = "",
    grace: Annotated[
        str, typer.Option("--grace", help="What is younger is still under way, and no difference.")
    ] = "15s",
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Take positions and balances that no trade explains as they are. Needs --reason."
        ),
    ] = False,
    by: ByOption = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compare the order store with the venues.

    Orders, trades, positions and balances. A difference that the venue itself explains is recorded: a trade by the
    venue's id, an order's end. A difference that nothing explains halts trading of its instrument. Exit code 0: all
    agrees, or was repaired; 1: something needs you, or a venue could not be asked.

    \b
    xetrade reconcile
    xetrade reconcile --venue binance --dry-run
    xetrade reconcile --venue binance --since 7d --json
    xetrade reconcile --account main --accept --reason "deposit of 2026-11-28"
    """
    from xetrade_core.assembly.reconciling import reconcile_accounts
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.reconciliation.plan import DAY_S, ReconcilePlan

    if accept and not reason:
        raise ConfigError("--reason is missing: say why what no trade explains is accepted")
    window_s = seconds(since, "--since") if since else DAY_S
    plan = ReconcilePlan(
        grace_s=seconds(grace, "--grace"),
        window_s=window_s,
        history_s=max(window_s, 7 * DAY_S),
        dry_run=dry_run,
        accept=accept,
        by=who(by),
        reason=reason,
    )
    with working("asking the venues"):
        found = reconcile_accounts(
            open_settings(), SystemClock(), plan, venue=venue or None, account=account or None, pair=pair or None
        )
    rows = found.rows()
    if as_json:
        emit_json(
            {
                "clean": found.clean,
                "accounts": found.account_rows(),
                "differences": rows,
                "problems": found.problems,
            }
        )
    else:
        show_rows("accounts", found.account_rows())
        show_rows("differences", rows)
        for name, problem in found.problems.items():
            say(f"{name}: {problem}")
        left = sum(not one.explained for report in found.accounts for one in report.differences)
        if found.clean:
            emit_text("everything agrees" if not rows else "everything is explained")
        else:
            emit_text(f"{count(left, 'difference')} to look at" if left else "not everything could be asked")
    if not found.clean:
        raise typer.Exit(NOT_CLEAN)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reconcile)
