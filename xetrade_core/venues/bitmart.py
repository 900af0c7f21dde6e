"""BitMart, which shut down in July 2026: its symbols still map, for old data; whatever else is asked is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, NoReturn

from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import (
    BookProtocol,
    Endpoints,
    Fact,
    RateRule,
    RestRequest,
    RestRules,
    Venue,
    VenueStatus,
    WebsocketRules,
    WireDialect,
)

if TYPE_CHECKING:
    from xetrade_core.books.book_set import BookSet

_CHECKED = date(2026, 11, 28)
_NOTICE = "https://www.bitmart.com/en-US/support/articles/7922665245339/39162120325403/53544595916059"


class BitMartInstruments:
    """The names of BitMart's instruments; there is no list to be read any more."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """Raises VenueRetired."""
        _refuse()

    def parse(self, body: bytes) -> list[Instrument]:
        """Raises VenueRetired."""
        _refuse()

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` -> `BTC_USDT`, `BTC/USDT:USDT` -> `BTCUSDT`."""
        return naming("bitmart").write(SymbolParts.parse(symbol, "bitmart"))


def _books(instruments: Iterable[Instrument]) -> BookSet:
    _refuse()


def _refuse() -> NoReturn:
    VENUE.require_live()
    raise AssertionError("BitMart is marked as live but has no code")


VENUE = Venue(
    id="bitmart",
    name="BitMart",
    market_types=(MarketType.SPOT, MarketType.SWAP),
    live=Endpoints(
        rest="https://api-cloud.bitmart.com", ws="wss://ws-manager-compress.bitmart.com/api?protocol=1.1"
    ),
    testnet=None,
    websocket=WebsocketRules(
        dialect=WireDialect.RETIRED,
        channel="spot/depth/increase100:{id}",
        interval_ms=100,
        depth=100,
        max_subscriptions=100,
        lifetime_s=24 * 3600,
        send_interval_s=0.1,
        connects=RateRule(20, 60),
        ping_text="ping",
    ),
    rest=RestRules(budget=RateRule(12, 2)),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=_books,
    instruments=BitMartInstruments(),
    ccxt_class=None,
    facts=(
        Fact("retired", "announced the end of its trading on 2026-07-26; ccxt removed it after 4.5.70", _CHECKED,
             _NOTICE),
        Fact("symbols", "spot BTC_USDT, swaps BTCUSDT, as they stand in old data", _CHECKED,
             "https://developer-pro.bitmart.com/en/spot/"),
    ),
    status=VenueStatus.RETIRED,
    retired_on=date(2026, 7, 26),
)  # fmt: skip
