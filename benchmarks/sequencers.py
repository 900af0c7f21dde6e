"""Each venue's sequencer beside ccxt.pro's handler of the same channel, on the same frames.

Frames are recorded traffic where there is enough of it, else what the simulated venue sends. Both sides get every book
frame as it came off the wire, and the REST snapshots where the venue has them. Ours also checks what ccxt.pro takes as
it comes: that no message is missing (Bybit, KuCoin, Deribit) and that the values are sound. At the end the best levels
of both are compared, so that a peer that has skipped anything cannot be measured.

The second ratio is with the best 100 levels of each book read once a second of receive time: ours puts a book in order
when it is read, ccxt.pro with each message. Binance, OKX and Bybit are by compiled code, which replays use and live
captures do not, with the plain Python beside it. OKX's checksum is left out: the venue sends none since 2026, and ccxt
never looks at it. Processor time is compared, of the best of some rounds in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from benchmarks.peers import Client
from benchmarks.recorded import ROOT
from benchmarks.report import Measurement
from benchmarks.simulated import frames_of
from xetrade_core.books.book_set import BookSet
from xetrade_core.books.okx import OkxBooks
from xetrade_core.clock import NS_PER_S
from xetrade_core.feeds.recording import REST_BODY, Recording, is_control, read_control
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.simvenue.instruments import default_symbols
from xetrade_core.venues.instruments import named_instrument
from xetrade_core.venues.registry import venue as known_venue

DEPTH = 100
COMPARED = 20  # levels a side that must be the same at the end
ROUNDS = 5
LEAST_S = 0.5  # processor time of a round: a short recording is played over and over
MOST_FRAMES = 20_000
TARGET = 5
SIMULATED = 40  # symbols, where nothing is recorded


@dataclass(frozen=True)
class Traffic:
    """One venue's line in this benchmark.

    `marker`: what is in every frame of the book channel. `files` of the recordings, with the symbols in them; none:
    simulated. `body`: the keys that lead to the book in a REST reply, `nonce` its sequence id. `payload`: the key that
    ccxt's handler is given the value of. `peer` False: ccxt has no handler of this venue's books. `books`: built
    otherwise than the registry's; `compiled`: there is compiled code.
    """

    marker: bytes
    files: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    nonce: str = ""
    payload: str = ""
    peer: bool = True
    books: Callable[[Iterable[Instrument]], BookSet] | None = None
    compiled: bool = False


_BINANCE = partial(Traffic, b'"depthUpdate"', nonce="lastUpdateId", payload="data", compiled=True)
_KUCOIN = partial(Traffic, b"/level2:", body=("data",), nonce="sequence")
TRAFFIC = {
    "binance": _BINANCE(files=("binance-spot/btcusdt_20240808.gz",), symbols=("BTC/USDT",)),
    "binanceusdm": _BINANCE(files=("binance-usdm/btcusdt_20240808.gz",), symbols=("BTC/USDT:USDT",)),
    "binancecoinm": _BINANCE(),
    "okx": Traffic(
        b'"channel":"books',
        ("okx/OKX.ws.1.0.gz",),
        ("BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"),
        books=partial(OkxBooks, verify_checksum=False),
        compiled=True,
    ),
    "bybit": Traffic(b'"orderbook.', ("bybit/xrpusdt-ob500.data.zip",), ("XRP/USDT:USDT",), compiled=True),
    "kucoin": _KUCOIN(
        files=("kucoin/KUCOIN.ws.1.0.gz", "kucoin/KUCOIN.http.0.0.gz"),
        symbols=("BSV/USDT", *(f"{one}/BTC" for one in ("ANKR", "NRG", "CAPP", "FET", "SNX", "DAPPT", "COV", "EQZ"))),
    ),
    "kucoinfutures": _KUCOIN(),
    "deribit": Traffic(b'"book.'),
    "derive": Traffic(b'"orderbook.'),
    "max": Traffic(b'"book"', peer=False),
}

Step = tuple[int, str, bytes]
"""Receive time, whose REST snapshot it is (empty: a frame of the websocket), and the body or frame."""

Tops = dict[str, list[list[tuple[float, float]]]]


def run(quick: bool = False) -> list[Measurement]:
    """Book messages a second of each venue, and our ratio to ccxt.pro's."""
    return [_measure(venue, traffic, quick) for venue, traffic in TRAFFIC.items()]


