"""`xetrade cross`: buy on one venue what is sold on another, hedged or stated, whatever happens on the way.

A saga that is not over ends with exit code 3: `xetrade cross resume` goes on with it. One that is over without being
hedged whole ends with exit code 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import NOT_CLEAN, NOT_SETTLED, ByOption, amount, show_rows, who
from xetrade_core.cli.options import JsonOption, open_settings, seconds
from xetrade_core.cli.output import emit_json, emit_rows, emit_text, has_room, say, working
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.trading.cross.overview import SagaTold
    from xetrade_core.trading.cross.request import CrossRequest, LegRequest
    from xetrade_core.trading.cross.saga import Plan
    from xetrade_core.trading.overview import Row

MOST = 50
COLUMNS = (
    "key", "state", "buy", "sell", "quantity", "filled", "hedged", "unwound", "unhedged", "base", "result", "quote",
)  # fmt: skip
cross_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
WaitOption = Annotated[
    str, typer.Option("--wait", help="Wait so long for an order that nobody knows of; nothing is lost afterwards.")
]
KeyArgument = Annotated[str, typer.Argument(help="The cross order: its key.")]


@cross_app.callback()
def cross(
    context: typer.Context,
    pair: Annotated[str, typer.Option("--pair", help="BTC-USDT, BTC/USDT, BTCUSDT: of both legs.")] = "",
    buy: Annotated[str, typer.Option("--buy", metavar="VENUE[/ACCOUNT]", help="Where to buy.")] = "",
    sell: Annotated[str, typer.Option("--sell", metavar="VENUE[/ACCOUNT]", help="Where to sell.")] = "",
    quantity: Annotated[str, typer.Option("--quantity", help="In base currency, whatever a venue counts in.")] = "",
    max_loss: Annotated[
        str, typer.Option("--max-loss", help="At most so much in quote currency, fees apart; past it: trade back.")
    ] = "",
    within: Annotated[str, typer.Option("--within", help="What is not hedged by then is traded back.")] = "10s",
    buy_pair: Annotated[str, typer.Option("--buy-pair", help="Where the bought one is called otherwise: a swap.")] = "",
    sell_pair: Annotated[str, typer.Option("--sell-pair", help="Where the sold one is called otherwise.")] = "",
    buy_price: Annotated[str, typer.Option("--buy-price", help="Buy at no more.")] = "",
    sell_price: Annotated[str, typer.Option("--sell-price", help="Sell at no less.")] = "",
    slippage_bps: Annotated[
        str, typer.Option("--slippage-bps", help="Without a price: so many basis points from the touch. Default: 10.")
    ] = "",
    strategy: Annotated[str, typer.Option("--strategy", help="Whose orders they are, for limits and positions.")] = "",
    key: Annotated[
        str, typer.Option("--key", help="Your name of this cross order: the same key never trades twice.")
    ] = "",
    wait: WaitOption = "2m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check both legs and show the plan; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Buy on one venue and sell on another.

    Both legs are checked before anything is sent. The less liquid one goes first, at once or not; what it really
    filled is sold (bought) on the other venue; what is not hedged within the loss and the time is traded back, and
    what cannot be is stated in the ledger of residuals. Nothing more is sent while an order's outcome is not known.

    Exit code 0: hedged whole. 1: over, and not hedged whole (nothing filled, traded back, or a residual). 2: refused,
    nothing was sent. 3: not over; `xetrade cross resume` goes on.

    \b
    xetrade cross --pair BTC-USDT --buy binance --sell okx --quantity 0.01 --max-loss 20 --within 10s --dry-run
    xetrade cross --pair BTC-USDT --buy binance --sell okx --quantity 0.01 --max-loss 20 --key spread-7
    xetrade cross --pair BTC-USDT --buy binance --sell okx --sell-pair BTC-USDT:USDT --quantity 0.01 --max-loss 20
    xetrade cross list
    xetrade cross show spread-7
    """
    import secrets
    import time

    from xetrade_core.assembly.crossing import plan_cross, start_cross
    from xetrade_core.clock import SystemClock

    if context.invoked_subcommand is not None:
        return
    for name, value in (("--buy", buy), ("--sell", sell), ("--quantity", quantity), ("--max-loss", max_loss)):
        if not value:
            raise ConfigError(f"{name} is missing: `xetrade cross --help` shows an example")
    request = _request(
        _leg("--buy", buy, buy_pair or pair, buy_price, slippage_bps),
        _leg("--sell", sell, sell_pair or pair, sell_price, slippage_bps),
        quantity, max_loss, within, strategy,
    )  # fmt: skip
    settings, chosen, asked_ns = open_settings(), key or f"cross-{secrets.token_hex(8)}", time.time_ns()
    if dry_run:
        _show_plan(plan_cross(settings, SystemClock(), request, key=chosen), chosen, as_json=as_json)
        return
    try:
        with working("trading both legs"):
            told = start_cross(settings, SystemClock(), request, key=chosen, wait_s=seconds(wait, "--wait"))
    except KeyboardInterrupt:
        say(f"cross order {chosen} may be under way: `xetrade cross resume {chosen}` goes on with it")
        raise
    if told.saga.created_ns < asked_ns:
        say(f"the key {chosen} was used before: this is the cross order of then, and no second one was begun")
    _show(told, as_json=as_json)
    _leave([told])


