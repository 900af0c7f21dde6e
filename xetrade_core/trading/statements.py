"""Statements that every order needs, compiled once and given to the driver as they are.

SQLAlchemy's work on a statement and on each of its rows costs several times what the database does with them. The words
are still SQLAlchemy's, for either database; only the binding of values is skipped, so they must be what a driver takes:
text, whole numbers, None, and exact numbers as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        connection.exec_driver_sql(words.sql, values)

    def rows(self, connection: Connection, row: Row) -> Sequence[Sequence[Any]]:
        """What it selects. The driver is asked itself; an error of its comes as SQLAlchemy's."""
        words = self._of(connection.dialect)
        values: Any = row if words.positions is None else words.positions(row)
        dialect, driver = connection.dialect, connection.connection.driver_connection
        assert driver is not None
        try:
            found: Sequence[Sequence[Any]] = driver.execute(words.sql, values).fetchall()
        except dialect.loaded_dbapi.Error as error:
            lost = dialect.is_disconnect(error, driver, None)
            kind: Any = dialect.loaded_dbapi.Error
            raise DBAPIError.instance(words.sql, values, error, kind, connection_invalidated=lost) from error
        return found

    def _of(self, dialect: Dialect) -> _Words:
        words = self._words.get(dialect.name)
        if words is None:
            compiled = self._statement.compile(dialect=dialect)
            names = compiled.positiontup if compiled.positional else None
            words = self._words[dialect.name] = _Words(str(compiled), None if names is None else _getter(names))
        return words


def _getter(names: Sequence[str]) -> Any:
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
