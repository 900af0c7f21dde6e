"""`xetrade lake`: what the lake holds, and SQL over it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xetrade_core.cli.options import JsonOption, LakeOption, moment, open_settings
from xetrade_core.cli.output import console, count, emit_json, emit_table, emit_text, one_below_the_other, say
from xetrade_core.errors import ConfigError
from xetrade_core.model.decimals import plain

if TYPE_CHECKING:
    from xetrade_core.lake.reader import Lake

#: elements of a list (a book's levels) that a table shows
SHOWN_ELEMENTS = 3

lake_group = typer.Typer(help="List what the lake holds, and query it in SQL.", no_args_is_help=True)


def _open(lake: str | None) -> Lake:
    from xetrade_core.assembly import lake_store
    from xetrade_core.lake.reader import Lake

    return Lake(lake_store(open_settings(lake)))


@lake_group.command()
def ls(lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """List datasets, venues and symbols: hours, rows, bytes."""
    reader = _open(lake)
    held = reader.ls()
    if as_json:
        emit_json({"lake": reader.store.uri, "holdings": held})
        return
    columns = ("dataset", "venue", "symbol", "hours", "files", "rows", "KiB", "from", "to")
    rows = [
        (one.dataset, one.venue, one.symbol, one.hours, one.files, one.rows, one.bytes // 1024,
         f"{moment(one.first_ns):%F %H:00}", f"{moment(one.last_ns):%F %H:00}")
        for one in held
    ]  # fmt: skip
    if rows:
        emit_table(reader.store.uri, columns, rows)
    else:
        emit_text(f"{reader.store.uri} holds nothing: record with `xetrade capture start`, then `xetrade compact`")


@lake_group.command()
def query(
    sql: Annotated[str, typer.Argument(help="SELECT symbol, count(*) FROM l2_snapshots GROUP BY 1")],
    lake: LakeOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows that a table shows; JSON and CSV have all.")] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run SQL (DuckDB) over the lake.

    Views: one a dataset (see `xetrade lake ls`), such as l2_snapshots, l2_gaps, l2_quality, book_metrics, instruments,
    symbol_map; l2_segments has what is not compacted yet. Rows that are too wide for the screen are shown one below the
    other.

    \b
    xetrade lake query "SELECT exchange, symbol, count(*) FROM l2_snapshots GROUP BY ALL"
    xetrade lake query "SELECT timestamp, bid_price[1], ask_price[1] FROM l2_snapshots" --csv > touch.csv
    xetrade lake query "SELECT exposure, count(*) FROM symbol_map WHERE date = '2026-11-20' GROUP BY 1 ORDER BY 2 DESC"
    """
    import duckdb

    if as_csv and as_json:
        raise ConfigError("--csv and --json exclude each other: give one of them")
    connection = _open(lake).duckdb()
    try:
        if not duckdb.extract_statements(sql):
            raise ConfigError.of("SQL", sql, 'a statement, such as "SELECT count(*) FROM l2_snapshots"')
        cursor = connection.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        found = cursor.fetchall() if as_csv or as_json else cursor.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise ConfigError(f"SQL: {' '.join(str(error).split())}") from None
    finally:
        connection.close()
    rows = [[plain(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in found]
    if as_json:
        emit_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows])
    else:
        _show(columns, rows[:limit])
        emit_text(count(min(len(rows), limit), "row"))
        if len(rows) > limit:
            say(f"only the first {limit} rows are shown: --limit for more, --csv or --json for all")


def _show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table, or where that is too wide for the screen, the rows one below the other."""
    texts = [[_short(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) + 3 for column in zip(columns, *texts, strict=True)]
    if not rows or sum(widths) <= console().width:
        emit_table("", columns, rows, _short)
        return
    emit_text(one_below_the_other(columns, texts, (f"row {number}" for number in range(1, len(texts) + 1))))


def _short(cell: Any) -> str:
    """A value as SQL has it: a list as its first elements and how many there are, numbers without separators."""
    if not isinstance(cell, list):
        return f"{cell:.12g}" if isinstance(cell, float) else "NULL" if cell is None else str(cell)
    shown = ", ".join(map(_short, cell[:SHOWN_ELEMENTS]))
    return f"[{shown}{', ...' if len(cell) > SHOWN_ELEMENTS else ''}] ({len(cell)})"


def add_to(app: typer.Typer) -> None:
    """Add this module's group."""
    app.add_typer(lake_group, name="lake")