@cross_app.command()
def resume(
    key: Annotated[str, typer.Argument(help="One cross order only: its key.")] = "",
    wait: WaitOption = "2m",
    as_json: JsonOption = False,
) -> None:
    """Go on with what is not over.

    After a crash, or once an order that nobody knew of is known. Waits until whoever drove it has let go of it or is
    dead (at most half a minute). What stops one stops no other, and is told of each. Exit code 3 if some of it is still
    not over, 1 if some was not hedged whole.

    \b
    xetrade cross resume
    xetrade cross resume spread-7
    """
    from xetrade_core.assembly.crossing import resume_cross
    from xetrade_core.clock import SystemClock

    with working("going on"):
        keys, wait_s = [key] if key else None, seconds(wait, "--wait")
        found, problems = resume_cross(open_settings(), SystemClock(), keys, wait_s=wait_s)
    if as_json:
        emit_json([{**told.as_dict(), "problem": problems.get(told.saga.key)} for told in found])
    elif not found:
        emit_text("nothing is under way")
    for told in found if not as_json else ():
        _show(told, as_json=False)
    for problem in problems.values():
        say(problem)
    _leave([told for told in found if told.saga.key not in problems], stopped=bool(problems))


@cross_app.command(name="list")
def list_all(
    unfinished: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = MOST,
    as_json: JsonOption = False,
) -> None:
    """List cross orders, and what they left unhedged.

    \b
    xetrade cross list
    xetrade cross list --open --json
    """
    from xetrade_core.assembly.crossing import cross_overview

    found = cross_overview(open_settings(), limit, unfinished=unfinished)
    if as_json:
        emit_json(found)
        return
    if not found.sagas:
        emit_text("no cross orders")
    show_all(found.sagas)
    show_rows("ledger of residuals", found.residuals)
    for currency, left in found.totals.items():
        emit_text(f"unhedged in all: {left} {currency}")


def show_all(rows: list[Row]) -> None:
    """Cross orders as a table; where there is no room for its columns, their ids and states with the rest in words."""
    cells = [[row[name] for name in COLUMNS] for row in rows]
    if not rows or has_room(COLUMNS, cells):
        show_rows("", [{name: row[name] for name in COLUMNS} for row in rows])
    else:
        emit_rows("", ("key", "state", "cross order"), [_short(row) for row in rows])


def _short(row: Row) -> tuple[object, object, str]:
    said = [
        f"buy {row['quantity']} {row['base']} on {row['buy']}",
        f"sell it on {row['sell']}",
        ", ".join(f"{name} {row[name]}" for name in ("filled", "hedged", "unwound", "unhedged") if row[name] != "0"),
        f"result {row['result']} {row['quote']}" if row["result"] is not None else "",
    ]
    return row["key"], row["state"], "\n".join(filter(None, said))


