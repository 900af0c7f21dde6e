"""What is known about one venue, as dated data: rules change, so each fact says when and where it was read.

A venue is described, not programmed: adding one means one module with a `VENUE` of this shape (see
docs/adding-a-venue.md). Code that needs a venue's rule reads it here and nowhere else. The module is long because it is
the whole vocabulary of such a description, in the order in which a `VENUE` is written, and has no logic of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from xetrade_core.errors import ConfigError, VenueRetired
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.orders import TimeInForce
from xetrade_core.venues.most import Most

if TYPE_CHECKING:
    from xetrade_core.books.book_set import BookSet


class VenueStatus(StrEnum):
    """Whether the venue still answers."""

    LIVE = "live"
    RETIRED = "retired"


class BookProtocol(StrEnum):
    """How a client comes to a synced book; chooses the feed."""

    REST_SNAPSHOT = "rest_snapshot"  # the channel carries changes only; the snapshot comes over REST (Binance, KuCoin)
    CHANNEL_SNAPSHOT = "channel_snapshot"  # a subscription begins with a snapshot (OKX, Bybit, Deribit, Derive)


class WireDialect(StrEnum):
    """The words of subscribing, acknowledging and keeping alive on the websocket."""

    BINANCE = "binance"
    OKX = "okx"
    BYBIT = "bybit"
    KUCOIN = "kucoin"
    DERIBIT = "deribit"
    MAX = "max"
    DERIVE = "derive"
    RETIRED = "retired"  # spoken no more


@dataclass(frozen=True, slots=True)
class Fact:
    """One rule of the venue, with the day it was checked and where it stands."""

    topic: str
    text: str
    checked: date
    source: str


def require_no_userinfo(venue_url: str | None, setting: str) -> None:
    """Raises ConfigError if a URL holds a user name or password: URLs stand in errors and logs. Does not show it."""
    if venue_url is not None and "@" in urlsplit(venue_url).netloc:
        raise ConfigError(f"{setting} holds a user name or password: give the venue's URL without what stands before @")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`rest` is the base that REST paths are appended to; `ws` is the exact URL that a public websocket connects to.

    `{group}` in `ws` stands for the group of the instruments that a connection carries (`WebsocketRules.group`).
    """

    rest: str
    ws: str


@dataclass(frozen=True, slots=True)
class RateRule:
    """At most `limit` units in any `window_s` seconds."""

    limit: int
    window_s: float


@dataclass(frozen=True, slots=True)
class SnapshotWeight:
    """A REST book snapshot of up to `limit` levels a side costs `weight` units of the REST budget."""

    limit: int
    weight: int


class ConnectTicket(Protocol):
    """Where the venue tells, before each connect, where to connect to and with which token (KuCoin)."""

    @property
    def request(self) -> RestRequest:
        """Asks for one."""
        ...

    def url(self, body: bytes, connect_id: str) -> str:
        """The exact URL to connect to, out of the reply; raises VenueUnavailable if it is none."""
        ...


@dataclass(frozen=True, slots=True)
class WebsocketRules:
    """The public websocket's book channel and its limits.

    `channel` names the book subscription, `{id}` and `{id_lower}` standing for the venue's instrument id. `depth` is
    the number of levels a side that the channel maintains, None for all. `ping_text` is what the venue wants to be sent
    when the line is idle; None means a protocol-level ping. `ping_every_s`: it wants that at least so often, even while
    data comes. At most `batch` instruments go into a request. `group`: where one connection carries only instruments of
    one kind (Bybit has a path for each); the same id may then mean another instrument in another group. `ticket`: where
    the address to connect to must be asked for. `welcome`: the venue says when it is ready, and is not asked before.
    """

    dialect: WireDialect
    channel: str
    interval_ms: int
    depth: int | None
    max_subscriptions: int
    lifetime_s: float
    send_interval_s: float
    connects: RateRule
    ping_text: str | None = None
    ping_every_s: float | None = None
    batch: int = 50
    group: Callable[[Instrument], str] | None = None
    ticket: ConnectTicket | None = None
    welcome: bool = False

    def group_of(self, instrument: Instrument) -> str:
        """The group of connections that carries this instrument; empty where all are alike."""
        return self.group(instrument) if self.group is not None else ""


