"""`xetrade position` and `xetrade monitor`: what the fills of the order store have made, at the venues' marks."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from xetrade_core.cli.desk import OneAccountOption, OnePairOption, OneVenueOption
from xetrade_core.cli.options import JsonOption, moment, open_settings, seconds, symbol_fits
from xetrade_core.cli.output import console, emit_json, emit_text, plain, say
from xetrade_core.cli.position_table import amount_text, shown
from xetrade_core.cli.quoting import tell_failures
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.model.orders import Order
    from xetrade_core.monitor.ledger import Selection
    from xetrade_core.monitor.limits import PositionLimits, Watchman
    from xetrade_core.monitor.pace import Pace
    from xetrade_core.monitor.watch import Update
    from xetrade_core.settings import Settings
    from xetrade_core.trading.reader import OrderReader

StrategyOption = Annotated[str, typer.Option("--strategy", help="Only this strategy.")]
OrderOption = Annotated[str, typer.Option("--order-id", help="What one order has made: its client id or the venue's.")]
FlatOption = Annotated[bool, typer.Option("--flat", help="Closed positions too.")]
StaleOption = Annotated[str, typer.Option("--stale-after", help="Marks older than this are flagged.")]
StoreOption = Annotated[str, typer.Option("--store", help="Order store. Default: trading.store of the settings.")]
TimeoutOption = Annotated[str, typer.Option("--timeout", help="How long a venue may take to answer.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the two commands have in common."""

    venue: str
    account: str
    pair: str
    strategy: str
    order_id: str
    store: str