@cross_app.command()
def show(key: KeyArgument, as_json: JsonOption = False) -> None:
    """Tell a cross order's legs, orders and history.

    \b
    xetrade cross show spread-7
    """
    from xetrade_core.assembly.crossing import cross_told

    told = cross_told(open_settings(), key)
    _show(told, as_json=as_json)
    if not as_json:
        tables = told.tables
        for title, name in (
            ("orders", "orders"),
            ("fills", "fills"),
            ("ledger of residuals", "residuals"),
            ("history", "events"),
        ):
            show_rows(title, tables[name])


@cross_app.command(name="settle")
def settle_one(
    key: KeyArgument,
    reason: Annotated[str, typer.Option("--reason", help="How it was closed, or why it is kept.")],
    by: ByOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take what one left unhedged out of the ledger.

    Once it is closed by hand, or is to be kept. Who said so, and why, stays in its history.

    \b
    xetrade cross settle spread-7 --reason "sold on the venue's page"
    """
    from xetrade_core.assembly.crossing import settle_cross
    from xetrade_core.clock import SystemClock

    _show(settle_cross(open_settings(), SystemClock(), key, by=who(by), reason=reason), as_json=as_json)


def _request(
    buy: LegRequest, sell: LegRequest, quantity: str, max_loss: str, within: str, strategy: str
) -> CrossRequest:
    """What the options ask for. Raises ConfigError."""
    from decimal import Decimal

    from xetrade_core.trading.cross.request import CrossRequest

    return CrossRequest(
        buy=buy,
        sell=sell,
        quantity=amount(quantity, "--quantity"),
        max_loss=Decimal(0) if max_loss.strip() == "0" else amount(max_loss, "--max-loss"),
        within_s=seconds(within, "--within"),
        strategy=strategy,
    )


def _leg(option: str, where: str, pair: str, price: str, slippage_bps: str) -> LegRequest:
    from xetrade_core.assembly.crossing import leg_request
    from xetrade_core.trading.cross.request import SLIPPAGE_BPS

    if not pair:
        raise ConfigError("name the pair with --pair, or of each leg with --buy-pair and --sell-pair")
    return leg_request(
        where,
        pair,
        price=amount(price, f"{option}-price") if price else None,
        slippage_bps=amount(slippage_bps, "--slippage-bps") if slippage_bps else SLIPPAGE_BPS,
    )


def _show_plan(plan: Plan, key: str, *, as_json: bool) -> None:
    from xetrade_core.trading.cross.overview import plan_row, plan_rows

    row, legs = plan_row(plan, key), plan_rows(plan)
    if as_json:
        emit_json({**row, "legs": legs})
        return
    show_rows("would be traded", legs)
    emit_text(
        f"{plan.why_first}; expected {row['expected']} {row['quote']} without fees, at most {row['max_loss']} lost"
    )
    for unknown in plan.not_checked:
        emit_text(f"not checked: {unknown}")
    emit_text("nothing was sent")


def _show(told: SagaTold, *, as_json: bool) -> None:
    if as_json:
        emit_json(told.as_dict())
        return
    row, tables = told.row, told.tables
    show_rows(f"{row['key']}: {row['state']}", tables["legs"])
    rest = f", traded back {row['unwound']}" if row["unwound"] != "0" else ""
    emit_text(f"filled {row['filled']} {row['base']}, hedged {row['hedged']}{rest}, unhedged {row['unhedged']}")
    if row["result"] is not None:
        emit_text(f"result {row['result']} {row['quote']} without fees")
    for fee in tables["fees"]:
        emit_text(f"fees on {fee['venue']}: {fee['fee']} {fee['currency']}")
    if row["reason"]:
        emit_text(f"because: {row['reason']}")


def _leave(found: list[SagaTold], *, stopped: bool = False) -> None:
    """The exit code that says how it ended. `stopped`: others were, which are not over."""
    states = [told.saga.state for told in found]
    for told in found:
        if not told.saga.state.over:
            say(f"cross order {told.saga.key} is not over: `xetrade cross resume {told.saga.key}` goes on with it")
    if stopped or not all(state.over for state in states):
        raise typer.Exit(NOT_SETTLED)
    if any(state.value != "done" for state in states):
        raise typer.Exit(NOT_CLEAN)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(cross_app, name="cross")