@dataclass(frozen=True, slots=True)
class RestRules:
    """The public REST side: its budget per IP, and where the book snapshot is (None: the protocol needs none).

    `snapshot_path` may hold `{limit}`; `snapshot_query` names the parameters of the instrument and, where it goes into
    the query, of the limit. `weights` is ordered by limit.
    `used_weight_header` names the reply header that tells how much of the budget the venue has counted, None where it
    tells nothing. `time_path` is where the venue tells its clock. `book_limits` are the only numbers of levels that a
    book may be asked for over REST, empty where any will do up to the venue's most. `bans` are HTTP statuses beside 429
    and 418 by which the venue stops an address, each with the seconds that it is stopped for.
    """

    budget: RateRule
    snapshot_path: str | None = None
    snapshot_query: tuple[str, ...] = ("symbol", "limit")
    weights: tuple[SnapshotWeight, ...] = ()
    used_weight_header: str | None = None
    time_path: str | None = None
    book_limits: tuple[int, ...] = ()
    bans: Mapping[int, float] = field(default_factory=dict)

    def book_limit(self, depth: int) -> int:
        """The number of levels to ask for to get at least `depth` a side, or the most there is."""
        allowed = self.book_limits or tuple(row.limit for row in self.weights)
        return next((limit for limit in allowed if limit >= depth), allowed[-1] if allowed else depth)

    def snapshot_for(self, levels: int) -> SnapshotWeight:
        """The cheapest snapshot of at least `levels` a side, or the deepest there is."""
        if not self.weights:
            raise ConfigError("this venue gives its book snapshots on the websocket: there is none over REST")
        return next((row for row in self.weights if row.limit >= levels), self.weights[-1])

    def snapshot_request(self, venue_id: str, row: SnapshotWeight) -> RestRequest:
        """The request of that snapshot of an instrument."""
        path = (self.snapshot_path or "").format(limit=row.limit)
        return RestRequest(path, tuple(zip(self.snapshot_query, (venue_id, str(row.limit)), strict=False)), row.weight)


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One read of the venue: path, query, and what it costs of the budget.

    Some venues want a POST for a read, and Derive its parameters as JSON in the `body`.
    """

    path: str
    params: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    method: Literal["GET", "POST"] = "GET"
    body: bytes = b""


class ErrorKind(StrEnum):
    """What an error of the venue means for the caller, by its raw code (ccxt's classes depend on the URL)."""

    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"  # maintenance, overload: a read may be tried again
    OUTCOME_UNKNOWN = "outcome_unknown"  # an order may have been taken
    CLOCK = "clock"  # timestamp or nonce outside the venue's window
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ORDER = "unknown_order"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    ORDER_REJECTED = "order_rejected"  # definitely not taken: price, amount, risk, post-only would take
    NOTHING_TO_TAKE = "nothing_to_take"  # nor this one, as nobody trades with it at once: it may a moment later
    BAD_REQUEST = "bad_request"


def error_codes(table: Mapping[ErrorKind, str]) -> dict[str, ErrorKind]:
    """`Venue.errors` out of the codes of each kind, side by side. Raises ValueError for a code that is there twice."""
    found: dict[str, ErrorKind] = {}
    for kind, codes in table.items():
        for code in codes.split():
            if code in found:
                raise ValueError(f"code {code} is {found[code]} and {kind}")
            found[code] = kind
    return found


class Uniqueness(StrEnum):
    """How far the venue itself refuses a second order of the same client order id."""

    ALWAYS = "always"  # resending is safe
    OPEN_ORDERS = "open_orders"  # only against orders that rest: a market order could be doubled
    NEVER = "never"
    UNVERIFIED = "unverified"  # not documented: treated as never


@dataclass(frozen=True, slots=True)
class ClientIdRule:
    """The venue's client order id: a full-match `pattern` (its own limit), the parameter that ccxt passes it by.

    `query` and `cancel`: whether an order can be asked for and cancelled by it.
    """

    pattern: str
    ccxt_param: str
    unique: Uniqueness
    query: bool
    cancel: bool


class Capability(StrEnum):
    """What a venue may offer; the rows of the capability matrix."""

    BOOK_STREAM = "book_stream"
    BOOK_REST = "book_rest"
    QUOTES_ALL = "quotes_all"  # best bid and ask of all symbols in one call
    FUNDING = "funding"
    FUNDING_ALL = "funding_all"
    FUNDING_PREDICTED = "funding_predicted"
    FUNDING_INTERVAL = "funding_interval"
    FUNDING_HISTORY = "funding_history"
    PLACE = "place"
    PLACE_STREAM = "place_stream"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    AMEND = "amend"
    POST_ONLY = "post_only"
    REDUCE_ONLY = "reduce_only"
    ORDER_STREAM = "order_stream"
    TRADE_STREAM = "trade_stream"
    POSITION_STREAM = "position_stream"
    DEAD_MAN_SWITCH = "dead_man_switch"
    KEY_PERMISSIONS = "key_permissions"
    TESTNET = "testnet"


class Support(StrEnum):
    """How a venue offers a capability; one that is not named is not offered."""

    NATIVE = "native"
    EMULATED = "emulated"  # put together from other calls


def offers(native: Iterable[Capability], emulated: Iterable[Capability] = ()) -> dict[Capability, Support]:
    """`Venue.capabilities` out of what is native and what is emulated."""
    return dict.fromkeys(native, Support.NATIVE) | dict.fromkeys(emulated, Support.EMULATED)


class Paging(StrEnum):
    """Which rows of an asked range a full page of funding history holds."""

    OLDEST_FIRST = "oldest_first"
    NEWEST_FIRST = "newest_first"
    RANGE = "range"  # no page limit that matters, but the range itself is bounded by `max_span_s`


@dataclass(frozen=True, slots=True)
class FundingRules:
    """What the venue's funding numbers mean, and how its history is paged.

    `live_means` and `predicted_means` say in words what the venue's live and predicted rates are (`predicted_means`
    None: it predicts nothing). `page_limit` rows a page, `max_span_s` the longest range of one request. `end_param` is
    what ccxt passes the end of the range by, in ms. `paid_field` names the field of the venue's own row that holds
    what was paid over the interval, where ccxt states another number. `kept_s`: how far back the venue's history
    reaches, None for the listing of the instrument.
    """

    live_means: str
    predicted_means: str | None
    paging: Paging
    page_limit: int
    default_interval_s: float
    max_span_s: float | None = None
    page_weight: int = 1
    end_param: str = "until"
    paid_field: str | None = None
    kept_s: float | None = None


class MarkCall(StrEnum):
    """Which of ccxt's calls brings the mark prices of a venue's contracts, by which it reckons margin."""

    MARK_PRICES = "fetch_mark_prices"  # of all contracts of a kind at once
    TICKERS = "fetch_tickers"  # likewise, beside the quotes
    TICKER = "fetch_ticker"  # of each contract


class InstrumentCodec(Protocol):
    """How the venue lists instruments and what it calls them."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """The requests whose replies list at least these symbols (in whatever form the user wrote them)."""
        ...

    def parse(self, body: bytes) -> list[Instrument]:
        """Every instrument of one reply with its status; raises VenueUnavailable if it is not the venue's format."""
        ...

    def venue_id(self, symbol: str) -> str:
        """The venue's id of a universal symbol by rule alone, without asking; raises UnknownSymbol."""
        ...


@runtime_checkable
class PagedInstruments(Protocol):
    """A codec of a venue whose lists come in pages."""

    def next_page(self, request: RestRequest, body: bytes) -> RestRequest | None:
        """The request of the page after the one that was answered with `body`; None after the last."""
        ...


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue: everything its feeds and clients need to know, and the facts that it was made from.

    `errors` maps the venue's raw error codes (as text) to what they mean; a code that is not there is unclassified.
    `funding` is None where nothing is funded. `counts_contracts`: sizes of derivatives are in contracts; False where
    they are in base or quote currency whatever a contract is worth, so that one unit of size is one of the currency.
    `most` reads the most that an order may be in the venue's own row of an instrument, where ccxt's says too little.
    `times_in_force` are how long its orders may stay. `contracts_at` are the ids under which the same exchange lists
    perpetuals where this one lists none: people say binance for both. `marks` is None where the venue marks nothing.
    """

    id: str
    name: str
    market_types: tuple[MarketType, ...]
    live: Endpoints
    testnet: Endpoints | None
    websocket: WebsocketRules
    rest: RestRules
    protocol: BookProtocol
    books: Callable[[Iterable[Instrument]], BookSet]
    instruments: InstrumentCodec
    ccxt_class: str | None
    facts: tuple[Fact, ...]
    client_ids: ClientIdRule | None = None
    errors: Mapping[str, ErrorKind] = field(default_factory=dict)
    capabilities: Mapping[Capability, Support] = field(default_factory=dict)
    funding: FundingRules | None = None
    marks: MarkCall | None = None
    counts_contracts: bool = True
    most: Callable[[object], Most] | None = None
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)
    contracts_at: tuple[str, ...] = ()
    status: VenueStatus = VenueStatus.LIVE
    retired_on: date | None = None

    def require_live(self) -> Venue:
        """Itself, or VenueRetired with the date it shut down."""
        if self.status is VenueStatus.RETIRED:
            raise VenueRetired(
                f"{self.name} shut down on {self.retired_on}: its old data can be read from the lake and its symbols "
                f"mapped; for anything else choose a live venue"
            )
        return self

    def endpoints(self, *, testnet: bool = False, rest_url: str | None = None, ws_url: str | None = None) -> Endpoints:
        """Live URLs, the venue's testnet, or others by configuration alone (a proxy, a simulated venue).

        A `ws_url` that is a host alone gets the path that the venue's own has. Raises ConfigError.
        """
        require_no_userinfo(rest_url, "rest_url")
        require_no_userinfo(ws_url, "ws_url")
        if testnet and self.testnet is None:
            raise ConfigError(f"{self.id} has no testnet: use its live URLs, or set rest_url and ws_url")
        base = self.testnet if testnet and self.testnet is not None else self.live
        if ws_url and urlsplit(ws_url).path in ("", "/"):
            ws_url = ws_url.rstrip("/") + urlsplit(base.ws).path
        return Endpoints(rest=(rest_url or base.rest).rstrip("/"), ws=ws_url or base.ws)
