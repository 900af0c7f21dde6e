"""Statements that every order needs, compiled once and given to the driver as they are.

SQLAlchemy's work on a statement and on each of its rows costs several times what the database does with them. The words
are still SQLAlchemy's, for either database; only the binding of values is skipped, so they must be what a driver takes:
text, whole numbers, None, and exact numbers as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Statement = Select[Any] | Insert | Update
Row = Mapping[str, object]


class _Words(NamedTuple):
    sql: str
    positions: itemgetter[str] | None  # None: the driver takes names


class Prepared:
    """One statement whose every value is a named parameter."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._words: dict[str, _Words] = {}

    def many(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it once for each row."""
        words = self._of(connection.dialect)
        values: Sequence[Any] = rows if words.positions is None else [words.positions(row) for row in rows]
        with _asked(connection, words.sql, values) as driver:
            if len(values) == 1:
                driver.execute(words.sql, values[0])
                return
            driver.cursor().executemany(words.sql, values)
            if connection.dialect.name == "postgresql":
                # After a pipeline, which that was, PostgreSQL 18 does not count the time that we stand still in the
                # transaction (database.STOPPED_TIMEOUT_S); after a statement of its own it does.
                driver.execute("SELECT 1")

    def rows(self, connection: Connection, row: Row) -> Sequence[Sequence[Any]]:
        """What it selects."""
        words = self._of(connection.dialect)
        values: Any = row if words.positions is None else words.positions(row)
        found: Sequence[Sequence[Any]]
        with _asked(connection, words.sql, values) as driver:
            found = driver.execute(words.sql, values).fetchall()
        return found

    def _of(self, dialect: Dialect) -> _Words:
        words = self._words.get(dialect.name)
        if words is None:
            compiled = self._statement.compile(dialect=dialect)
            names = compiled.positiontup if compiled.positional else None
            words = self._words[dialect.name] = _Words(str(compiled), None if names is None else _getter(names))
        return words


@contextmanager
def _asked(connection: Connection, sql: str, values: Any) -> Iterator[Any]:
    """The driver, whose errors come as SQLAlchemy's."""
    dialect, driver = connection.dialect, connection.connection.driver_connection
    assert driver is not None
    try:
        yield driver
    except dialect.loaded_dbapi.Error as error:
        lost = dialect.is_disconnect(error, driver, None)
        kind: Any = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(sql, values, error, kind, connection_invalidated=lost) from error


def _getter(names: Sequence[str]) -> Any:
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
