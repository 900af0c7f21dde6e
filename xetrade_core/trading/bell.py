"""Whether the order store has changed, asked so cheaply that it can be asked a hundred times a second.

SQLite counts the commits of other connections (`PRAGMA data_version`): asking costs some microseconds and reads no
table. PostgreSQL has nothing so cheap without a word from the writers, so there it may always have changed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError

from xetrade_core.errors import StoreUnavailable
from xetrade_core.trading.database import first_line, shown
from xetrade_core.trading.reader import OrderReader

_OFTEN_S = 0.01
_SELDOM_S = 0.05


class StoreBell:
    """Rings when something was committed to a store by anybody else. `every_s` is how often to ask."""

    def __init__(self, reader: OrderReader) -> None:
        self._engine = reader.engine
        self._counts = reader.engine.dialect.name == "sqlite"
        self.every_s = _OFTEN_S if self._counts else _SELDOM_S
        self._connection: Any = None
        self._version: int | None = None

    def rang(self) -> bool:
        """Whether there may be something new since it was last asked; the first time there is. Raises
        StoreUnavailable."""
        if not self._counts:
            return True
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            version = self._connection.cursor().execute("PRAGMA data_version").fetchone()[0]
        except (DBAPIError, self._engine.dialect.dbapi.Error) as error:  # type: ignore[union-attr]
            said = f"the order store {shown(self._engine)} does not answer: {first_line(error)}"
            raise StoreUnavailable(said) from error
        before, self._version = self._version, int(version)
        return self._version != before

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
