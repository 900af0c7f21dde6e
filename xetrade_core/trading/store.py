"""The event store: what happened to every order, and the orders that it sums up to.

A writer reads what others have appended since it last looked, decides in memory, and appends at the next number of the
log. Two writers that decided at the same time collide on that number; one is refused by the database, looks again and
decides again. So decisions (a state, a limit) always rest on everything that was committed before them, whether the
other writer is a thread, a process or a machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from xetrade_core.clock import NS_PER_S, Clock, SystemClock
from xetrade_core.errors import StoreConflict, StoreUnavailable, XETradeError
from xetrade_core.model.order_events import ControlEvent, ControlKind, EventKind
from xetrade_core.model.orders import Intent, Order
from xetrade_core.telemetry import alarm
from xetrade_core.trading import records
from xetrade_core.trading.database import first_line, shown, writing
from xetrade_core.trading.limits import RiskLimits
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.projection import Verdict
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.reservations import Line, line_of
from xetrade_core.trading.risk import RiskBook
from xetrade_core.trading.schema import EVENTS, HOLDINGS, ORDERS
from xetrade_core.trading.statements import Prepared
from xetrade_core.trading.transaction import Alert, Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]

ATTEMPTS = 200
_BEHIND = 10_000  # entries; further behind, reading anew is quicker, and no statement would take so many names
_NEWER = Prepared(
    select(EVENTS.c.seq, EVENTS.c.client_id, EVENTS.c.kind, EVENTS.c.body)
    .where(EVENTS.c.seq > bindparam("seq"))
    .order_by(EVENTS.c.seq)
)


class _Newer(NamedTuple):
    """A row of `_NEWER`."""

    seq: int
    client_id: str | None
    kind: str
    body: str


class Memory:
    """What a writer keeps between transactions: the orders that weigh (they can still trade, or their fills are not all
    told), and risk. Equal to the store up to `last_seq`.
    """

    def __init__(self, limits: RiskLimits, marks: Marks) -> None:
        self.last_seq = 0
        self.weighing: dict[str, Order] = {}
        self.seqs: dict[str, int] = {}  # of the first events of those of them that were written here
        self.venue_ids: dict[tuple[str, str, str, str], str] = {}
        self.risk = RiskBook(limits, marks)

    def put(self, before: Order | None, after: Order | None, seq: int | None = None) -> None:
        """An order changed from `before` to `after` (None: it is not there). `seq` is that of its first event."""
        self.risk.replace(before, after)
        if before is not None and before.venue_order_id is not None:
            self.venue_ids.pop(_venue_name(before.intent, before.venue_order_id), None)
        if after is not None and after.weighs:
            self.weighing[after.client_id] = after
            if seq is not None:
                self.seqs[after.client_id] = seq
            if after.venue_order_id is not None:
                self.venue_ids[_venue_name(after.intent, after.venue_order_id)] = after.client_id
        elif (gone := before or after) is not None:
            self.weighing.pop(gone.client_id, None)
            self.seqs.pop(gone.client_id, None)


def _venue_name(intent: Intent, venue_order_id: str) -> tuple[str, str, str, str]:
    """What a venue calls an order. Not every venue numbers orders across its symbols: Binance counts in each."""
    return intent.venue, intent.account, intent.symbol, venue_order_id


class OrderStore(OrderReader):
    """One database of orders. `transact` is for one thread at a time; reading is for any."""

    def __init__(
        self,
        url: str | Path,
        *,
        limits: RiskLimits | None = None,
        marks: Marks | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Opens (and, where needed, creates and migrates) the database. Raises ConfigError, StoreUnavailable."""
        super().__init__(url)
        self.limits = limits or RiskLimits()
        self.marks = marks or Marks()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._memory: Memory | None = None
        self._connection: Connection | None = None

    # -- writing -------------------------------------------------------------------------------------------------

    def transact(self, works: Sequence[Work[Any]], *, durable: bool = True) -> list[Any]:
        """Do all `works` in one transaction; the result of each, or the exception that it raised (it changed nothing).

        `durable`: committed to the disk when this returns; otherwise at the latest with the next durable one. Raises
        StoreUnavailable or StoreConflict, and then nothing has changed.
        """
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    return self._attempt(works, durable)
                except IntegrityError:
                    continue  # another writer was first: look again
            raise StoreConflict(f"the order store {shown(self.engine)} is written by too many others: try again")

    def do(self, work: Work[T], *, durable: bool = True) -> T:
        """One piece of work in a transaction of its own."""
        [result] = self.transact([work], durable=durable)
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]

    def control(self, event: ControlEvent) -> None:
        """Record an operator's word; it holds for all processes at once."""
        self.do(lambda transaction: transaction.control(event))

    def repair(self, work: Callable[[Connection], None]) -> None:
        """Let `work` correct the projections in a transaction of its own; memory is read anew afterwards."""
        with self._lock:
            connection = self._writer()
            try:
                with writing(connection, durable=True):
                    work(connection)
            except SQLAlchemyError as error:
                raise self._unavailable(error) from error
            finally:
                self._memory = None

    def _attempt(self, works: Sequence[Work[Any]], durable: bool) -> list[Any]:
        transaction: Transaction | None = None
        try:
            connection = self._writer()
            with writing(connection, durable=durable):
                transaction = Transaction(self._follow(connection), connection)
                results = [_done(work, transaction) for work in works]
                if transaction.dirty:
                    transaction.write()
        except IntegrityError:
            if transaction is not None:
                transaction.undo()
            raise
        except BaseException as error:
            self._memory = None  # what is in memory may not be what was committed: it is read anew
            if isinstance(error, SQLAlchemyError):
                raise self._unavailable(error) from error
            raise
        if any(isinstance(one, Exception) and not isinstance(one, XETradeError) for one in results):
            self._memory = None  # a mistake of ours may have left a change half made, which nothing takes back
        _tell(transaction.alerts)
        return results

    def _writer(self) -> Connection:
        """The connection that writes, opened on first use and again after it broke."""
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self.engine.connect()
            except SQLAlchemyError as error:
                raise self._unavailable(error) from error
        return self._connection

    def _unavailable(self, error: SQLAlchemyError) -> StoreUnavailable:
        if isinstance(error, DBAPIError) and error.connection_invalidated and self._connection is not None:
            self._connection.close()
        return StoreUnavailable(f"the order store {shown(self.engine)} does not answer: {first_line(error)}")

    def _follow(self, connection: Connection) -> Memory:
        """Memory, brought up to what is committed."""
        memory = self._memory
        if memory is None:
            memory = self._memory = self._load(connection)
        found = _NEWER.rows(connection, {"seq": memory.last_seq})
        if not found:
            return memory
        rows = [_Newer(*row) for row in found]
        if len(rows) > _BEHIND:
            self._memory = self._load(connection)
            return self._memory
        for row in rows:
            if row.client_id is None:
                memory.risk.control(records.read_control(row.body))
        new = {row.client_id for row in rows if row.kind == EventKind.INTENDED}
        changed = {row.client_id for row in rows if row.client_id is not None}
        bodies = connection.execute(select(ORDERS.c.body).where(ORDERS.c.client_id.in_(changed))).scalars()
        orders = [records.read_order(body) for body in bodies]
        for order in orders:
            before = memory.weighing.get(order.client_id)
            if before is not None or order.weighs or order.client_id in new:
                memory.put(before, order)
        _read_holdings(connection, memory, {line_of(order.intent) for order in orders if order.filled})
        if any(row.kind == ControlKind.ARMED for row in rows) or any(order.intent.live for order in orders):
            _count_arms(connection, memory)
        memory.last_seq = rows[-1].seq
        return memory

    def _load(self, connection: Connection) -> Memory:
        """Memory from nothing. What is appended meanwhile is followed afterwards, and reading it twice does no harm."""
        memory = Memory(self.limits, self.marks)
        memory.last_seq = connection.execute(select(func.max(EVENTS.c.seq))).scalar() or 0
        controls = select(EVENTS.c.body).where(EVENTS.c.client_id.is_(None)).order_by(EVENTS.c.seq)
        for body in connection.execute(controls).scalars():
            memory.risk.control(records.read_control(body))
        since_ns = self._clock.wall_ns() - round(self.limits.longest_window_s * NS_PER_S)
        wanted = ORDERS.c.unsettled | (ORDERS.c.updated_ns >= since_ns)
        for body in connection.execute(select(ORDERS.c.body).where(wanted)).scalars():
            memory.put(None, records.read_order(body))
        _read_holdings(connection, memory, None)
        _count_arms(connection, memory)
        return memory

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._memory = None
            self.engine.dispose()