def _measure(venue: str, traffic: Traffic, quick: bool) -> Measurement:
    instruments = _instruments(venue, traffic)
    steps = _steps(venue, traffic, instruments, 3.0 if quick else 10.0)
    frames = sum(not symbol for _, symbol, _ in steps)
    rows: dict[str, Callable[[bool], Tops]] = {"plain": lambda read: _ours(traffic, instruments, steps, read)}
    if traffic.compiled:
        rows["compiled"] = lambda read: _ours(traffic, instruments, steps, read, compiled=True)
    if traffic.peer:
        rows["theirs"] = _Peer(venue, traffic, instruments, steps).play
        _compare(rows["plain"](False), rows["theirs"](False))
    rates = {(name, read): 0.0 for name in rows for read in (False, True)}
    for _ in range(2 if quick else ROUNDS):
        for name, read in rates:
            rates[name, read] = max(rates[name, read], frames / _cost_s(rows[name], read))
    ours = "compiled" if traffic.compiled else "plain"
    what = f"{venue}, {frames:,} {'recorded' if traffic.files else 'simulated'} messages"
    if not traffic.peer:
        return Measurement(what, rates[ours, False], "messages/s", beside="ccxt.pro has none")
    ratio = rates[ours, False] / rates["theirs", False]
    beside = (
        f"ccxt.pro: {rates['theirs', False]:,.0f}; read each second {rates[ours, True] / rates['theirs', True]:.1f}x"
    )
    if traffic.compiled:
        beside += f"; plain Python {rates['plain', False] / rates['theirs', False]:.1f}x"
    return Measurement(what, rates[ours, False], "messages/s", f"at least {TARGET}x", ratio >= TARGET, ratio, beside)


def _cost_s(play: Callable[[bool], object], read: bool) -> float:
    """Processor time of one playing, the mean of as many as take long enough to be measured."""
    began = time.process_time()
    plays = 0
    while (spent := time.process_time() - began) < LEAST_S:
        play(read)
        plays += 1
    return spent / plays


def _instruments(venue: str, traffic: Traffic) -> list[Instrument]:
    symbols = traffic.symbols or default_symbols(venue, SIMULATED)
    return [named_instrument(known_venue(venue), symbol) for symbol in symbols]


def _steps(venue: str, traffic: Traffic, instruments: list[Instrument], seconds: float) -> list[Step]:
    """The book's frames and snapshots of the recording, or of so many seconds of the simulated venue."""
    if not traffic.files:
        symbols = tuple(one.symbol for one in instruments)
        received = frames_of(venue, symbols, seconds)
        steps = [(at_ns, source.partition("rest:")[2], frame) for at_ns, frame, source in received]
    else:
        steps = list(_recorded(traffic, {one.venue_id: one.symbol for one in instruments}))
    steps = [step for step in steps if step[1] or traffic.marker in step[2]]
    return steps[:MOST_FRAMES]


def _recorded(traffic: Traffic, names: dict[str, str]) -> Iterable[Step]:
    recording = Recording([ROOT / name for name in traffic.files])
    whose = ""
    for batch in recording.batches():
        for at_ns, frame in batch:
            if is_control(frame):
                control = read_control(frame)
                whose = names.get(control.venue_id, control.venue_id) if control.kind == "rest" else ""
                continue
            symbol, whose = whose, ""
            if frame.startswith(REST_BODY):
                (symbol,) = names.values()
            if not symbol or symbol in names.values():
                yield at_ns, symbol, frame


