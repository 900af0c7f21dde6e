"""What the commands that trade have in common: their options, the desk they work through, how an order is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from xetrade_core.cli.output import emit_json, emit_rows, emit_table, emit_text, has_room, say, working
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.assembly.trading import TradingDesk
    from xetrade_core.model.orders import Order
    from xetrade_core.settings import Settings
    from xetrade_core.trading.policy import Policy

T = TypeVar("T")
#: exit codes: not everything is known to be closed; what was asked is under way, or nobody knows what came of it
NOT_CLEAN, NOT_SETTLED = 1, 3
_UNDECIDED = ("intent", "submitting", "unknown", "needs_operator")
COLUMNS = (
    "client_id", "order_id", "state", "venue", "account", "pair", "side", "type", "quantity", "unit", "price", "filled",
    "average_price",
)  # fmt: skip


def _known(venue: str) -> str:
    """A venue that there is, retired or not, or none; raises UnknownVenue."""
    from xetrade_core.venues.registry import venue as known_venue

    return known_venue(venue).id if venue else ""


OneVenueOption = Annotated[str, typer.Option("--venue", help="Only this venue.", callback=_known)]
AccountOption = Annotated[
    str, typer.Option("--account", help="Account of the settings. Default: the venue's only one, or main.")
]
OneAccountOption = Annotated[str, typer.Option("--account", help="Only this account.")]
OnePairOption = Annotated[str, typer.Option("--pair", help="Only this pair: BTC-USDT, BTC/USDT:USDT.")]
OrderIdOption = Annotated[str, typer.Option("--order-id", help="The order: its client id or the venue's.")]
ByOption = Annotated[str, typer.Option("--by", help="Who says so. Default: the user of this machine.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for those who read it later.")]


def with_desk(
    settings: Settings,
    work: Callable[[TradingDesk], Awaitable[T]],
    *,
    venue: str = "",
    account: str = "",
    policy: Policy | None = None,
) -> T:
    """What `work` makes of the desk of these accounts, which is closed after it."""
    from xetrade_core.assembly.order_runs import run_with_desk
    from xetrade_core.clock import SystemClock

    return run_with_desk(settings, SystemClock(), work, venue=venue or None, account=account or None, policy=policy)


def amount(text: str, name: str) -> Decimal:
    """A decimal number as it was written; ConfigError names the option otherwise."""
    try:
        value = Decimal(text.strip().replace("_", ""))
    except InvalidOperation:
        raise ConfigError.of(name, text, "a number such as 0.001") from None
    if not (value.is_finite() and value > 0):
        raise ConfigError.of(name, text, "a number above zero")
    return value


def who(by: str) -> str:
    """The person that an entry of the order store names."""
    import getpass

    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def is_settled(order: Order) -> bool:
    """Whether what was asked of an order has come to its end: it rests, or is over."""
    cancelling = order.cancel_requested and order.state.working
    return not (order.amending or cancelling or order.state.value in _UNDECIDED)


def show_orders(title: str, orders: list[Order], *, as_json: bool, one: bool = False) -> None:
    """Orders as a table, or as JSON; `one`: as the object of a single order, with why it is as it is."""
    from xetrade_core.trading.overview import order_row

    rows = [order_row(order) for order in orders]
    if as_json:
        emit_json(rows[0] if one else rows)
        return
    columns = [*COLUMNS, *(name for name in ("replaced_by", "reason") if any(row[name] for row in rows))]
    cells = [[row[name] for name in columns] for row in rows]
    if has_room(columns, cells):
        emit_table(title, [name.replace("_", " ") for name in columns], cells)
    else:
        emit_table(title, ("client id", "state", "order"), [_short(row) for row in rows])


def _short(row: Mapping[str, object]) -> tuple[str, str, str]:
    """An order where there is no room for its columns: ids and numbers in one piece, the rest in words."""
    price = f" at {row['price']}" if row["price"] else ""
    average = f" at {row['average_price']}" if row["average_price"] else ""
    said = [
        f"{row['side']} {row['quantity']} {row['unit']}{price}, {row['type']}",
        f"{row['pair']} on {row['venue']}/{row['account']}",
        f"order {row['order_id']}" if row["order_id"] else "",
        f"filled {row['filled']}{average}",
        f"replaced by {row['replaced_by']}" if row["replaced_by"] else "",
        str(row["reason"] or ""),
    ]
    return str(row["client_id"]), str(row["state"]), "\n".join(filter(None, said))


def show_rows(title: str, rows: list[Any]) -> None:
    """Rows that are alike, as a table with their keys as header, or one below the other; nothing for none."""
    if rows:
        names = list(rows[0])
        emit_rows(title, [name.replace("_", " ") for name in names], [[row[name] for name in names] for row in rows])


def cancel_everything(
    settings: Settings, venue: str, account: str, pair: str, *, as_json: bool, halted: bool = False
) -> None:
    """Cancel all, verify, show; leaves with exit code 1 unless the venues say that nothing is open. After a halt
    (`halted`) also where no account can be asked."""
    from xetrade_core.assembly import order_runs
    from xetrade_core.clock import SystemClock
    from xetrade_core.trading.overview import cancel_all_row

    with working("cancelling, and asking the venues what is left"):
        cancel = order_runs.cancel_halted if halted else order_runs.cancel_everything
        reports, problems = cancel(
            settings, SystemClock(), venue=venue or None, account=account or None, pair=pair or None
        )
    rows = [cancel_all_row(report) for report in reports]
    clean = all(report.clean for report in reports) and not problems
    if as_json:
        emit_json({"clean": clean, "accounts": rows, "problems": problems})
    else:
        show_rows("", rows)
        for name, problem in problems.items():
            say(f"{name} left out: {problem}")
        emit_text("nothing is open" if clean else "NOT everything is known to be closed: look at the venues")
    if not clean:
        raise typer.Exit(NOT_CLEAN)
