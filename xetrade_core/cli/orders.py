"""`xetrade place`, `cancel`, `amend`, `status`: one order at a time.

An order that nobody knows about yet ends with exit code 3 and its client id: `xetrade status --refresh` asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xetrade_core.cli.desk import (
    NOT_SETTLED,
    AccountOption,
    OneAccountOption,
    OnePairOption,
    OneVenueOption,
    OrderIdOption,
    amount,
    cancel_everything,
    is_settled,
    show_orders,
    show_rows,
    with_desk,
)
from xetrade_core.cli.options import JsonOption, VenueOption, open_settings, seconds, symbol_fits
from xetrade_core.cli.output import emit_json, emit_text, say
from xetrade_core.cli.quoting import PairOption
from xetrade_core.errors import ConfigError, UnknownOrder

if TYPE_CHECKING:
    from xetrade_core.assembly.preview import Preview
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.model.orders import Order
    from xetrade_core.settings import Settings
    from xetrade_core.trading.requests import OrderRequest


def place(
    venue: VenueOption,
    pair: PairOption,
    side: Annotated[str, typer.Option("--side", metavar="buy|sell", help="Buy or sell.")],
    quantity: Annotated[
        str, typer.Option("--quantity", help="Base currency on a spot venue; contracts, where a venue counts in those.")
    ],
    order_type: Annotated[
        str, typer.Option("--order-type", metavar="LIMIT|MARKET", help="How it is priced.")
    ] = "LIMIT",
    price: Annotated[str, typer.Option("--price", help="In quote currency; a market order has none.")] = "",
    account: AccountOption = "",
    tif: Annotated[
        str, typer.Option("--tif", metavar="GTC|IOC|FOK", help="Until cancelled, at once or not, all at once or not.")
    ] = "GTC",
    post_only: Annotated[bool, typer.Option("--post-only", help="Rest in the book, or be refused.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only ever close what is held.")] = False,
    rounding: Annotated[
        str,
        typer.Option(
            "--rounding", metavar="refuse|fit", help="Off the venue's grid: refuse, or quantity down and price near."
        ),
    ] = "refuse",
    expires: Annotated[
        str, typer.Option("--expires", help="Wait so long for a venue that is down: 10m. Default: now or never.")
    ] = "",
    strategy: Annotated[str, typer.Option("--strategy", help="Whose order it is, for limits and positions.")] = "",
    key: Annotated[
        str, typer.Option("--key", help="Your name of this order: the same key never places a second one.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it and show what would be sent; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Place an order.

    Exit code 0: the venue has it, or has done it. 2: refused, nothing is on the venue. 3: nobody knows yet; it is kept,
    and `xetrade status --refresh` asks again.

    \b
    xetrade place --venue binance --pair BTC-USDT --side buy --order-type LIMIT --quantity 0.001 --price 50000
    xetrade place --venue binance --pair BTC/USDT --side sell --order-type MARKET --quantity 0.001 --dry-run
    xetrade place --venue binance --pair ETHUSDT --side buy --quantity 0.1 --price 2500 --post-only --key rebalance-7
    """
    import secrets
    import time

    settings, asked_ns = open_settings(), time.time_ns()
    request, waits_s = _request(
        venue, pair, side, quantity, order_type, price, account, tif, rounding, expires, strategy,
        post_only=post_only, reduce_only=reduce_only,
    )  # fmt: skip
    chosen = key or f"cli-{secrets.token_hex(8)}"

    async def work(desk: TradingDesk) -> Order | Preview:
        if dry_run:
            return await desk.preview(request, key=chosen)
        return await desk.concluded(await desk.place(request, key=chosen))

    from xetrade_core.assembly.preview import Preview
    from xetrade_core.trading.client_ids import client_order_id
    from xetrade_core.trading.policy import Policy

    policy = Policy(patience_s=max(waits_s, settings.trading.patience_s))
    try:
        result = with_desk(settings, work, venue=venue, account=account, policy=policy)
    except KeyboardInterrupt:
        if not dry_run:
            say(f"order {client_order_id(chosen)} may be on its way: `xetrade orders resume` goes on with it")
        raise
    if isinstance(result, Preview):
        _show_preview(result, as_json=as_json)
    else:
        if result.intent.created_ns < asked_ns:
            say(f"the key {key} was used before: this is the order of then, and none was placed now")
        _show_settled(result, as_json=as_json)


