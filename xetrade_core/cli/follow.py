"""`xetrade orders follow`: what the venues tell of the accounts' orders and trades, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import OneAccountOption, OneVenueOption, with_desk
from xetrade_core.cli.options import JsonOption, open_settings, seconds
from xetrade_core.cli.output import emit_json, emit_text, say

if TYPE_CHECKING:
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.execution.streams import PrivateStream, Statement
    from xetrade_core.model.orders import Order


def follow(
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    lasting: Annotated[str, typer.Option("--for", help="End after so long. Default: at Ctrl-C.")] = "",
    within: Annotated[str, typer.Option("--within", help="Give up on a stream that is not live so soon.")] = "30s",
    dead_man: Annotated[
        str, typer.Option("--dead-man", help="The venue cancels all if we fall silent so long: 60s. Binance futures.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Follow the accounts' private streams: orders and trades as they happen, into the order store.

    What happened while nobody listened is asked for first, and again after every gap. Beside it `xetrade monitor` shows
    each fill at once. One line, or with --json one object, for each word of a venue.

    With --dead-man the venue itself cancels every order of the symbols at work if this process dies or is cut off;
    ended by Ctrl-C it leaves them.

    \b
    xetrade orders follow
    xetrade orders follow --venue binanceusdm --account main --for 1h --json
    xetrade orders follow --venue binanceusdm --dead-man 60s
    """
    from xetrade_core.assembly.dead_man import dead_man_switches
    from xetrade_core.assembly.following import follow_accounts, heard_row

    lasting_s = seconds(lasting, "--for") if lasting else None
    within_s = seconds(within, "--within")
    silence_s = seconds(dead_man, "--dead-man") if dead_man else None

    async def heard(said: Statement, order: Order | None) -> None:
        row = heard_row(said, order)
        if as_json:
            emit_json(row)
        else:
            emit_text("  ".join(str(value) for value in row.values() if value is not None))

    async def work(desk: TradingDesk) -> None:
        import random

        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with contextlib.AsyncExitStack() as opened:
            if silence_s is not None:
                await opened.enter_async_context(dead_man_switches(desk, silence_s))
            streams = await opened.enter_async_context(follow_accounts(desk, random.Random(), heard))
            await _all_live(streams, within_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), lasting_s)

    with_desk(open_settings(), work, venue=venue, account=account)


async def _all_live(streams: tuple[PrivateStream, ...], within_s: float) -> None:
    """Wait until each is caught up, and say so. Raises VenueUnavailable for one that is not in time."""
    for stream in streams:
        await stream.live(within_s)
    say(f"following {', '.join(stream.name for stream in streams)}")
