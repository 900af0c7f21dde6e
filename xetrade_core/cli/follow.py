"""`xetrade orders follow`: what the venues tell of the accounts' orders and trades, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import OneAccountOption, OneVenueOption, with_desk
from xetrade_core.cli.options import JsonOption, open_settings, seconds
from xetrade_core.cli.output import count, emit_json, emit_text, say

if TYPE_CHECKING:
    from xetrade_core.assembly.accounts import AccountName
    from xetrade_core.assembly.reconciling import Reconciled
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.execution.streams import PrivateStream, Statement
    from xetrade_core.model.orders import Order


_WORDS = (_START, _NEVER) = ("start", "never")


def follow(
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    lasting: Annotated[str, typer.Option("--for", help="End after so long. Default: at Ctrl-C.")] = "",
    within: Annotated[str, typer.Option("--within", help="Give up on a stream that is not live so soon.")] = "30s",
    dead_man: Annotated[
        str, typer.Option("--dead-man", help="The venue cancels all if we fall silent so long: 60s.")
    ] = "",
    reconciling: Annotated[
        str,
        typer.Option("--reconcile", metavar="start|never|10m", help="When to compare the accounts with the venues."),
    ] = "start",
    as_json: JsonOption = False,
) -> None:
    """Follow the accounts' private streams: orders and trades as they happen, into the order store.

    First it asks for what happened while nobody listened, as after every gap. Then it compares the accounts with their
    venues, as `xetrade reconcile` does, and settles what an earlier process left in doubt or half cancelled; with
    --reconcile 10m it does so every ten minutes. While it runs, `xetrade monitor` shows each fill at once. One line, or
    with --json one object, is printed for each message of a venue and each difference.

    With --dead-man the venue itself cancels every order of the account (Binance's futures: of the symbols at work) if
    this process dies or is cut off; ended by Ctrl-C it leaves them.

    \b
    xetrade orders follow
    xetrade orders follow --venue binanceusdm --account main --for 1h --json
    xetrade orders follow --venue binanceusdm --dead-man 60s
    xetrade orders follow --reconcile 10m
    """
    from xetrade_core.assembly.following import follow_accounts, heard_row
    from xetrade_core.assembly.reconciling import keep_reconciled
    from xetrade_core.trading.reconciliation.plan import ReconcilePlan

    lasting_s = seconds(lasting, "--for") if lasting else None
    within_s = seconds(within, "--within")
    silence_s = seconds(dead_man, "--dead-man") if dead_man else None
    every_s = None if reconciling in _WORDS else seconds(reconciling, "--reconcile", f"{', '.join(_WORDS)}, ")

    stop = asyncio.Event()

    async def heard(name: AccountName, said: Statement, order: Order | None) -> None:
        row = heard_row(name, said, order)
        try:
            if as_json:
                emit_json(row)
            else:
                emit_text(_line(row))
            sys.stdout.flush()  # whoever reads it through a pipe shall have it now
        except OSError:  # nobody reads any more; what was told is in the store
            stop.set()

    async def work(desk: TradingDesk) -> None:
        import random

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as opened:
            following = follow_accounts(desk, random.Random(), heard, silence_s=silence_s)
            streams = await opened.enter_async_context(following)
            await _all_live(streams, within_s)
            if silence_s is not None:
                _say_unguarded(desk, silence_s)
            if reconciling != _NEVER:
                told = partial(_tell, as_json=as_json)
                opened.push_async_callback(
                    _ended, asyncio.create_task(keep_reconciled(desk, ReconcilePlan(), every_s, told))
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), lasting_s)

    with_desk(open_settings(), work, venue=venue, account=account)


def _line(row: dict[str, str | None]) -> str:
    """A word of a venue for people: when, of which account, what."""
    kind, where = row["kind"], f"{row['venue']}/{row['account']}"
    if kind == "balance":
        said = f"{row['currency']} total {row['total']}" + (f", free {row['free']}" if row["free"] else "")
    elif kind == "fill":
        fee = f", fee {row['fee']} {row['fee_currency']}" if row["fee"] else ""
        said = f"{row['side']} {row['quantity']} at {row['price']}{fee} (trade {row['trade_id']})"
    else:
        price = f" at {row['price']}" if row["price"] else ""
        said = f"{row['status']}: {row['quantity']}{price}, filled {row['filled']}"
    named = " ".join(filter(None, (row.get("pair"), row.get("client_id") or row.get("order_id"))))
    return "  ".join(filter(None, (row["at"], kind, where, named, said)))


async def _all_live(streams: tuple[PrivateStream, ...], within_s: float) -> None:
    """Wait until each is caught up, and say so. Raises VenueUnavailable for one that is not in time."""
    for stream in streams:
        await stream.live(within_s)
    say(f"following {', '.join(stream.name for stream in streams)}")


def _say_unguarded(desk: TradingDesk, silence_s: float) -> None:
    from xetrade_core.assembly.dead_man import switches

    for name, switch in switches(desk, silence_s).items():
        if switch is None:
            say(f"{'/'.join(name)}: {desk.plan(*name).venue.name} has no dead-man switch, its orders stay")


def _tell(found: Reconciled, *, as_json: bool) -> None:
    """Every difference, and what came of each account."""
    for row in found.rows():
        if as_json:
            emit_json({"kind": "difference", **row})
        else:
            emit_text("  ".join(("difference", *filter(None, row.values()))))
    sys.stdout.flush()
    for report in found.accounts:
        left = sum(not one.explained for one in report.differences)
        said = f"{count(left, 'difference')} to look at" if left else "; ".join(report.problems) or "everything agrees"
        say(f"reconciled {report.account} on {report.venue}: {said}")
    for name, problem in found.problems.items():
        say(f"{name}: {problem}")


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