def _ours(
    traffic: Traffic, instruments: list[Instrument], steps: list[Step], read: bool, *, compiled: bool = False
) -> Tops:
    books = (traffic.books or known_venue(instruments[0].venue).books)(instruments)
    if compiled:
        books.accelerate()
    due = steps[0][0] + NS_PER_S
    rows = books.sequencers.values()
    for at_ns, symbol, body in steps:
        if read and at_ns >= due:
            due = at_ns + NS_PER_S
            for row in rows:
                row.book.top(DEPTH)
        if symbol:
            books.snapshot(symbol, body, at_ns)
        else:
            books.feed(body, at_ns)
    tops: Tops = {}
    for row in rows:
        if row.synced:
            bids, bid_sizes, asks, ask_sizes = row.book.top(DEPTH)
            sides = (zip(bids, bid_sizes, strict=True), zip(asks, ask_sizes, strict=True))
            tops[row.symbol] = [[(price, size) for price, size in side if size > 0] for side in sides]
    return tops


class _Subscriptions(dict[str, Any]):
    """Whatever a handler looks for was subscribed to."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> dict[str, Any]:
        return {}


class _Peer:
    """ccxt.pro's class of a venue, which knows our instruments as its markets."""

    def __init__(self, venue: str, traffic: Traffic, instruments: list[Instrument], steps: list[Step]) -> None:
        import ccxt.pro

        self._exchange = getattr(ccxt.pro, venue)()
        self._exchange.set_markets([self._market(one) for one in instruments])
        self._client = Client()
        self._client.url = known_venue(venue).live.ws
        self._client.subscriptions = _Subscriptions()
        self._traffic = traffic
        bodies: dict[str, bytes] = {}
        for _, symbol, body in steps:
            if symbol:
                bodies.setdefault(symbol, body)
        self._bodies = bodies
        self._frames = [(at_ns, frame) for at_ns, symbol, frame in steps if not symbol]

    def _market(self, one: Instrument) -> Any:
        pair, _, settled = one.symbol.partition(":")
        base, _, quote = pair.partition("/")
        settle = settled.partition("-")[0] or None
        kind = one.market_type
        return self._exchange.safe_market_structure(
            {"id": one.venue_id, "symbol": one.symbol, "base": base, "quote": quote, "settle": settle}
            | {"baseId": base, "quoteId": quote, "settleId": settle, "type": kind.value}
            | {each.value: kind is each for each in MarketType}
            | {"contract": kind is not MarketType.SPOT, "linear": settle == quote, "inverse": settle == base}
        )

    def play(self, read: bool) -> Tops:
        """Everything once, with new books; ccxt would hold the frames back until the snapshot, so that comes first."""
        from ccxt.async_support.base.ws.client import json_parser

        exchange, client, payload = self._exchange, self._client, self._traffic.payload
        exchange.orderbooks = exchange.create_safe_dictionary()
        for symbol, body in self._bodies.items():
            data = reduce(lambda part, key: part[key], self._traffic.body, json_parser.loads(body))
            parsed = exchange.parse_order_book(data, symbol)
            parsed["nonce"] = int(data[self._traffic.nonce])
            exchange.orderbooks[symbol] = exchange.order_book({}, 1000)
            exchange.orderbooks[symbol].reset(parsed)
        due = self._frames[0][0] + NS_PER_S
        for at_ns, frame in self._frames:
            if read and at_ns >= due:
                due = at_ns + NS_PER_S
                for book in exchange.orderbooks.values():
                    limited = book.limit()
                    _ = limited["bids"][:DEPTH], limited["asks"][:DEPTH]
            message = json_parser.loads(frame)
            exchange.handle_message(client, message.get(payload, message))
        return {
            symbol: [[(level[0], level[1]) for level in book.limit()[side][:DEPTH]] for side in ("bids", "asks")]
            for symbol, book in exchange.orderbooks.items()
        }


def _compare(ours: Tops, theirs: Tops) -> None:
    """Raises ValueError where a book that is in sync with us is another one for ccxt."""
    if not ours:
        raise ValueError("no book was in sync at the end")
    for symbol, sides in ours.items():
        for mine, other in zip(sides, theirs[symbol], strict=True):
            if mine[:COMPARED] != other[:COMPARED]:
                raise ValueError(f"{symbol} differs at the end: {mine[:3]} here, {other[:3]} in ccxt.pro")
