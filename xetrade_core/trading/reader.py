"""Reading the order store: from any thread, beside any writer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Select, Table, func, select
from sqlalchemy.exc import DBAPIError

from xetrade_core.errors import ConfigError, StoreUnavailable, UnknownOrder
from xetrade_core.model.order_events import OrderEvent
from xetrade_core.model.orders import Fill, Order, OrderState, Terms
from xetrade_core.trading import records
from xetrade_core.trading.database import first_line, open_engine, shown
from xetrade_core.trading.holdings import NS_PER_DAY
from xetrade_core.trading.schema import EVENTS, FILLS, HOLDINGS, ORDERS

_PAGE = 1000


class OrderReader:
    """What is in one database of orders, as of the last commit."""

    def __init__(self, url: str | Path) -> None:
        """Opens (and, where needed, creates and migrates) the database. Raises ConfigError, StoreUnavailable."""
        self.engine: Engine = open_engine(url)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A connection that only reads; with `snapshot`, all of it at one moment. Raises StoreUnavailable."""
        options: dict[str, Any] = {"reading": True}
        if snapshot and self.engine.dialect.name != "sqlite":  # a transaction of SQLite is one anyway
            options["isolation_level"] = "REPEATABLE READ"
        try:
            with self.engine.connect().execution_options(**options) as connection:
                yield connection
        except DBAPIError as error:
            raise StoreUnavailable(
                f"the order store {shown(self.engine)} does not answer: {first_line(error)}"
            ) from error

    def order(self, client_id: str) -> Order:
        """The order of that client id; raises UnknownOrder."""
        with self.reading() as connection:
            body = connection.execute(select(ORDERS.c.body).where(ORDERS.c.client_id == client_id)).scalar()
        if body is None:
            raise UnknownOrder(client_id)
        return records.read_order(body)

    def orders(self, client_ids: Collection[str]) -> list[Order]:
        """Those of these orders that there are."""
        with self.reading() as connection:
            found = connection.execute(select(ORDERS.c.body).where(ORDERS.c.client_id.in_(client_ids))).scalars()
            return [records.read_order(body) for body in found]

    def by_venue_id(self, venue: str, account: str, symbol: str, venue_order_id: str) -> Order:
        """The order in `symbol` that the venue calls so; raises UnknownOrder."""
        same = (ORDERS.c.venue_order_id == venue_order_id) & (ORDERS.c.venue == venue) & (ORDERS.c.account == account)
        same &= ORDERS.c.symbol == symbol
        with self.reading() as connection:
            body = connection.execute(select(ORDERS.c.body).where(same)).scalar()
        if body is None:
            raise UnknownOrder(venue_order_id)
        return records.read_order(body)

    def unsettled(
        self, *, venue: str | None = None, account: str | None = None, symbol: str | None = None
    ) -> list[Order]:
        """Orders that something is left to be done for, oldest first: they can still trade, or ends are loose."""
        query = select(ORDERS.c.body).where(ORDERS.c.unsettled).order_by(ORDERS.c.created_ns, ORDERS.c.client_id)
        for column, value in ((ORDERS.c.venue, venue), (ORDERS.c.account, account), (ORDERS.c.symbol, symbol)):
            if value is not None:
                query = query.where(column == value)
        with self.reading() as connection:
            return [records.read_order(body) for body in connection.execute(query).scalars()]

    def working(
        self, *, venue: str | None = None, account: str | None = None, symbol: str | None = None
    ) -> list[Order]:
        """Orders that can still trade as far as we know, oldest first."""
        found = self.unsettled(venue=venue, account=account, symbol=symbol)
        return [order for order in found if order.state.working]

    def updated(self, from_ns: int, to_ns: int) -> list[Order]:
        """Orders whose last change is in from_ns <= updated_ns < to_ns, by that time."""
        span = (ORDERS.c.updated_ns >= from_ns) & (ORDERS.c.updated_ns < to_ns)
        query = select(ORDERS.c.body).where(span).order_by(ORDERS.c.updated_ns, ORDERS.c.client_id)
        with self.reading() as connection:
            return [records.read_order(body) for body in connection.execute(query).scalars()]

    def newest(
        self,
        limit: int,
        *,
        from_ns: int = 0,
        venue: str | None = None,
        account: str | None = None,
        symbols: Collection[str] | None = None,
        states: Collection[OrderState] = (),
    ) -> list[Order]:
        """The last `limit` orders that were made from `from_ns` on, oldest first; in some states, or in any."""
        query = select(ORDERS.c.body).where(ORDERS.c.created_ns >= from_ns)
        for column, value in ((ORDERS.c.venue, venue), (ORDERS.c.account, account)):
            if value is not None:
                query = query.where(column == value)
        if symbols is not None:
            query = query.where(ORDERS.c.symbol.in_(symbols))
        if states:
            query = query.where(ORDERS.c.state.in_(states))
        query = query.order_by(ORDERS.c.created_ns.desc(), ORDERS.c.client_id).limit(limit)
        with self.reading() as connection:
            return [records.read_order(body) for body in connection.execute(query).scalars()][::-1]

    def events(self, client_id: str) -> list[OrderEvent]:
        """Everything that happened to an order, in order; raises UnknownOrder."""
        same = (EVENTS.c.order_seq == ORDERS.c.seq) & (ORDERS.c.client_id == client_id)
        query = select(EVENTS.c.body).where(same).order_by(EVENTS.c.version)
        with self.reading() as connection:
            found = [records.read_event(body) for body in connection.execute(query).scalars()]
        if not found:
            raise UnknownOrder(client_id)
        return found

    def fills(self, *, client_id: str | None = None, from_ns: int = 0, to_ns: int | None = None) -> list[Fill]:
        """Fills received in from_ns <= received_ns < to_ns, in that order; of one order, or of all."""
        query = select(FILLS).where(FILLS.c.received_ns >= from_ns).order_by(FILLS.c.received_ns, FILLS.c.trade_id)
        if to_ns is not None:
            query = query.where(FILLS.c.received_ns < to_ns)
        if client_id is not None:
            query = query.where(FILLS.c.client_id == client_id)
        with self.reading() as connection:
            return [records.read_fill(row) for row in connection.execute(query)]

    def traded(
        self,
        *,
        from_ns: int = 0,
        venue: str | None = None,
        account: str | None = None,
        symbols: Collection[str] | None = None,
        strategy: str | None = None,
        client_id: str | None = None,
        at_from_ns: int | None = None,
        at_to_ns: int | None = None,
    ) -> Iterator[tuple[Fill, str]]:
        """Fills received from `from_ns` on, each with the strategy of its order (empty: of no order of ours); with
        `at_from_ns` and `at_to_ns`, those whose time at the venue is in between, the end exclusive.

        In the order of their time at the venue, then as they came, then by the venue's number: trades of one
        millisecond must be in order too, or a position that flips among them is another. Read as they are asked for,
        however many there are.
        """
        owner = func.coalesce(ORDERS.c.strategy, "").label("strategy")
        at_ns = func.coalesce(FILLS.c.exchange_ns, FILLS.c.received_ns)
        query = select(FILLS, owner).outerjoin(ORDERS, FILLS.c.client_id == ORDERS.c.client_id)
        query = query.where(FILLS.c.received_ns >= from_ns).order_by(
            at_ns, FILLS.c.received_ns, func.length(FILLS.c.trade_id), FILLS.c.trade_id
        )
        for column, value in (
            (FILLS.c.venue, venue),
            (FILLS.c.account, account),
            (owner.element, strategy),
            (FILLS.c.client_id, client_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if at_from_ns is not None:
            query = query.where(at_ns >= at_from_ns)
        if at_to_ns is not None:
            query = query.where(at_ns < at_to_ns)
        if symbols is not None:
            query = query.where(FILLS.c.symbol.in_(symbols))
        with self.reading() as connection:
            for row in connection.execution_options(yield_per=_PAGE).execute(query):
                yield records.read_fill(row), row.strategy

    def fills_by_day(self, venue: str, before_ns: int) -> dict[tuple[int, str], tuple[int, int]]:
        """How many fills on a venue there are of each UTC day (its start) and symbol, by their time at the venue; and
        how many of them are of orders of ours."""
        at_ns = func.coalesce(FILLS.c.exchange_ns, FILLS.c.received_ns)
        day_ns = (at_ns - at_ns % NS_PER_DAY).label("day_ns")
        counts = func.count().label("many"), func.count(FILLS.c.client_id).label("claimed")
        query = select(day_ns, FILLS.c.symbol, *counts).group_by(day_ns, FILLS.c.symbol)
        with self.reading() as connection:
            rows = connection.execute(query.where(FILLS.c.venue == venue, at_ns < before_ns)).all()
        return {(row.day_ns, row.symbol): (row.many, row.claimed) for row in rows}

    def accounts(self) -> set[tuple[str, str]]:
        """Venue and account of everything that has orders or trades."""
        found = set[tuple[str, str]]()
        with self.reading() as connection:
            for table in (ORDERS, FILLS):
                found |= {(row.venue, row.account) for row in connection.execute(_accounts_in(table))}
        return found

    def strategies(self) -> set[str]:
        """The strategies that have traded; those of orders that say none are not among them."""
        with self.reading() as connection:
            return set(connection.execute(select(HOLDINGS.c.strategy).distinct()).scalars()) - {""}

    def has_fill(self, fill: Fill) -> bool:
        """Whether that trade is in the store, whatever it says of it."""
        same = [getattr(FILLS.c, name) == getattr(fill, name) for name in ("venue", "account", "symbol", "trade_id")]
        with self.reading() as connection:
            return connection.execute(select(FILLS.c.trade_id).where(*same)).first() is not None

    def owner(self, fill: Fill) -> tuple[str | None, str]:
        """Client id and strategy of the order that a trade is of, by either of its ids; (None, "") if it is none of
        ours."""
        query = select(ORDERS.c.client_id, ORDERS.c.strategy).where(
            ORDERS.c.venue == fill.venue, ORDERS.c.account == fill.account
        )
        with self.reading() as connection:
            for column, name in ((ORDERS.c.client_id, fill.client_id), (ORDERS.c.venue_order_id, fill.venue_order_id)):
                found = None if name is None else connection.execute(query.where(column == name)).first()
                if found is not None:
                    return found.client_id, found.strategy or ""
        return None, ""

    def instruments_traded(self) -> list[tuple[str, str]]:
        """Venue and symbol of everything that has fills."""
        query = select(FILLS.c.venue, FILLS.c.symbol).distinct().order_by(FILLS.c.venue, FILLS.c.symbol)
        with self.reading() as connection:
            return [(row.venue, row.symbol) for row in connection.execute(query)]

    def made(self, venue: str, from_ns: int, to_ns: int) -> list[Order]:
        """The orders on a venue that were made in from_ns <= created_ns < to_ns, oldest first."""
        span = (ORDERS.c.created_ns >= from_ns) & (ORDERS.c.created_ns < to_ns) & (ORDERS.c.venue == venue)
        query = select(ORDERS.c.body).where(span).order_by(ORDERS.c.created_ns, ORDERS.c.client_id)
        with self.reading() as connection:
            return [records.read_order(body) for body in connection.execute(query).scalars()]

    def instruments_ordered(self) -> set[tuple[str, str]]:
        """Venue and symbol of everything that has orders."""
        with self.reading() as connection:
            rows = connection.execute(select(ORDERS.c.venue, ORDERS.c.symbol).distinct())
            return {(row.venue, row.symbol) for row in rows}

    def symbols_of(self, venue: str, account: str) -> set[str]:
        """Every instrument that an account has orders or trades of."""
        found = set[str]()
        with self.reading() as connection:
            for table in (ORDERS, FILLS):
                mine = (table.c.venue == venue) & (table.c.account == account)
                found |= set(connection.execute(select(table.c.symbol).where(mine).distinct()).scalars())
        return found

    def instruments_held(self) -> list[tuple[str, str]]:
        """Venue and symbol of everything that risk holds an amount of."""
        query = select(HOLDINGS.c.venue, HOLDINGS.c.symbol, HOLDINGS.c.amount)
        with self.reading() as connection:
            return sorted({(row.venue, row.symbol) for row in connection.execute(query) if row.amount})

    def named(self, order_id: str, *, venue: str | None = None, account: str | None = None) -> Order:
        """The order of that client id, or else the one that its venue calls so.

        Raises UnknownOrder; ConfigError where several venues or accounts have one of that name.
        """
        query = select(ORDERS.c.body).where((ORDERS.c.client_id == order_id) | (ORDERS.c.venue_order_id == order_id))
        for column, value in ((ORDERS.c.venue, venue), (ORDERS.c.account, account)):
            if value is not None:
                query = query.where(column == value)
        with self.reading() as connection:
            found = [records.read_order(body) for body in connection.execute(query).scalars()]
        exact = [order for order in found if order.client_id == order_id] or found
        if not exact:
            raise UnknownOrder(order_id)
        if len(exact) > 1:
            where = ", ".join(sorted(f"{one.venue}/{one.account} {one.symbol}" for one in (o.intent for o in exact)))
            raise ConfigError.of(
                "order id", order_id, f"several orders have it, on {where}: name venue and account, or our client id"
            )
        return exact[0]

    def terms(self) -> dict[tuple[str, str], Terms]:
        """What one unit of amount is worth, by venue and symbol, as the newest order of each was placed with."""
        newest = func.max(ORDERS.c.created_ns).label("newest")
        groups = select(ORDERS.c.venue, ORDERS.c.symbol, newest).group_by(ORDERS.c.venue, ORDERS.c.symbol).subquery()
        same = (ORDERS.c.venue == groups.c.venue) & (ORDERS.c.symbol == groups.c.symbol)
        query = select(ORDERS.c.body).join(groups, same & (ORDERS.c.created_ns == groups.c.newest))
        with self.reading() as connection:
            intents = [records.read_order(body).intent for body in connection.execute(query).scalars()]
        return {(intent.venue, intent.symbol): intent.terms for intent in intents}


def _accounts_in(table: Table) -> Select[tuple[str, str]]:
    return select(table.c.venue, table.c.account).distinct()
