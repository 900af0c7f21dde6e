"""A signed client of the simulated Binance markets without sockets, and a listener of an account's stream."""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
from typing import Any

import msgspec

from tests.simvenue.conftest import START_NS, SYMBOLS
from tests.simvenue.listener import Listener
from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.dialects.base import Reply
from xetrade_core.simvenue.simulation import Simulation

AMOUNTS = {"binance": "0.02", "binanceusdm": "0.02", "binancecoinm": "20"}
KEY, SECRET = "sim-main-key", "sim-main-secret"
PREFIXES = {"binance": "/api/v3", "binanceusdm": "/fapi/v1", "binancecoinm": "/dapi/v1"}


class Signed:
    """Calls a venue as its account `main`, with the simulation's own clock."""

    def __init__(self, simulation: Simulation, venue: str) -> None:
        self.simulation, self.venue, self.symbol = simulation, venue, SYMBOLS[venue]
        self.place = simulation.place(venue)
        self.market = self.place.venue.market(self.symbol)

    def call(self, method: str, path: str, **fields: object) -> Reply:
        """A signed call of a path below the venue's prefix."""
        now_ns = self.simulation.now_ns
        named = {name: str(value) for name, value in {**fields, "timestamp": now_ns // NS_PER_MS}.items()}
        text = urllib.parse.urlencode(named)
        named["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        raw = f"{text}&signature={named['signature']}"
        headers = {"X-MBX-APIKEY": KEY}
        path = path if path.startswith("/") else f"{PREFIXES[self.venue]}/{path}"
        return self.place.rest(method, path, named, now_ns, START_NS, headers=headers, raw_query=raw).reply

    def ask(self, method: str, path: str, **fields: object) -> Any:
        """The JSON body of a call that succeeds."""
        reply = self.call(method, path, **fields)
        assert reply.status == 200, reply.body
        return msgspec.json.decode(reply.body)

    def error(self, method: str, path: str, **fields: object) -> int:
        """The code of a call that is refused."""
        reply = self.call(method, path, **fields)
        assert reply.status >= 400, reply.body
        code: int = msgspec.json.decode(reply.body)["code"]
        return code

    def resting(self, name: str) -> dict[str, object]:
        """The fields of an order below the market that is called `name`."""
        bid = self.market.levels.best_bid
        assert bid is not None
        price = self.market.numbers.price(bid * 97 // 100)
        return {**self.order(name, AMOUNTS[self.venue]), "type": "LIMIT", "timeInForce": "GTC", "price": price}

    def order(self, name: str, amount: str, side: str = "BUY") -> dict[str, object]:
        """The fields of a market order."""
        fields: dict[str, object] = {"symbol": self.market.venue_id, "side": side, "type": "MARKET"}
        return {**fields, "quantity": amount, "newClientOrderId": name}

    def states(self) -> dict[str, str]:
        """What has become of each order by its client id, as the venue knows."""
        desk = self.place.desk
        assert desk is not None
        return {order.ticket.client_id or "": str(order.state) for order in desk.orders.values()}

    def stream(self) -> Listener:
        """A connection that takes the account's events."""
        if self.venue != "binance":
            key = self.ask("POST", "listenKey")["listenKey"]
            path = "/private/ws" if self.venue == "binanceusdm" else f"/ws/{key}"
            return Listener(self.simulation, self.venue, path, {"listenKey": key} if path == "/private/ws" else {})
        listener = Listener(self.simulation, self.venue, "/ws-api/v3")
        params = {"apiKey": KEY, "timestamp": self.simulation.now_ns // NS_PER_MS}
        text = urllib.parse.urlencode(sorted(params.items()))
        params["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        listener.say({"id": "1", "method": "userDataStream.subscribe.signature", "params": params})
        listener.texts()
        return listener


def told(venue: str, listener: Listener) -> list[tuple[str, str]]:
    """(client id, what happened) of each event about an order since the last call."""
    listener.session.flush()
    bodies = [message.get("event", message) for message in listener.messages()]
    rows = [body.get("o", body) if venue != "binance" else body for body in bodies]
    return [(row["C"] or row["c"] if venue == "binance" else row["c"], row["x"]) for row in rows if "x" in row]
