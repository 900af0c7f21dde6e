"""Every recorded listing of markets, as raw rows and as unmodified ccxt reads them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.recordings import recording


@dataclass(frozen=True, slots=True)
class Listed:
    """One listed instrument. `symbol` is ccxt's, None where ccxt cannot read the row (it lacks a field of today); for
    MAX, which ccxt does not know, it is that of the currencies which the row names.
    """

    venue: str
    venue_id: str
    symbol: str | None
    raw: dict[str, Any]


def _replies(name: str) -> Iterator[dict[str, Any]]:
    """The JSON replies of a cryptofeed recording, each list once: the newest."""
    newest: dict[str, dict[str, Any]] = {}
    with gzip.open(recording(f"markets/{name}.instruments.0.gz"), "rt") as lines:
        for line in lines:
            url, mark, rest = line.partition(" -> ")
            if mark and url.startswith("http"):
                newest[url] = json.JSONDecoder().raw_decode(rest.partition(": ")[2])[0]
    yield from newest.values()


def _recorded(venue: str) -> dict[str, Any]:
    with gzip.open(recording(f"markets/{venue}/fetch_markets.json.gz")) as file:
        return dict(json.load(file))


def _read_by(exchange: Any, endpoint: str, replies: list[dict[str, Any]]) -> dict[str, str]:
    """ccxt's symbol by id: its own `fetch_markets` on replies that are handed to it instead of the wire."""
    found: dict[str, str] = {}
    for reply in replies:
        setattr(exchange, endpoint, lambda *_args, _reply=reply, **_kwargs: _reply)
        found |= {row["id"]: row["symbol"] for row in exchange.fetch_markets()}
    return found


@cache
def recorded_listings() -> tuple[Listed, ...]:
    """All listed instruments of all recordings. Skips the test where the recordings are absent."""
    import ccxt

    rows: list[Listed] = []
    binance = ccxt.binance()
    file = _recorded("binance")
    rows += [
        Listed("binancecoinm", raw["symbol"], binance.parse_market(raw)["symbol"], raw)
        for raw in file["http_response"]["symbols"]
    ]
    rows += [Listed("binance", row["id"], row["symbol"], row["info"]) for row in file["parsed_response"]]
    okx = ccxt.okx()
    file = _recorded("okx")
    okx_rows = [*file["http_response"]["data"], *(row["info"] for row in file["parsed_response"])]
    okx_rows += [raw for reply in _replies("OKX") for raw in reply["data"]]
    rows += [Listed("okx", raw["instId"], okx.parse_market(raw)["symbol"], raw) for raw in okx_rows]
    file = _recorded("bybit")
    rows += [Listed("bybit", row["id"], row["symbol"], row["info"]) for row in file["parsed_response"]]
    options = _read_by_options(ccxt.bybit(), file["http_response"])
    rows += [
        Listed("bybit", raw["symbol"], options[raw["symbol"]], raw) for raw in file["http_response"]["result"]["list"]
    ]
    kucoin = list(_replies("KUCOIN"))
    exchange = ccxt.kucoin({"options": {"fetchMarkets": {"types": ["spot"], "fetchTickersFees": False}}})
    known = _read_by(exchange, "publicGetSymbols", kucoin)
    rows += [Listed("kucoin", raw["symbol"], known.get(raw["symbol"]), raw) for one in kucoin for raw in one["data"]]
    deribit = list(_replies("DERIBIT"))
    known = _read_by(ccxt.deribit(), "publicGetGetInstruments", deribit)
    rows += [
        Listed("deribit", raw["instrument_name"], known.get(raw["instrument_name"]), raw)
        for one in deribit
        for raw in one["result"]
    ]
    rows += [
        Listed("max", raw["id"], f"{raw['base_unit'].upper()}/{raw['quote_unit'].upper()}", raw)
        for raw in json.loads(recording("max/markets.json").read_bytes())
    ]
    return tuple({(row.venue, row.venue_id, row.symbol): row for row in rows}.values())


def _read_by_options(exchange: Any, reply: dict[str, Any]) -> dict[str, str]:
    exchange.options["fetchMarkets"] = {"loadExpiredOptions": True}  # those that do not trade yet or any more, too
    exchange.publicGetV5MarketInstrumentsInfo = lambda *_args, **_kwargs: reply
    return {row["id"]: row["symbol"] for row in exchange.fetch_option_markets({})}
