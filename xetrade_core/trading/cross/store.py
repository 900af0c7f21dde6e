"""Sagas in the order store's database: their entries, where they stand, who drives them, and what stayed unhedged.

An entry is appended by the one process that drives the saga, at the version that it has seen: of two that hold
themselves for it the database refuses one. Who drives it has it for a while only, so that another goes on after a
crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import CrossBusy, CrossConflict, StoreUnavailable, UnknownCross
from xetrade_core.model.contracts import Contract
from xetrade_core.model.orders import ZERO
from xetrade_core.trading.cross.request import CrossRequest, LegRequest
from xetrade_core.trading.cross.saga import CrossEvent, Role, Saga, apply
from xetrade_core.trading.database import first_line, shown, writing
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.schema import CROSS_EVENTS, CROSS_RESIDUALS, CROSS_SAGAS

T = TypeVar("T")
#: how far back it is looked whether orders of ended sagas have traded after all
LATE_S = 86_400.0
_AT_ONCE = 10_000  # no statement would take more names
_ENCODE = msgspec.json.Encoder().encode
_SAGA = msgspec.json.Decoder(Saga)
_EVENT = msgspec.json.Decoder(CrossEvent)


@dataclass(frozen=True, slots=True)
class Residual:
    """One entry of the ledger: what it added to the unhedged amount of a currency, where, and why.

    `amount` is signed as the position: long above zero.
    """

    key: str
    currency: str
    amount: Decimal
    venue: str
    account: str
    symbol: str
    reason: str
    at_ns: int


class CrossStore:
    """The sagas of one order store. For any thread; each call is a transaction of its own. Raises StoreUnavailable."""

    def __init__(self, reader: OrderReader, *, durable: bool = True) -> None:
        """`durable`: every entry is on the disk before the next thing happens; only tests need less."""
        self.reader = reader
        self._durable = durable

    # -- writing -------------------------------------------------------------------------------------------------

    def begin(self, key: str, planned: CrossEvent, driver: str, until_ns: int) -> Saga:
        """Commit a plan, driven by `driver`; CrossBusy if there is a saga of that key by now."""
        saga = apply(None, planned, key)

        def work(connection: Connection) -> Saga:
            connection.execute(insert(CROSS_SAGAS), _row(saga) | {"driver": driver, "driven_until_ns": until_ns})
            connection.execute(insert(CROSS_EVENTS), _event_row(saga, planned))
            return saga

        try:
            return self._write(work)
        except IntegrityError:
            raise CrossBusy(f"cross order {key} was begun by another process at the same moment") from None

    def append(self, saga: Saga, event: CrossEvent, driver: str) -> Saga:
        """Commit one more entry. Raises CrossBusy if another drives the saga by now; then nothing has changed."""
        after = apply(saga, event, saga.key)
        mine = (CROSS_SAGAS.c.key == saga.key) & (CROSS_SAGAS.c.driver == driver)

        def work(connection: Connection) -> Saga:
            changed = update(CROSS_SAGAS).where(mine & (CROSS_SAGAS.c.version == saga.version)).values(_row(after))
            if connection.execute(changed).rowcount != 1:
                raise _taken(saga.key)
            connection.execute(insert(CROSS_EVENTS), _event_row(after, event))
            if event.residual:
                connection.execute(insert(CROSS_RESIDUALS), _residual_row(after, event))
            return after

        return self._write(work)

    def claim(self, key: str, driver: str, now_ns: int, until_ns: int) -> Saga | None:
        """Take a saga that nobody drives; the saga, or None if another does. Raises UnknownCross."""
        free = or_(
            CROSS_SAGAS.c.driver.is_(None), CROSS_SAGAS.c.driver == driver, CROSS_SAGAS.c.driven_until_ns <= now_ns
        )

        def work(connection: Connection) -> Saga | None:
            values = {"driver": driver, "driven_until_ns": until_ns}
            taken = connection.execute(update(CROSS_SAGAS).where((CROSS_SAGAS.c.key == key) & free).values(values))
            saga = _read(connection, key)
            return saga if taken.rowcount else None

        return self._write(work)

    def renew(self, key: str, driver: str, until_ns: int) -> None:
        """Keep a saga. Raises CrossBusy if another has taken it."""
        mine = (CROSS_SAGAS.c.key == key) & (CROSS_SAGAS.c.driver == driver)

        def work(connection: Connection) -> None:
            kept = connection.execute(update(CROSS_SAGAS).where(mine).values(driven_until_ns=until_ns))
            if not kept.rowcount:
                raise _taken(key)

        self._write(work)

    def release(self, key: str, driver: str) -> None:
        """Let go of a saga, so that another may go on at once."""
        mine = (CROSS_SAGAS.c.key == key) & (CROSS_SAGAS.c.driver == driver)
        self._write(
            lambda connection: connection.execute(
                update(CROSS_SAGAS).where(mine).values(driver=None, driven_until_ns=0)
            )
        )

    # -- reading -------------------------------------------------------------------------------------------------

    def saga(self, key: str) -> Saga:
        """The saga of that key; raises UnknownCross."""
        with self.reader.reading() as connection:
            return _read(connection, key)

    def sagas(self, limit: int | None = None, *, unfinished: bool = False, from_ns: int = 0) -> list[Saga]:
        """The newest sagas that changed from `from_ns` on, oldest first; with `unfinished` those that are not over."""
        query = select(CROSS_SAGAS.c.body).where(CROSS_SAGAS.c.updated_ns >= from_ns)
        if unfinished:
            query = query.where(~CROSS_SAGAS.c.over)
        query = query.order_by(CROSS_SAGAS.c.created_ns.desc(), CROSS_SAGAS.c.key).limit(limit)
        with self.reader.reading() as connection:
            return [_SAGA.decode(body) for body in connection.execute(query).scalars()][::-1]

    def undriven(self, now_ns: int) -> list[Saga]:
        """The sagas that are not over and that nobody drives: their process has let go of them, or is dead."""
        query = select(CROSS_SAGAS.c.body).where(~CROSS_SAGAS.c.over & (CROSS_SAGAS.c.driven_until_ns <= now_ns))
        with self.reader.reading() as connection:
            return [_SAGA.decode(body) for body in connection.execute(query.order_by(CROSS_SAGAS.c.key)).scalars()]

    def traded_late(self, now_ns: int) -> list[Saga]:
        """The sagas that ended within a day and of which an order has traded more than was recorded since."""
        since_ns = now_ns - round(LATE_S * NS_PER_S)
        ended = [saga for saga in self.sagas(from_ns=since_ns) if saga.state.over]
        ids = [one.client_id for saga in ended for one in saga.attempts]
        parts = (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
        filled = {order.client_id: order.filled for part in parts for order in self.reader.orders(part)}
        return [
            saga for saga in ended if any(filled.get(one.client_id, one.filled) != one.filled for one in saga.attempts)
        ]

    def events(self, key: str) -> list[CrossEvent]:
        """Everything that happened to a saga, in order; raises UnknownCross."""
        query = select(CROSS_EVENTS.c.body).where(CROSS_EVENTS.c.key == key).order_by(CROSS_EVENTS.c.version)
        with self.reader.reading() as connection:
            found = [_EVENT.decode(body) for body in connection.execute(query).scalars()]
        if not found:
            raise UnknownCross(key)
        return found

    def residuals(self, key: str | None = None) -> list[Residual]:
        """The ledger, oldest entry first; of one saga, or of all."""
        query = select(CROSS_RESIDUALS).order_by(CROSS_RESIDUALS.c.at_ns, CROSS_RESIDUALS.c.key)
        if key is not None:
            query = query.where(CROSS_RESIDUALS.c.key == key)
        names = Residual.__slots__
        with self.reader.reading() as connection:
            return [Residual(*(row._mapping[name] for name in names)) for row in connection.execute(query)]

    def _write(self, work: Callable[[Connection], T]) -> T:
        engine = self.reader.engine
        try:
            with engine.connect() as connection, writing(connection, durable=self._durable):
                return work(connection)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the order store {shown(engine)} does not answer: {first_line(error)}") from error


def totals(residuals: Iterable[Residual]) -> dict[str, Decimal]:
    """What is unhedged of each currency; those that come to nothing are left out."""
    sums: dict[str, Decimal] = {}
    for one in residuals:
        sums[one.currency] = sums.get(one.currency, ZERO) + one.amount
    return {currency: amount for currency, amount in sums.items() if amount}


def require_same(saga: Saga, request: CrossRequest) -> None:
    """Raises CrossConflict if the key is used for two different cross orders."""
    before = saga.plan.request
    for name in CrossRequest.__struct_fields__:
        if getattr(before, name) != getattr(request, name):
            raise CrossConflict(saga.key, name, _said(getattr(before, name)), _said(getattr(request, name)))


def _said(value: object) -> object:
    """A field of a request for people."""
    if not isinstance(value, LegRequest):
        return value
    bound = f"at {value.price:f}" if value.price is not None else f"within {value.slippage_bps:f} bps"
    return f"{value.place} {bound}"


def _taken(key: str) -> CrossBusy:
    return CrossBusy(f"cross order {key} is driven by another process by now: `xetrade cross show` tells how it stands")


def _read(connection: Connection, key: str) -> Saga:
    body = connection.execute(select(CROSS_SAGAS.c.body).where(CROSS_SAGAS.c.key == key)).scalar()
    if body is None:
        raise UnknownCross(key)
    return _SAGA.decode(body)


def _row(saga: Saga) -> dict[str, Any]:
    return {
        "key": saga.key,
        "version": saga.version,
        "state": saga.state.value,
        "over": saga.state.over,
        "created_ns": saga.created_ns,
        "updated_ns": saga.updated_ns,
        "body": _ENCODE(saga).decode(),
    }


def _event_row(saga: Saga, event: CrossEvent) -> dict[str, Any]:
    return {
        "key": saga.key,
        "version": saga.version,
        "kind": event.kind.value,
        "at_ns": event.at_ns,
        "body": _ENCODE(event).decode(),
    }


def _residual_row(saga: Saga, event: CrossEvent) -> dict[str, Any]:
    leg = saga.leg(Role.FIRST)
    return {
        "key": saga.key,
        "version": saga.version,
        "currency": Contract.currencies(leg.symbol)[0],
        "amount": event.residual,
        "venue": leg.venue,
        "account": leg.account,
        "symbol": leg.symbol,
        "reason": event.reason or "",
        "at_ns": event.at_ns,
    }
