"""`xetrade orders`: the order store, read, verified and, where only a person can tell, corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import (
    NOT_CLEAN,
    NOT_SETTLED,
    ByOption,
    OneAccountOption,
    OnePairOption,
    OneVenueOption,
    is_settled,
    show_orders,
    show_rows,
    who,
    with_desk,
)
from xetrade_core.cli.follow import follow
from xetrade_core.cli.options import JsonOption, names, open_settings, seconds, symbol_fits
from xetrade_core.cli.output import count, emit_json, emit_table, emit_text, say, working
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.model.orders import Order, OrderState

MOST = 100
orders_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


AllOption = Annotated[bool, typer.Option("--all", help="Ended orders too, the newest.")]
SinceOption = Annotated[str, typer.Option("--since", help="All that were made in the last 24h, 30m, ...")]
StateOption = Annotated[str, typer.Option("--state", help="In these states only, ended ones too: open,canceled.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many, where ended ones are among them.")]


@orders_app.callback()
def orders(
    context: typer.Context,
    every: AllOption = False,
    since: SinceOption = "",
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    pair: OnePairOption = "",
    state: StateOption = "",
    limit: LimitOption = MOST,
    as_json: JsonOption = False,
) -> None:
    """List orders, tell their history, verify the store.

    Without a command: as `xetrade orders list`.

    \b
    xetrade orders
    xetrade orders --all --venue binance --pair BTC-USDT
    xetrade orders --since 24h --json
    xetrade orders show 12345
    """
    if context.invoked_subcommand is None:
        list_orders(every, since, venue, account, pair, state, limit, as_json)


@orders_app.command("list")
def list_orders(
    every: AllOption = False,
    since: SinceOption = "",
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    pair: OnePairOption = "",
    state: StateOption = "",
    limit: LimitOption = MOST,
    as_json: JsonOption = False,
) -> None:
    """List orders: those that can still trade, or all.

    \b
    xetrade orders list
    xetrade orders list --venue binance --account main --pair BTC-USDT
    xetrade orders list --state unknown,needs_operator --json
    xetrade orders list --since 24h --state filled --limit 1000
    """
    import time

    from xetrade_core.assembly.order_store import open_reader, require_account
    from xetrade_core.clock import NS_PER_S

    states = _states(state)
    ended = every or bool(since) or bool(states)
    from_ns = time.time_ns() - round(seconds(since, "--since") * NS_PER_S) if since else 0
    settings = open_settings()
    with open_reader(settings) as reader:
        require_account(settings, reader, account)
        if ended:
            symbols = {one for of, one in reader.instruments_ordered() if symbol_fits(pair, one, of)} if pair else None
            found = reader.newest(
                limit, from_ns=from_ns, venue=venue or None, account=account or None, symbols=symbols, states=states
            )
        else:
            found = reader.working(venue=venue or None, account=account or None)
    chosen = [order for order in found if not pair or symbol_fits(pair, order.intent.symbol, order.intent.venue)]
    if not chosen and not as_json:
        emit_text("no orders" if ended else "no open orders; --all shows those that have ended")
        return
    show_orders("", chosen, as_json=as_json)


def _states(text: str) -> tuple[OrderState, ...]:
    """The states of `--state`. Raises ConfigError."""
    from xetrade_core.model.orders import OrderState

    known = {one.value: one for one in OrderState}
    wanted = [word.lower().replace("-", "_") for word in names(text)]
    for word in wanted:
        if word not in known:
            raise ConfigError.of("--state", word, f"some of {', '.join(known)}")
    return tuple(known[word] for word in wanted)


@orders_app.command()
def show(
    order_id: Annotated[str, typer.Argument(help="The order: its client id or the venue's.")],
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell the history of an order, entry by entry.

    \b
    xetrade orders show 12345
    """
    from xetrade_core.assembly.order_store import open_reader, require_account
    from xetrade_core.trading.overview import order_row, timeline

    settings = open_settings()
    with open_reader(settings) as reader:
        require_account(settings, reader, account)
        order = reader.named(order_id, venue=venue or None, account=account or None)
        rows = timeline(reader.events(order.client_id))
    if as_json:
        emit_json({**order_row(order), "events": rows})
    else:
        show_orders("", [order], as_json=False, one=True)
        show_rows("history", rows)


@orders_app.command()
def rebuild(
    repair: Annotated[bool, typer.Option("--repair", help="Write what the events say where a row differs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sum up every order from its events and compare.

    Exit code 1 if the stored rows differ and are not repaired.

    \b
    xetrade orders rebuild
    xetrade orders rebuild --repair
    """
    from xetrade_core.assembly.order_store import open_store
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.rebuild import rebuild as rebuilt

    store = open_store(open_settings(), SystemClock())
    try:
        with working("reading events") as tell:
            report = rebuilt(store, repair=repair, progress=lambda done: tell(f"{done:,} orders"))
    finally:
        store.close()
    if as_json:
        emit_json({"clean": report.clean, **{name: getattr(report, name) for name in report.__slots__}})
    else:
        off = f"{count(report.different, 'order')} and {count(report.holdings, 'holding')} differed"
        fixed = " and were repaired" if report.repaired else "; --repair writes what the events say"
        emit_text(
            f"{count(report.orders, 'order')} of {count(report.events, 'event')}, {report.illegal} contradictions"
        )
        emit_text("the rows are what the events say" if report.clean else f"{off}{fixed}")
        if report.fills_off:
            emit_text(f"fills and their events differ by {count(report.fills_off, 'row')}: nothing repairs that")
        if report.differing:
            emit_table("", ("differing",), [(name,) for name in report.differing])
    if not report.clean and not (report.repaired and not report.fills_off):
        raise typer.Exit(NOT_CLEAN)


@orders_app.command()
def dismiss(
    order_id: Annotated[str, typer.Argument(help="The order: its client id.")],
    reason: Annotated[str, typer.Option("--reason", help="What you saw on the venue.")],
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say that an order in doubt is not on the venue.

    Of orders that need an operator. Look it up there first: its risk is released, and nobody asks for it any more.

    \b
    xetrade orders dismiss xabc --reason "not in the venue's order history"
    """

    async def work(desk: TradingDesk) -> Order:
        return await desk.orders.dismiss(order_id, by=who(by), reason=reason)

    show_orders("", [with_desk(open_settings(), work)], as_json=as_json, one=True)


@orders_app.command()
def resume(
    within: Annotated[str, typer.Option("--within", help="Stop waiting after so long; nothing is lost.")] = "60s",
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Go on with whatever is under way.

    Asks for what is not known and for what rests, cancels what is to be cancelled, sends what waits for its venue. Exit
    code 3 if some of it is still not settled at the end, or could not be asked for.

    \b
    xetrade orders resume
    xetrade orders resume --venue binance --within 10m
    """
    limit_s = seconds(within, "--within")

    async def work(desk: TradingDesk) -> tuple[list[Order], dict[str, str]]:
        import asyncio

        taken, problems = await desk.resume()
        try:
            async with asyncio.timeout(limit_s):
                await desk.orders.settled()
        except TimeoutError:
            pass
        return [await desk.orders.status(order.client_id) for order in taken], problems

    with working("going on with what is under way"):
        found, problems = with_desk(open_settings(), work, venue=venue, account=account)
    if found or as_json:
        show_orders("", found, as_json=as_json)
    else:
        emit_text("nothing is under way")
    for name, problem in problems.items():
        say(f"{name}: {problem}")
    if problems or not all(map(is_settled, found)):
        raise typer.Exit(NOT_SETTLED)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    orders_app.command()(follow)
    app.add_typer(orders_app, name="orders")
