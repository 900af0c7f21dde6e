"""`xetrade pnl`: positions and profit out of a file of fills, to check the arithmetic without an account."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import JsonOption, moment
from xetrade_core.cli.output import count, emit_json, emit_table, emit_text, has_room, one_below_the_other, say
from xetrade_core.errors import ConfigError

if TYPE_CHECKING:
    from xetrade_core.positions.case import Case, Ledger
    from xetrade_core.positions.details import Valued
    from xetrade_core.positions.position import Pnl

COLUMNS = ("", "quantity", "avg entry", "realized", "fees", "net of fees", "unrealized", "funding", "net", "in")
SHOWN_PLACES = 10


def pnl(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A case, or a list of them, in JSON; - is standard input.")
    ],
    mark: Annotated[str | None, typer.Option("--mark", help="Mark price of every case, before the file's own.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="average|fifo|lifo", help="Which entries a close releases.")
    ] = None,
    with_details: Annotated[
        bool, typer.Option("--details", help="Also break-even, worth, margin, liquidation price, lots, fees as paid.")
    ] = False,
    currency: Annotated[str, typer.Option("--in", help="Also the net in that currency, through the rates given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Compute positions and profit from fills in a file.

    A case is {"instrument": {"type": "spot|linear|inverse|quanto", "multiplier": "1", "symbol": "BTC/USDT:USDT"},
    "fills": [{"side", "qty", "price", "fee", "fee_currency", "time"}], "funding": [{"rate", "mark", "time"}],
    "mark": "101", "rates": {"BNB": "600"}}; all but type, side, qty and price may be left out. Fees are positive when
    paid, funding is positive when received. Everything is in settlement currency and exact to 28 decimal places.
    With "leverage", "wallet", "maintenance_rate" and "maintenance_amount" in a case --details has margin, return on it
    and liquidation price.

    \b
    xetrade pnl fills.json --mark 101
    xetrade pnl fills.json --method fifo --json
    xetrade pnl fills.json --details --in EUR
    cat fills.json | xetrade pnl - --json
    """
    cases, listed = _read(file, mark, method)
    from xetrade_core.positions.case import Ledger

    ledgers = [Ledger(case) for case in cases]
    for case in cases:
        if case.repeated:
            say(f"{case.name}: {count(case.repeated, 'fill')} of the same id and numbers as another, counted once")
    if as_json:
        results = [_fields(ledger, with_details, currency) for ledger in ledgers]
        emit_json(results if listed else results[0])
        return
    rows = [row for number, ledger in enumerate(ledgers, 1) for row in _rows(number, ledger)]
    if has_room(COLUMNS, rows):
        emit_table("", COLUMNS, rows, str)
    elif rows:
        emit_text(one_below_the_other(COLUMNS[1:], [row[1:] for row in rows], _heads(row[0] for row in rows)))
    if any(row[6] == "-" for row in rows):
        emit_text("without a mark nothing is known of what is unrealized: give one with --mark")
    for number, ledger in enumerate(ledgers, 1):
        for line in _lines(number, ledger, with_details, currency):
            emit_text(line)


def _read(file: str, mark: str | None, method: str | None) -> tuple[list[Case], bool]:
    """The cases of the file with what the command line says on top."""
    from xetrade_core.positions.fields import number
    from xetrade_core.positions.lots import LotMethod
    from xetrade_core.positions.written import read_cases

    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ConfigError.of("FILE", file, f"a file that can be read ({error.strerror})") from None
    cases, listed = read_cases(text, "standard input" if file == "-" else file)
    if mark is not None:
        price = number(mark, "--mark")
        if price < 0 or (price == 0 and any(case.payout.inverse for case in cases)):
            raise ConfigError.of("--mark", mark, "a price above 0")
        cases = [replace(case, mark=price) for case in cases]
    if method is not None:
        if method not in set(LotMethod):
            raise ConfigError.of("--method", method, "average, fifo or lifo")
        cases = [replace(case, method=LotMethod(method)) for case in cases]
    return cases, listed