def _done(work: Work[Any], transaction: Transaction) -> Any:
    """The result of `work`, or its exception, with nothing of it left behind."""
    mark = transaction.mark()
    try:
        return work(transaction)
    except SQLAlchemyError:
        raise
    except Exception as error:
        transaction.undo(mark)
        return error


def _read_holdings(connection: Connection, memory: Memory, lines: set[Line] | None) -> None:
    """Holdings as committed into memory; all of them, or only those of `lines`."""
    if lines is not None and not lines:
        return
    for row in connection.execute(select(HOLDINGS)):
        line = (row.venue, row.account, row.symbol, row.strategy)
        if lines is None or line in lines:
            memory.risk.hold(line, records.read_holding(row.body))


def _count_arms(connection: Connection, memory: Memory) -> None:
    """What orders placed under each arming use of its cap, counted anew."""
    arms = memory.risk.reset_arms()
    if not arms:
        return
    since_ns = min(arm.record.at_ns for arm in arms)
    query = select(ORDERS.c.body).where(ORDERS.c.created_ns >= since_ns)
    for body in connection.execute(query.where(ORDERS.c.updated_ns >= since_ns)).scalars():
        memory.risk.count_armed(records.read_order(body))


def _tell(alerts: Sequence[Alert]) -> None:
    for order, event, verdict in alerts:
        what = "contradicts its state and was not applied" if verdict is Verdict.ILLEGAL else "was held for impossible"
        alarm(
            "order_contradiction",
            f"order {order.client_id}: {event.kind.value} from {event.source.value} {what}; compare it with the venue",
            venue=order.intent.venue,
            symbol=order.intent.symbol,
            state=order.state.value,
            order=order.client_id,
        )