def _request(
    venue: str, pair: str, side: str, quantity: str, order_type: str, price: str, account: str, tif: str,
    rounding: str, expires: str, strategy: str, *, post_only: bool, reduce_only: bool,
) -> tuple[OrderRequest, float]:  # fmt: skip
    """What the options ask for, and how long it may wait. Raises ConfigError."""
    import time

    from xetrade_core.clock import NS_PER_S
    from xetrade_core.model.orders import OrderType, Side, TimeInForce
    from xetrade_core.trading.requests import OrderRequest, Rounding

    waits_s = seconds(expires, "--expires") if expires else 0.0
    request = OrderRequest(
        venue=venue,
        account=account,
        symbol=pair,
        side=Side(_word(side, "--side", "buy", "sell")),
        amount=amount(quantity, "--quantity"),
        type=OrderType(_word(order_type, "--order-type", "limit", "market")),
        price=amount(price, "--price") if price else None,
        time_in_force=TimeInForce(_word(tif, "--tif", "gtc", "ioc", "fok")),
        post_only=post_only,
        reduce_only=reduce_only,
        strategy=strategy,
        expires_ns=time.time_ns() + round(waits_s * NS_PER_S) if waits_s else None,
        rounding=Rounding(_word(rounding, "--rounding", "refuse", "fit")),
    )
    return request, waits_s


def _word(text: str, name: str, *allowed: str) -> str:
    """One of some words, in small or capital letters."""
    word = text.strip().lower()
    if word not in allowed:
        raise ConfigError.of(name, text, f"one of {', '.join(allowed)}")
    return word


def _show_settled(order: Order, *, as_json: bool) -> None:
    """The order; leaves with exit code 3 where what was asked is still under way, or nobody knows."""
    show_orders("", [order], as_json=as_json, one=True)
    if not is_settled(order):
        say(f"order {order.client_id} is not settled yet: `xetrade orders resume` goes on with it")
        raise typer.Exit(NOT_SETTLED)


def _show_preview(preview: Preview, *, as_json: bool) -> None:
    """What would be sent; a denial is the command's error."""
    from xetrade_core.assembly.preview import preview_row
    from xetrade_core.trading.limits import CURRENCY

    if preview.denial is not None:
        raise preview.denial.to_error(preview.intent.client_id)
    row = preview_row(preview)
    if as_json:
        emit_json(row)
        return
    with_units = {"quantity": row.pop("unit"), "price": row.pop("currency"), "value": CURRENCY}
    for name, unit in with_units.items():
        row[name] = row[name] and f"{row[name]} {unit}"
    show_rows("would be sent", [{"what": name.replace("_", " "), "value": value} for name, value in row.items()])
    emit_text("nothing was sent")


