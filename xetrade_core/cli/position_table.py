"""Positions as the terminal has room for them: a line each, two lines each, or a line a number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from xetrade_core.cli.options import moment
from xetrade_core.cli.output import has_room, one_below_the_other, table
from xetrade_core.positions.numbers import short_text

if TYPE_CHECKING:
    from xetrade_core.monitor.view import PositionView

COLUMNS = (
    "venue", "account", "pair", "strategy", "side", "quantity", "unit", "entry", "mark", "is", "age s", "unrealized",
    "fees", "funding", "net", "in", "to liq. %",
)  # fmt: skip
NUMBERS = (5, 7, 8, 10, 11, 12, 13, 14, 16)
#: whose it is, and in which money: said once where it is the same of all
COMMON = ("venue", "account", "strategy", "in")
#: two lines each; the last are left out first
FOLDED = (
    ("entry", "mark"), ("is", "age s"), ("unrealized", "net"), ("in", "to liq. %"), ("fees", "funding"),
)  # fmt: skip
NEEDED = 3  # of those
DIGITS = 8


def shown(at_ns: int, positions: Sequence[PositionView]) -> Any:
    """What rich prints of positions at a time. Where they are too wide for a line each they have two, with less in
    them if need be; a single one, or what is still too wide, has a line a number."""
    from rich.console import Group
    from rich.text import Text

    title = f"{moment(at_ns):%F %T} UTC"
    rows = [_row(one) for one in positions]
    if not rows:
        return Text(title)
    if has_room(COLUMNS, rows):
        return Group(Text(title), table("", COLUMNS, rows, str, NUMBERS))
    cells = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    same = {name: cells[0][name] for name in COMMON if len({one[name] for one in cells}) == 1}
    for count in range(len(FOLDED), NEEDED - 1, -1) if len(rows) > 1 else ():
        columns, folded = _folded(cells, same, FOLDED[:count])
        if has_room(columns, folded):
            said = [f"{name} {value}" for name, value in same.items() if value != "-"]
            made = table("", columns, folded, str, range(2, len(columns)))
            return Group(Text(", ".join((title, *said))), made)
    heads = [f"{one['pair']} on {one['venue']} {one['account']}" for one in cells]
    return Text(f"{title}\n{one_below_the_other(COLUMNS[3:], [row[3:] for row in rows], heads)}")


def amount_text(value: Decimal | None) -> str:
    """Money for people: eight digits, of which two are behind the point at least; `--json` has them all."""
    return short_text(value, min(max(_places(value), 2), DIGITS), grouped=True)


def _price_text(value: Decimal | None) -> str:
    return short_text(value, max(_places(value), DIGITS - 4), grouped=True)


def _places(value: Decimal | None) -> int:
    """How many places after the point eight digits have."""
    return DIGITS - 1 - (value.adjusted() if value else 0)


def _folded(
    cells: Sequence[dict[str, str]], same: dict[str, str], pairs: Sequence[tuple[str, str]]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and rows with two cells one above the other; without what is the same of all."""
    kept = [tuple(name for name in pair if name not in same) for pair in pairs]
    whose = [name for name in ("venue", "account", "strategy") if name not in same]
    columns = ("pair\n" + ", ".join(whose) if whose else "pair", "side\nquantity", *("\n".join(one) for one in kept))
    rows = []
    for one in cells:
        owner = " ".join(one[name] for name in whose if one[name] != "-")
        size = f"{one['quantity']} {one['unit'].replace('contracts of', 'x')}"
        numbers = ["\n".join(one[name] for name in names) for names in kept]
        rows.append((f"{one['pair']}\n{owner}".rstrip(), f"{one['side']}\n{size}", *numbers))
    return columns, rows


def _row(row: PositionView) -> tuple[str, ...]:
    age = "-" if row.mark_age_s is None else f"{max(row.mark_age_s, 0):.1f}{' stale' if row.mark_stale else ''}"
    return (
        row.venue, row.account, row.symbol, row.strategy or "-", row.side, short_text(row.quantity, 18, grouped=True),
        row.unit, _price_text(row.entry), _price_text(row.mark), row.mark_kind or "-", age,
        amount_text(row.unrealized), amount_text(row.fees), amount_text(row.funding), amount_text(row.net), row.settle,
        short_text(row.liquidation_distance, 2, grouped=True),
    )  # fmt: skip
