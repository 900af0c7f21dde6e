"""The private side of one account through the unmodified ccxt class of its venue.

ccxt brings the signature, the URL and the names of parameters. When a call may be made, what came of it and what the
reply says is ours: replies are read from the venue's own row (`info`), where numbers are text and nothing is left out.

A venue is a subclass that says what it calls things: see `binance.py`, and docs/adding-a-venue.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import ConfigError, UnknownSymbol, XETradeError
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.dead_man import DeadMan
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, plain
from xetrade_core.execution.telling import told
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType, TimeInForce
from xetrade_core.telemetry import register_secrets
from xetrade_core.trading.execution import ErrorReply, ExecutionError, NoReply, NotListed, NotSent, OrderRef
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.clock_offset import measure_offset
from xetrade_core.venues.transport import Asking, Call, asking, calling
from xetrade_core.venues.venue import Capability, ErrorKind, Support

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[T]]
#: after these the venue's clock is measured again; Deribit has no code of its own for a time that is not its
_OF_THE_CLOCK = (ErrorKind.CLOCK, ErrorKind.AUTHENTICATION)


class CcxtExecution(ABC):
    """`Execution` of one account. It shares connections, budget and list of markets with a client of market data."""

    ccxt_options: ClassVar[dict[str, object]] = {}
    #: see ForgetsTrades
    trade_history_s: float | None = None
    #: the switch that cancels what rests when we fall silent, where the venue has one
    dead_man: DeadMan | None = None
    #: what a call costs of the venue's budget, by what it does; by ccxt's table what is not named here
    weights: ClassVar[Mapping[str, int]] = MappingProxyType({})
    #: whether an account is a wallet's: the key is its address, the secret a private key
    wallet: ClassVar[bool] = False
    #: whether a key has a passphrase
    passphrased: ClassVar[bool] = False

    def __init__(
        self, client: CcxtMarketData, account: str, credentials: Credentials, clock: Clock, *, wait_s: float = 5.0
    ) -> None:
        """`wait_s`: so long a call waits for the budget before it is given up unsent. `client` is closed with this."""
        self.rules = client.rules
        self.account = account
        self.clock = clock
        self._client = client
        self._credentials = credentials
        self._wait_ns = round(wait_s * NS_PER_S)
        self._clock_due = True
        self._offset_ms = 0
        self._setting_clock = asyncio.Lock()
        register_secrets(credentials)

    @classmethod
    def require_key(cls, account: str, credentials: Credentials) -> None:
        """Raises ConfigError for a key of a shape that the venue has not."""
        if cls.passphrased and not credentials.passphrase:
            raise ConfigError(
                f"account {account} has no passphrase, which its venue wants: set "
                f"XETRADE_ACCOUNTS__{account.upper()}__PASSPHRASE"
            )

    # -- Execution -----------------------------------------------------------------------------------------------------

    async def place(self, intent: Intent) -> OrderReport:
        """See Execution."""
        price = None if intent.price is None else plain(intent.price)
        row = await self.once(
            f"order of {intent.symbol}",
            lambda ccxt: ccxt.create_order(
                intent.symbol,
                intent.type.value,
                intent.side.value,
                plain(intent.amount),
                price,
                self.order_params(intent),
            ),
            symbol=intent.symbol,
            weight=self.weights.get("place"),
        )
        return self.read("order", lambda: self.placed(row["info"], intent))

    async def cancel(self, ref: OrderRef) -> OrderReport:
        """See Execution."""
        row = await self.once(
            f"cancel of {ref.symbol}",
            lambda ccxt: ccxt.cancel_order(self.order_id(ref), ref.symbol, self.ref_params(ref)),
            symbol=ref.symbol,
            priority=Priority.CANCEL,
            weight=self.weights.get("cancel"),
        )
        return self.read("cancel", lambda: self.canceled(row["info"], ref))

    async def cancel_all(self, symbol: str | None) -> None:
        """See Execution."""
        await self.once(
            f"cancel of all orders of {symbol or 'the account'}",
            lambda ccxt: ccxt.cancel_all_orders(symbol),
            symbol=symbol,
            priority=Priority.CANCEL,
            weight=self.weights.get("cancel"),
        )

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        """See Execution."""
        row = await self.once(
            f"amendment of {ref.symbol}",
            lambda ccxt: ccxt.edit_order(
                self.order_id(ref),
                ref.symbol,
                intent.type.value,
                intent.side.value,
                plain(intent.amount),
                None if intent.price is None else plain(intent.price),
                self.amend_params(ref, intent),
            ),
            symbol=ref.symbol,
        )
        return self.read("amendment", lambda: self.amended(row["info"], intent))

    async def find(self, ref: OrderRef) -> OrderReport | None:
        """See Execution. One call tells of open orders and history alike where the venue has such a one."""
        row = await self.unless_unknown(
            f"order of {ref.symbol}",
            lambda ccxt: ccxt.fetch_order(self.order_id(ref), ref.symbol, self.ref_params(ref)),
            symbol=ref.symbol,
            weight=self.weights.get("find"),
        )
        return None if row is None else self.read("order", lambda: self.report(row["info"], ref.symbol))

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        """See Execution."""
        weight = self.weights.get("open orders" if symbol is not None else "all open orders")
        rows = await self.once("open orders", lambda ccxt: ccxt.fetch_open_orders(symbol), symbol=symbol, weight=weight)
        return self.read("open orders", lambda: tuple(self.report(row["info"], row["symbol"]) for row in rows))

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        """See Execution."""
        found: dict[tuple[str, str | None], Fill] = {}  # of a trade of the account with itself there are two
        for row in await self.trades(symbol, since_ns // NS_PER_MS):
            fill = self.read("trades", lambda row=row: self.fill(row["info"], symbol))  # type: ignore[misc]
            if fill.exchange_ns is None or fill.exchange_ns >= since_ns:
                found[fill.trade_id, fill.venue_order_id] = fill
        return tuple(
            sorted(found.values(), key=lambda fill: (fill.exchange_ns or 0, len(fill.trade_id), fill.trade_id))
        )

    async def balances(self) -> tuple[Balance, ...]:
        """See Execution."""
        row = await self.once("balances", lambda ccxt: ccxt.fetch_balance(), weight=self.weights.get("balances"))
        received_ns = self.clock.wall_ns()
        return self.read("balances", lambda: tuple(self.held(row["info"], received_ns)))

    async def positions(self) -> tuple[VenuePosition, ...]:
        """See Execution."""
        return ()

    async def close(self) -> None:
        """See Execution."""
        await self._client.close()

    async def permissions(self) -> KeyPermissions:
        """What the venue says the key may do; nothing where it does not tell."""
        return KeyPermissions()

    # -- what a venue says in its own words ----------------------------------------------------------------------------

    @abstractmethod
    def order_params(self, intent: Intent) -> dict[str, object]:
        """What ccxt is given beside symbol, type, side, amount and price: client id, time in force and flags."""

    @abstractmethod
    def report(self, row: Row, symbol: str) -> OrderReport:
        """A row of an order. Raises ValueError for one that cannot be read."""

    @abstractmethod
    def fill(self, row: Row, symbol: str) -> Fill:
        """A row of the account's trades. Raises ValueError."""

    @abstractmethod
    def held(self, row: Row, received_ns: int) -> Iterable[Balance]:
        """The reply about balances. Raises ValueError."""

    @abstractmethod
    async def trades(self, symbol: str, since_ms: int) -> list[Any]:
        """ccxt's rows of every trade of the account since then, all pages."""

    def placed(self, row: Row, intent: Intent) -> OrderReport:
        """The reply to a placement."""
        return self.report(row, intent.symbol)

    def canceled(self, row: Row, ref: OrderRef) -> OrderReport:
        """The reply to a cancel."""
        return self.report(row, ref.symbol)

    def amended(self, row: Row, intent: Intent) -> OrderReport:
        """The reply to an amendment."""
        return self.report(row, intent.symbol)

    def order_id(self, ref: OrderRef) -> str | None:
        """The id that ccxt is given of an order: the venue's, if the order cannot be named by ours."""
        return ref.venue_order_id if not self._by_client_id(ref) else None

    def ref_params(self, ref: OrderRef) -> dict[str, object]:
        """The parameters that name an order."""
        rule = self.rules.client_ids
        return {rule.ccxt_param: ref.client_id} if rule is not None and self._by_client_id(ref) else {}

    def amend_params(self, ref: OrderRef, intent: Intent) -> dict[str, object]:
        """What ccxt is given beside the new amount and price."""
        return self.ref_params(ref)

    def _by_client_id(self, ref: OrderRef) -> bool:
        rule = self.rules.client_ids
        return ref.client_id is not None and rule is not None and rule.query and rule.cancel

    # -- for a private stream -----------------------------------------------------------------------------------------

    async def symbols(self) -> Callable[[str, str], str]:
        """From the venue's name of an instrument, and its kind (spot or contract), to the universal symbol.

        Also makes sure that the venue's clock is known. Raises NotSent.
        """
        ccxt = await self._ready(f"instruments of {self.rules.id}", None)
        return lambda venue_id, kind: str(ccxt.safe_symbol(venue_id, None, None, kind))

    async def lists(self, symbol: str) -> bool:
        """Whether the venue lists it, or lists it still. Raises NotSent."""
        try:
            await self._client.exchange(symbol)
        except UnknownSymbol:
            return False
        except XETradeError as error:
            raise NotSent(f"instruments of {self.rules.id}: {error}") from None
        return True

    def venue_ms(self) -> int:
        """What the venue's clock says, as last measured."""
        return self.clock.wall_ns() // NS_PER_MS + self._offset_ms

    @property
    def behind_ns(self) -> int:
        """See KnowsVenueTime."""
        return max(0, -self._offset_ms) * NS_PER_MS

    def signed(self, text: str) -> tuple[str, str]:
        """The key, and the HMAC SHA256 of a text under its secret."""
        credentials = self._credentials
        digest = hmac.new(credentials.secret.encode(), text.encode(), hashlib.sha256)
        return credentials.api_key, digest.hexdigest()

    def key_parts(self) -> tuple[str, str, str | None]:
        """Key, secret and passphrase, for a venue that signs in its own way."""
        credentials = self._credentials
        return credentials.api_key, credentials.secret, credentials.passphrase

    def is_unknown_order(self, error: Exception) -> bool:
        """Whether the venue says that it has no such order open."""
        return isinstance(error, ErrorReply) and self.rules.errors.get(error.code or "") is ErrorKind.UNKNOWN_ORDER

    async def as_it_stands(self, intent: Intent, placed: OrderReport) -> OrderReport:
        """What became of an order where the venue only acknowledges: asked for if it must trade or end at once.

        If that fails it is open, as was acknowledged.
        """
        if intent.type is OrderType.LIMIT and intent.time_in_force is TimeInForce.GTC and not intent.post_only:
            return placed
        try:
            found = await self.find(OrderRef(intent.symbol, None, placed.venue_order_id))
        except ExecutionError:
            return placed
        return found or placed

    # -- one call ------------------------------------------------------------------------------------------------------

    async def once(
        self,
        what: str,
        ask: Ask[T],
        *,
        symbol: str | None = None,
        priority: Priority = Priority.ORDER,
        weight: int | None = None,
    ) -> T:
        """One call of ccxt's, made once. Raises NotSent, ErrorReply or NoReply. `weight`: None = by ccxt's table."""
        what = f"{what} on {self.rules.id}"
        deadline_ns = self.clock.monotonic_ns() + self._wait_ns
        with asking(Asking(priority=priority, deadline_ns=deadline_ns)):
            ccxt = await self._ready(what, symbol)
            with calling(Call(weight=weight, single=True)) as call:
                try:
                    return await ask(ccxt)
                except Exception as error:  # ccxt's parsers raise anything on a garbled reply
                    found = told(error, call, what)
        if isinstance(found, ErrorReply) and self.rules.errors.get(found.code or "") in _OF_THE_CLOCK:
            self._clock_due = True
        raise found from None

    async def unless_unknown(
        self, what: str, ask: Ask[T], *, symbol: str | None = None, weight: int | None = None
    ) -> T | None:
        """One call; None if the venue answers that it knows no such order."""
        try:
            return await self.once(what, ask, symbol=symbol, weight=weight)
        except ErrorReply as error:
            if self.rules.errors.get(error.code or "") is ErrorKind.UNKNOWN_ORDER:
                return None
            raise

    def read(self, what: str, work: Callable[[], T]) -> T:
        """What a reply says; NoReply if it cannot be read: the order may live all the same."""
        try:
            return work()
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NoReply(f"the {what} that {self.rules.id} answered cannot be read: {error}") from None

    async def _ready(self, what: str, symbol: str | None) -> Any:
        """ccxt with markets, key and the venue's time; what fails here leaves the call unsent."""
        try:
            ccxt = await self._client.exchange(symbol)
            if self._clock_due:
                await self._set_clock(ccxt)
        except UnknownSymbol as error:
            raise NotListed(f"{what}: {error}") from None
        except XETradeError as error:
            raise NotSent(f"{what}: {error}") from None
        self.give_key(ccxt)
        ccxt.options.update(self.ccxt_options)
        return ccxt

    def give_key(self, ccxt: Any) -> None:
        """Let ccxt sign."""
        credentials = self._credentials
        ccxt.apiKey, ccxt.secret, ccxt.password = credentials.api_key, credentials.secret, credentials.passphrase

    async def _set_clock(self, ccxt: Any) -> None:
        """Sign with the venue's time, as measured: a wider window would let old requests in."""
        async with self._setting_clock:
            if not self._clock_due:
                return
            if ccxt.has.get("fetchTime"):
                offset = await measure_offset(self._client.server_time_ns, self.clock, samples=3)
                self._offset_ms = round(offset.offset_s * 1000)
                ccxt.options["timeDifference"] = -self._offset_ms  # ccxt's: ours less theirs
            self._clock_due = False

    def offers(self, capability: Capability) -> bool:
        """Whether the venue itself has it."""
        return self.rules.capabilities.get(capability) is Support.NATIVE
