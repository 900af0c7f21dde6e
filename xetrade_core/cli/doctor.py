"""`xetrade doctor`: what is wrong with this machine, and what to do about it."""

from __future__ import annotations

import asyncio
import random

import typer

from xetrade_core.cli.options import JsonOption, LakeOption, open_settings
from xetrade_core.cli.output import emit_json, emit_table


def doctor(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Check this machine: what is wrong and what to do.

    Settings, packages, lake, disk, venues, clock, order store and accounts; exit code 1 if something fails.
    """
    from xetrade_core.assembly import lake_store, venue_client
    from xetrade_core.assembly.trading_checks import check_trading
    from xetrade_core.checkup import Check, State, check_machine
    from xetrade_core.clock import SystemClock

    settings = open_settings(lake)
    clock, rng = SystemClock(), random.Random()

    async def examine() -> list[Check]:
        machine = await check_machine(
            settings, lambda: lake_store(settings), lambda venue: venue_client(settings, venue, clock, rng), clock
        )
        return machine + await check_trading(settings, clock, rng)

    checks = asyncio.run(examine())
    failed = any(check.state is State.FAIL for check in checks)
    if as_json:
        emit_json({"ok": not failed, "checks": checks})
    else:
        rows = [(check.name, str(check.state), check.found, check.advice) for check in checks]
        emit_table("", ("check", "state", "found", "what to do"), rows)
    raise typer.Exit(1 if failed else 0)


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(doctor)