def cancel(
    order_id: OrderIdOption = "",
    every: Annotated[bool, typer.Option("--all", help="Every open order of these, whoever placed it.")] = False,
    venue: OneVenueOption = "",
    pair: OnePairOption = "",
    account: OneAccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Cancel an order, or all of them.

    Ends when the venue has told how the order ended: a fill may have been faster. With --all the venues are asked
    afterwards what is still open; exit code 1 if anything is, or if nobody knows.

    \b
    xetrade cancel --venue binance --pair BTC-USDT --order-id 12345
    xetrade cancel --all --venue binance
    """
    if every == bool(order_id):
        raise ConfigError("name one order with --order-id, or all with --all")
    settings = open_settings()
    if every:
        cancel_everything(settings, venue, account, pair, as_json=as_json)
        return

    stored = _stored(settings, order_id, venue, account, pair)
    if stored is not None:
        venue, account = stored.intent.venue, stored.intent.account

    async def work(desk: TradingDesk) -> Order | None:
        order = await desk.cancel(order_id, venue=venue, account=account or None, pair=pair or None)
        return None if order is None else await desk.settle(order)

    order = with_desk(settings, work, venue=venue, account=account)
    if order is not None:
        _show_settled(order, as_json=as_json)
    elif as_json:
        emit_json({"order_id": order_id, "venue": venue, "cancel": "taken", "in_store": False})
    else:
        emit_text(f"{venue} took the cancel of {order_id}, an order that is not in the order store")


def _stored(settings: Settings, order_id: str, venue: str, account: str, pair: str = "") -> Order | None:
    """The order of the store; None if it is not there, and venue and pair say where it is. Raises UnknownOrder, and
    ConfigError where it is of another pair or nobody knows the account."""
    from xetrade_core.assembly.order_store import open_reader, require_account

    reader = open_reader(settings)
    try:
        require_account(settings, reader, account)
        order = reader.named(order_id, venue=venue or None, account=account or None)
    except UnknownOrder:
        if not (venue and pair):
            raise
        return None
    finally:
        reader.close()
    if pair and not symbol_fits(pair, order.intent.symbol, order.intent.venue):
        raise ConfigError.of("--pair", pair, f"order {order_id} is of {order.intent.symbol}")
    return order


def amend(
    order_id: Annotated[str, typer.Option("--order-id", help="The order: its client id or the venue's.")],
    quantity: Annotated[str, typer.Option("--quantity", help="The new total quantity, what is filled included.")] = "",
    price: Annotated[str, typer.Option("--price", help="The new price.")] = "",
    venue: OneVenueOption = "",
    account: OneAccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Change quantity or price of an order that rests.

    Where the venue cannot, it is cancelled and replaced for what was not filled; the order then has another id.

    \b
    xetrade amend --order-id 12345 --price 49900
    xetrade amend --venue binance --order-id 12345 --quantity 0.002
    """
    settings = open_settings()
    new_quantity = amount(quantity, "--quantity") if quantity else None
    new_price = amount(price, "--price") if price else None
    if new_quantity is None and new_price is None:
        raise ConfigError("say what is to change: --quantity, --price or both")

    stored = _stored(settings, order_id, venue, account)
    assert stored is not None  # without a pair an unknown one is an error
    client_id, intent = stored.client_id, stored.intent

    async def work(desk: TradingDesk) -> Order:
        return await desk.concluded(await desk.amend(client_id, amount=new_quantity, price=new_price))

    _show_settled(with_desk(settings, work, venue=intent.venue, account=intent.account), as_json=as_json)


def status(
    order_id: Annotated[str, typer.Option("--order-id", help="The order: its client id or the venue's.")],
    venue: OneVenueOption = "",
    pair: OnePairOption = "",
    account: OneAccountOption = "",
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the venue first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where an order stands.

    As the order store has it; with --refresh after asking the venue. `xetrade orders show ID` tells its whole history.
    An order that is not in the store is asked for on the venue, if --venue and --pair say where.

    \b
    xetrade status --venue binance --pair BTC-USDT --order-id 12345
    xetrade status --order-id 12345 --refresh --json
    """
    settings = open_settings()
    order = _stored(settings, order_id, venue, account, pair)
    if order is None:
        _show_stranger(settings, order_id, venue, account, pair, as_json=as_json)
        return
    if refresh:
        client_id, intent = order.client_id, order.intent
        order = with_desk(settings, lambda desk: desk.refreshed(client_id), venue=intent.venue, account=intent.account)
    show_orders("", [order], as_json=as_json, one=True)


def _show_stranger(settings: Settings, order_id: str, venue: str, account: str, pair: str, *, as_json: bool) -> None:
    """An order of the account that somebody else placed."""
    from xetrade_core.trading.overview import report_row

    report = with_desk(
        settings, lambda desk: desk.find(order_id, venue, account or None, pair), venue=venue, account=account
    )
    if report is None:
        raise UnknownOrder(order_id, venue)
    row = report_row(report, venue)
    if as_json:
        emit_json(row)
    else:
        show_rows("not in the order store; the venue says", [row])


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (place, cancel, amend, status):
        app.command()(command)
