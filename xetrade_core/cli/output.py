"""What the command line prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


#: columns of a table where there is no terminal
WIDTH = 200
#: least columns of what may be broken over lines
WORD = 6
#: least columns of sentences
PROSE = 24


def say(line: str) -> None:
    """One line for people, on standard error."""
    print(line, file=sys.stderr)  # noqa: T201 - this is the command line's own voice


def emit_json(result: object) -> None:
    """The result as one JSON document on standard output."""
    print(json.dumps(plain(result)))  # noqa: T201 - standard output is the result


def emit_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], text: Callable[[Any], str] | None = None
) -> None:
    """The result as a table on standard output; numbers stand right. `text` writes a cell, `cell_text` by default."""
    console().print(table(title, columns, rows, text))


def emit_rows(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The result as a table on standard output; where the terminal is too narrow for it, the rows one below the other.

    Ids, times and numbers stay in one piece, so that they can be read and copied; only words are broken over lines.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    written = [[cell_text(cell) for cell in row] for row in cells]
    room, least = console().width, [_least_width(index, name, written) for index, name in enumerate(columns)]
    widest = zip(columns, _widths(columns, written), strict=True)
    narrow = sum(max(width, len(name)) + 2 for name, width in widest) > room
    heads = ["\n".join(wrap(name, least[index])) if narrow else name for index, name in enumerate(columns)]
    if sum(width + 2 for width in least) > room:
        _emit_below(title, columns, written, room)
        return
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for index, head in enumerate(heads):
        number = any(_is_number(row[index]) for row in cells)
        broken = any(" " in row[index] for row in written)
        made.add_column(head, justify="right" if number else "left", overflow="fold", no_wrap=not broken)
    for row in written:
        made.add_row(*map(Text, row))
    console().print(made)


def _least_width(index: int, name: str, rows: Sequence[Sequence[str]]) -> int:
    """How narrow a column may be: as wide as what cannot be broken, and words not narrower than PROSE."""
    cells = [row[index] for row in rows]
    return max([_longest_word(name), *(max(_longest_word(cell), min(len(cell), PROSE)) for cell in cells)])


def _emit_below(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> None:
    """Each row as lines of a name and what it is; the first begins it."""
    names = max(map(len, columns))
    if title:
        emit_text(title)
    for row in rows:
        for index, (name, text) in enumerate(zip(columns, row, strict=True)):
            first, *more = wrap(text, max(room - names - 4, PROSE), break_long_words=False, break_on_hyphens=False)
            emit_text(f"{'' if index == 0 else '  '}{name:<{names + (2 if index == 0 else 0)}}  {first}")
            for line in more:
                emit_text(f"{'':{names + 4}}{line}")


def emit_text(text: str) -> None:
    """A line of the result on standard output."""
    print(text)  # noqa: T201 - standard output is the result


def console(*, stderr: bool = False) -> Console:
    """A rich console; as wide as the terminal or as COLUMNS says, else 200 columns, so that logs cut no table."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    told = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(stderr=stderr, highlight=False, width=None if told else WIDTH)


def count(number: int, name: str) -> str:
    """`1 file`, `2 files`, `1,000 files`."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


@contextlib.contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner on the terminal (standard error) while something takes its time; the function given changes its text.

    Where there is no terminal nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(stderr=True).status(text) as status:
        yield status.update


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    text: Callable[[Any], str] | None = None,
    numbers: Collection[int] = (),
) -> Table:
    """A rich table whose column is right-aligned where its cells are numbers; `numbers`: where they are so as text.

    Where it is wider than the terminal, headers and words are broken before any number is.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    written = [[(text or cell_text)(cell) for cell in row] for row in cells]
    right = {index for index in range(len(columns)) if index in numbers or any(_is_number(row[index]) for row in cells)}
    widths = _widths(columns, written)
    room = console().width
    narrow = sum(max(width, _broadest(name)) + 3 for width, name in zip(widths, columns, strict=True)) > room
    whole = narrow and fits(columns, written, right)
    made = Table(
        title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=narrow
    )
    for index, name in enumerate(columns):
        kept = whole and index in right
        head = "\n".join(wrap(name, max(widths[index], _longest_word(name)))) if kept else name
        made.add_column(head, justify="right" if index in right else "left", overflow="fold", no_wrap=kept)
    for row in written:
        made.add_row(*map(Text, row))
    return made


def has_room(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bool:
    """Whether a table fits on the terminal with no line of a cell broken."""
    widths = _widths(columns, [[cell_text(cell) for cell in row] for row in rows])
    return sum(max(width, _broadest(name)) + 3 for width, name in zip(widths, columns, strict=True)) <= console().width


def one_below_the_other(columns: Sequence[str], rows: Iterable[Sequence[str]], heads: Iterable[str]) -> str:
    """Rows that are too wide for a table: each below its head, a line a column."""
    width = max(map(len, columns))
    lines = []
    for head, row in zip(heads, rows, strict=True):
        lines.append(head)
        lines += [f"  {name:<{width}}  {cell}" for name, cell in zip(columns, row, strict=True)]
    return "\n".join(lines)


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int]) -> bool:
    """Whether the terminal has room for a table with its numbers in one piece and words broken to no less than WORD."""
    least = sum(
        2 + (max(width, _longest_word(name)) if index in numbers else min(max(width, len(name)), WORD))
        for index, (name, width) in enumerate(zip(columns, _widths(columns, rows), strict=True))
    )
    return least <= console().width


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The widest cell of each column, its header apart."""
    return [max((_broadest(row[index]) for row in rows), default=0) for index in range(len(columns))]


def _broadest(text: str) -> int:
    """The length of its longest line."""
    return max(map(len, text.split("\n")))


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=1)


def cell_text(value: object) -> str:
    """One cell: numbers with separators and no more digits than help, nothing as a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def plain(value: Any) -> Any:
    """`value` in JSON's own types: dataclasses and structs by field, times in ISO 8601, paths as text, NaN as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "__struct_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) or not hasattr(value, "tolist") else plain(value.tolist())