def position(
    venue: OneVenueOption = "",
    pair: OnePairOption = "",
    order_id: OrderOption = "",
    account: OneAccountOption = "",
    strategy: StrategyOption = "",
    flat: FlatOption = False,
    stale_after: StaleOption = "60s",
    timeout: TimeoutOption = "10s",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show positions and their profit.

    From the fills in the order store: of an order, or of accounts, strategies and pairs; at the venue's mark price
    where it states one, else at the middle of bid and ask. Money is in the currency that the contract settles in.

    \b
    xetrade position --venue binance --pair BTC-USDT --order-id 12345
    xetrade position --account main --json
    xetrade position --strategy maker --flat
    """
    pace = _pace("1s", 1, stale_after, timeout, flat=flat or bool(order_id))
    _run(Asked(venue, account, pair, strategy, order_id, store), pace, None, as_json)


def monitor(
    venue: OneVenueOption = "",
    pair: OnePairOption = "",
    order_id: OrderOption = "",
    account: OneAccountOption = "",
    strategy: StrategyOption = "",
    interval: Annotated[
        str, typer.Option("--interval", help="Time between updates; a fill brings one at once.")
    ] = "30",
    max_updates: Annotated[
        int | None, typer.Option("--max-updates", min=1, help="End after so many. Default: at Ctrl-C.")
    ] = None,
    on_change: Annotated[
        bool, typer.Option("--on-change", help="An update whenever a mark moves too, ten a second at most.")
    ] = False,
    flat: FlatOption = False,
    max_notional: Annotated[str, typer.Option("--max-notional", help="Alarm of a position worth more: 50000.")] = "",
    max_drawdown: Annotated[str, typer.Option("--max-drawdown", help="Alarm of a net so far below its best.")] = "",
    min_liquidation_distance: Annotated[
        str, typer.Option("--min-liquidation-distance", help="Alarm of a mark nearer to liquidation: 10 (percent).")
    ] = "",
    stale_after: StaleOption = "60s",
    timeout: TimeoutOption = "10s",
    store: StoreOption = "",
    as_json: JsonOption = False,
) -> None:
    """Watch positions and their profit.

    Shows what `xetrade position` shows, at each interval and whenever a fill comes: from the private streams of the
    accounts of the settings, or from the order store. A live table on a terminal, one JSON object a line with --json.
    With --on-change the books of spot positions are followed, and marks of contracts are asked for each second.

    A venue that does not answer holds up no other: its rows stay, at its last marks, and it is named.

    Alarms go to the log and to alerts.webhook_url: of the limits given or set (monitor.*), in settlement currency, of
    a liquidation that is near, where the venue states its price to an account of the settings, and of marks that are
    old or missing.

    \b
    xetrade monitor --venue binance --pair BTC-USDT --order-id 12345 --interval 30 --max-updates 10
    xetrade monitor --account main --interval 1s
    xetrade monitor --strategy maker --interval 500ms --json
    xetrade monitor --account main --on-change
    xetrade monitor --interval 5s --max-notional 50000 --max-drawdown 2000 --min-liquidation-distance 10
    """
    from xetrade_core.monitor.limits import PositionLimits

    limits = PositionLimits(
        max_notional=_limit(max_notional, "--max-notional"),
        max_drawdown=_limit(max_drawdown, "--max-drawdown"),
        min_liquidation_distance=_limit(min_liquidation_distance, "--min-liquidation-distance"),
    )
    flat = flat or bool(order_id)
    pace = _pace(interval, max_updates, stale_after, timeout, flat=flat, on_change=on_change)
    _run(Asked(venue, account, pair, strategy, order_id, store), pace, limits, as_json)


def _pace(interval: str, most: int | None, stale: str, timeout: str, *, flat: bool, on_change: bool = False) -> Pace:
    from xetrade_core.monitor.pace import Pace

    return Pace(
        interval_s=seconds(interval, "--interval"),
        max_updates=most,
        stale_after_s=seconds(stale, "--stale-after"),
        mark_deadline_s=seconds(timeout, "--timeout"),
        flat=flat,
        on_change=on_change,
    )


def _limit(text: str, option: str) -> Decimal | None:
    from xetrade_core.positions.fields import number

    found = number(text, option) if text else None
    if found is not None and found <= 0:
        raise ConfigError.of(option, text, "an amount above 0")
    return found


def _run(asked: Asked, pace: Pace, limits: PositionLimits | None, as_json: bool) -> None:
    """`limits`: where somebody is to be told of what they do not allow; None: nobody is."""
    from xetrade_core.assembly.accounting import existing_store
    from xetrade_core.assembly.watching import require_known, usual_limits
    from xetrade_core.monitor.limits import Watchman
    from xetrade_core.trading.reader import OrderReader

    settings = open_settings()
    with OrderReader(existing_store(settings, asked.store)) as reader:
        require_known(settings, reader, asked.venue, asked.account)
        if asked.strategy and asked.strategy not in (known := reader.strategies()):
            named = ", ".join(sorted(known)) or "none"
            say(f"strategy {asked.strategy!r} has not traded yet: those that have are {named}")
        order = _order(reader, asked)
        watchman = None if limits is None else Watchman(limits.or_else(usual_limits(settings)))
        screen = _Screen(order, as_json, watchman)
        asyncio.run(_watch(settings, reader, _selection(reader, asked, order), pace, screen))


def _order(reader: OrderReader, asked: Asked) -> Order | None:
    """The order of `--order-id`, which must be of the pair that is named beside it."""
    if not asked.order_id:
        return None
    order = reader.named(asked.order_id, venue=asked.venue or None, account=asked.account or None)
    if asked.pair and not symbol_fits(asked.pair, order.intent.symbol, order.intent.venue):
        raise ConfigError.of("--pair", asked.pair, f"order {asked.order_id} is of {order.intent.symbol}")
    return order


def _selection(reader: OrderReader, asked: Asked, order: Order | None) -> Selection:
    from xetrade_core.monitor.ledger import Selection

    if order is not None:
        return Selection(order.intent.venue, order.intent.account, client_id=order.client_id)
    symbols = None
    if asked.pair:
        traded = sorted({symbol for _, symbol in reader.instruments_traded()})
        symbols = tuple(symbol for symbol in traded if symbol_fits(asked.pair, symbol))
        if not symbols:
            raise ConfigError.of("--pair", asked.pair, f"fills are of {', '.join(traded) or 'nothing yet'}")
    return Selection(asked.venue or None, asked.account or None, symbols, asked.strategy or None)


async def _watch(settings: Settings, reader: OrderReader, selection: Selection, pace: Pace, screen: _Screen) -> None:
    from xetrade_core.assembly.watching import open_watch

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_watch(settings, reader, selection, pace, SystemClock(), random.Random()) as opened:
        with screen:
            async for update in opened.updates(stop):
                screen.show(update, {stream.name: stream.state.value for stream in opened.streams})
    screen.tell()


class _Screen:
    """A live table on a terminal; elsewhere a table each time, or a line of JSON."""

    def __init__(self, order: Order | None, as_json: bool, watchman: Watchman | None) -> None:
        self._order = order
        self._watchman = watchman
        self._as_json = as_json
        self._live: Any = None
        self._silent: set[str] = set()
        self._last: Update | None = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty() and not self._as_json:
            from rich.live import Live

            self._live = Live(console=console(), auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def show(self, update: Update, streams: dict[str, str]) -> None:
        """`streams`: how the private streams stand, by the account that they are of."""
        if self._watchman is not None:
            self._watchman.look(update)
        if self._as_json:
            emit_json(_fields(update, self._order) | {"streams": streams})
        elif self._live is None:
            console().print(shown(update.at_ns, update.positions))
            emit_text(_summary(update, self._order))
        else:
            self._live.update(_live(update, self._order, console().height), refresh=True)
        sys.stdout.flush()
        self._last = update
        if self._live is None:
            self._tell_changes(update)

    def tell(self) -> None:
        """Which venues did not answer at the last, on standard error, unless that was told when it began."""
        if self._live is not None and self._last is not None:
            tell_failures(self._last.failures)

    def _tell_changes(self, update: Update) -> None:
        """Which venues have ceased to answer, and which answer again."""
        now = {failure.venue for failure in update.failures}
        tell_failures(failure for failure in update.failures if failure.venue not in self._silent)
        for venue in sorted({row.venue for row in update.positions} & self._silent - now):
            say(f"{venue} answers again")
        self._silent = now


def _fields(update: Update, order: Order | None) -> dict[str, Any]:
    """An update in JSON's types: amounts as decimal texts."""
    rows = {
        "number": update.number,
        "time": moment(update.at_ns).isoformat(),
        "fills": update.fills,
        "ahead": update.ahead,
        "positions": [_texts(row) for row in update.positions],
        "totals": [_texts(total) for total in update.totals],
        "mismatches": list(update.mismatches),
        "failures": [{"venue": failure.venue, "reason": failure.reason} for failure in update.failures],
    }
    if order is not None:
        rows["order"] = {"client_id": order.client_id, "venue_order_id": order.venue_order_id}
    return rows


def _texts(row: Any) -> dict[str, Any]:
    from dataclasses import fields

    values = {one.name: getattr(row, one.name) for one in fields(row)}
    return {name: format(value, "f") if isinstance(value, Decimal) else plain(value) for name, value in values.items()}


def _live(update: Update, order: Order | None, height: int) -> Any:
    """What it comes to first, and who does not answer: it is seen however many positions there are. No more of those
    than lines."""
    from rich.console import Group
    from rich.text import Text

    said = "\n".join((_summary(update, order), *(failure.named for failure in update.failures)))
    return Group(Text(said), shown(update.at_ns, update.positions[:height]))


def _summary(update: Update, order: Order | None) -> str:
    """What it comes to by currency, or why there is nothing to show."""
    if not update.positions:
        if order is not None:
            return f"order {order.client_id} has no fills: it is {order.state.value}"
        return "no open position" if not update.fills else "no open position: all are closed; --flat shows them"
    sums = [
        f"net in {total.settle} of {total.positions} not known" if total.net is None
        else f"net {amount_text(total.net)} {total.settle} of {total.positions}"
        for total in update.totals
    ]  # fmt: skip
    apart = sorted({currency for row in update.positions for currency in row.unvalued})
    fees = f"; fees in {', '.join(apart)} are not in it" if apart else ""
    ahead = f"; {update.ahead} fills are not in the order store yet" if update.ahead else ""
    differ = "".join(f"\n{one}" for one in update.mismatches)
    return f"{', '.join(sums)}{fees}{ahead}{differ}"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(position)
    app.command()(monitor)