def _fields(ledger: Ledger, with_details: bool, currency: str) -> dict[str, Any]:
    """A case's result in JSON's types: amounts as decimal texts."""
    from xetrade_core.positions.details import details

    found: dict[str, Any] = _texts(ledger.pnl())
    if with_details:
        sides = {side.value: _texts(details(ledger.case, one)) for side, one in ledger.positions.items()}
        found |= {"settlement_currency": ledger.case.payout.settle or None, **(sides.get("net") or sides)}
    if currency:
        valued = _valued(ledger, currency)
        oldest = valued.path.oldest_ns
        found["in"] = {
            "currency": currency,
            "net_pnl": _texts(valued.net_pnl),
            "path": str(valued.path),
            "as_of": None if oldest is None else moment(oldest).isoformat(),
        }
    return found


def _valued(ledger: Ledger, currency: str) -> Valued:
    """The net in another currency. Raises ConfigError where the rates of the case do not lead there."""
    from xetrade_core.positions.conversion import NoPath
    from xetrade_core.positions.details import in_currency

    name, settle = ledger.case.name, ledger.case.payout.settle
    if not settle:
        raise ConfigError(f'{name}: nothing tells what it settles in, so --in cannot be: add "symbol" or "settle"')
    try:
        return in_currency(ledger, currency)
    except NoPath as error:
        raise ConfigError(f'{name}: {error}; give "rates": {{"{currency}/{settle}": "..."}}') from None


def _texts(value: Any) -> Any:
    """With every Decimal as text, without an exponent."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if is_dataclass(value):
        return {one.name: _texts(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {name: _texts(one) for name, one in value.items()}
    return [_texts(one) for one in value] if isinstance(value, tuple) else value


def _lines(number: int, ledger: Ledger, with_details: bool, currency: str) -> list[str]:
    """What else is to be said of a case, a line each."""
    from xetrade_core.positions.details import details

    name, lines = ledger.case.title or f"case {number}", []
    for side, position in ledger.positions.items() if with_details else ():
        found = details(ledger.case, position)
        known = {
            "breaks even at": found.break_even,
            "is worth": found.notional,
            "margin": found.margin,
            "return on margin": found.return_on_margin,
            "is liquidated at": found.liquidation_price,
        }
        said = [f"{what} {_text(value)}" for what, value in known.items() if value is not None]
        said += [f"paid {_text(fee)} {paid_in or 'settlement'}" for paid_in, fee in found.fees_paid.items()]
        said += [f"lot of {_text(lot.qty_signed)} at {_text(lot.entry)}" for lot in found.lots]
        lines.append(f"{name}{'' if side == 'net' else f' {side}'}: {', '.join(said) or 'nothing to add'}")
    if currency:
        valued = _valued(ledger, currency)
        lines.append(f"{name}: net {_text(valued.net_pnl)} {currency} ({valued.path})")
    return lines


def _rows(number: int, ledger: Ledger) -> list[tuple[str, ...]]:
    """A row for the case; in hedge mode one for each side below it."""
    case = ledger.case
    currency = case.payout.settle or "settlement"
    rows = [_row(case.title or f"case {number}", ledger.pnl(), currency)]
    if len(ledger.positions) > 1:
        rows += [_row(f"  {side.value}", ledger.pnl_of(side), currency) for side in ledger.positions]
    return rows


def _heads(titles: Iterable[str]) -> Iterator[str]:
    """The titles of rows that stand by themselves: those of sides with the case that they are of."""
    case = ""
    for title in titles:
        case = case if title.startswith("  ") else title
        yield case + title[1:] if title.startswith("  ") else title


def _row(title: str, result: Pnl, currency: str) -> tuple[str, ...]:
    numbers = (
        result.qty_signed, result.avg_entry, result.realized_pnl, result.fees, result.realized_pnl_net_of_fees,
        result.unrealized_pnl, result.funding, result.net_pnl,
    )  # fmt: skip
    return (title, *map(_text, numbers), currency)


def _text(value: Decimal | None) -> str:
    """At most ten digits after the point, for people; `--json` has them all."""
    from xetrade_core.positions.numbers import short_text

    return short_text(value, SHOWN_PLACES)


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(pnl)
