"""What the command line prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


#: columns of a table where there is no terminal
WIDTH = 200


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


def emit_text(text: str) -> None:
    """A line of the result on standard output."""
    print(text)  # noqa: T201 - standard output is the result


def console(*, stderr: bool = False) -> Console:
    """A rich console; as wide as the terminal, or 200 columns when it is none, so that logs cut no table."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDTH)


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
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], text: Callable[[Any], str] | None = None
) -> Table:
    """A rich table whose column is right-aligned where its cells are numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        numeric = any(isinstance(row[index], (int, float)) and not isinstance(row[index], bool) for row in cells)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text((text or cell_text)(cell)) for cell in row))
    return made


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
