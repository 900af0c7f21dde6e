"""The venues' control messages, as documented, and frames that are none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.feeds.binance import BinanceDialect
from xetrade_core.feeds.bybit import BybitDialect
from xetrade_core.feeds.deribit import DeribitDialect
from xetrade_core.feeds.derive import DeriveDialect
from xetrade_core.feeds.kucoin import KucoinDialect
from xetrade_core.feeds.max import MaxDialect
from xetrade_core.feeds.okx import OkxDialect
from xetrade_core.feeds.subscriptions import Reply

BINANCE, OKX = BinanceDialect("{id_lower}@depth@100ms"), OkxDialect("books")
KUCOIN = KucoinDialect("/market/level2")
BYBIT = BybitDialect("orderbook.200.{id}")
DERIBIT, MAX = DeribitDialect("book.{id}.100ms"), MaxDialect("book")
DERIVE = DeriveDialect("orderbook.{id}.1.100")
UNKNOWN = "Wrong URL or channel:books,instId:NO-PAIR doesn't exist. Please use the correct URL, channel and parameters."


def test_requests_are_what_the_venues_document() -> None:
    assert json.loads(BINANCE.subscribe(3, ["BTCUSDT", "ETHUSDT"])) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@depth@100ms", "ethusdt@depth@100ms"],
        "id": 3,
    }
    assert json.loads(BINANCE.unsubscribe(4, ["BTCUSDT"]))["method"] == "UNSUBSCRIBE"
    assert json.loads(OKX.subscribe(3, ["BTC-USDT"])) == {
        "id": "3",
        "op": "subscribe",
        "args": [{"channel": "books", "instId": "BTC-USDT"}],
    }
    assert json.loads(OKX.unsubscribe(4, ["BTC-USDT"]))["op"] == "unsubscribe"
    assert json.loads(DERIBIT.subscribe(3, ["BTC-PERPETUAL"])) == {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "public/subscribe",
        "params": {"channels": ["book.BTC-PERPETUAL.100ms"]},
    }
    assert json.loads(DERIBIT.unsubscribe(4, ["BTC-PERPETUAL"]))["method"] == "public/unsubscribe"
    assert json.loads(DERIVE.subscribe(3, ["BTC-PERP"])) == {
        "id": 3,
        "method": "subscribe",
        "params": {"channels": ["orderbook.BTC-PERP.1.100"]},
    }
    assert json.loads(DERIVE.unsubscribe(4, ["BTC-PERP"]))["method"] == "unsubscribe"
    wanted = [{"channel": "book", "market": "btctwd", "depth": 50}]
    assert json.loads(MAX.subscribe(3, ["btctwd"])) == {"action": "sub", "subscriptions": wanted, "id": "3"}
    assert json.loads(MAX.unsubscribe(4, ["btctwd"])) == {"action": "unsub", "subscription": wanted, "id": "4"}


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"result": None, "id": 5}, Reply(5)),
        ({"error": {"code": 2, "msg": "Invalid request"}, "id": 5}, Reply(5, error="2 Invalid request")),
        ({"code": 2, "msg": "Invalid request", "id": 5}, Reply(5, error="2 Invalid request")),
        ({"error": {"code": -1003, "msg": "slow"}, "id": 5}, Reply(5, error="-1003 slow", transient=True)),
        ({"e": "serverShutdown", "E": 1}, Reply(closing=True)),
        ({"e": "bookTicker", "s": "BTCUSDT"}, None),
        ({"e": "depthUpdate", "s": "BTCUSDT", "id": 5}, None),
    ],
)
def test_what_binance_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert BINANCE.read(json.dumps(frame, separators=(",", ":")).encode()) == reply


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"event": "subscribe", "arg": {"channel": "books", "instId": "X-Y"}, "connId": "a"}, Reply(None, ("X-Y",))),
        ({"id": "7", "event": "subscribe", "arg": {"channel": "books", "instId": "X-Y"}}, Reply(7, ("X-Y",))),
        (
            {"event": "unsubscribe", "arg": {"channel": "books", "instId": "X-Y"}},
            Reply(None, ("X-Y",), unsubscribed=True),
        ),
        ({"event": "error", "code": "60018", "msg": UNKNOWN}, Reply(None, ("NO-PAIR",), error=f"60018 {UNKNOWN}")),
        ({"event": "error", "code": "60014", "msg": "often"}, Reply(error="60014 often", transient=True)),
        ({"event": "notice", "code": "64008", "msg": "The connection will soon be closed"}, Reply(closing=True)),
        ({"event": "channel-conn-count", "channel": "books", "connCount": "1"}, None),
        ({"arg": {"channel": "books", "instId": "X-Y"}, "action": "update", "data": []}, None),
    ],
)
def test_what_okx_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert OKX.read(json.dumps(frame).encode()) == reply


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        (
            {"id": 7, "result": {"status": {"orderbook.A-PERP.1.100": "ok", "orderbook.B.1.100": "{'channel': []}"}}},
            Reply(7, ("A-PERP",), whole=True),
        ),
        ({"id": 7, "error": {"code": 13000, "message": "Invalid channels"}}, Reply(7, error="13000 Invalid channels")),
        ({"id": 7, "error": {"code": -32000, "message": "slow"}}, Reply(7, error="-32000 slow", transient=True)),
        ({"id": 7, "result": None}, None),
        ({"method": "subscription", "params": {"channel": "orderbook.A-PERP.1.100", "data": {}}}, None),
    ],
)
def test_what_derive_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert DERIVE.read(json.dumps(frame).encode()) == reply


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"e": "subscribed", "s": [{"channel": "book", "market": "btctwd"}], "i": "7", "T": 1}, ("btctwd",)),
        ({"e": "subscribed", "s": [], "i": "7", "T": 1}, ()),
        ({"e": "authenticated", "i": "7", "T": 1}, None),
        ({"c": "book", "e": "update", "M": "btctwd", "a": [], "b": []}, None),
        ({"c": "market_status", "e": "snapshot", "ms": []}, None),
    ],
)
def test_what_max_says(frame: dict[str, object], reply: tuple[str, ...] | None) -> None:
    expected = None if reply is None else Reply(7, reply, whole=True)
    assert MAX.read(json.dumps(frame).encode()) == expected


def test_max_names_its_errors_and_tells_an_end_from_a_start() -> None:
    error = b'{"e":"error","E":["E-1004: invalid action"],"i":"7","T":1}'
    assert MAX.read(error) == Reply(7, error="E-1004: invalid action")
    ended = MAX.read(b'{"e":"unsubscribed","s":[{"channel":"book","market":"btctwd"}],"i":"8","T":1}')
    assert ended == Reply(8, ("btctwd",), unsubscribed=True, whole=True)


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"id": 7, "result": ["book.A-B.100ms", "book.C.100ms"]}, Reply(7, ("A-B", "C"), whole=True)),
        ({"id": 7, "result": []}, Reply(7, (), whole=True)),
        ({"id": 7, "error": {"code": 11050, "message": "bad_request"}}, Reply(7, error="11050 bad_request")),
        ({"id": 7, "error": {"code": 10028, "message": "often"}}, Reply(7, error="10028 often", transient=True)),
        ({"method": "heartbeat", "params": {"type": "heartbeat"}}, None),
        ({"id": 1_000_000_001, "result": "ok"}, None),
        ({"id": 1_000_000_002, "result": {"version": "1.2.26"}}, None),
        ({"method": "subscription", "params": {"channel": "book.A-B.100ms", "data": {}}}, None),
    ],
)
def test_what_deribit_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert DERIBIT.read(json.dumps({"jsonrpc": "2.0", **frame}).encode()) == reply


def test_deribit_is_asked_for_a_heartbeat_and_answered_when_it_asks() -> None:
    (first,) = DERIBIT.opening
    assert json.loads(first)["method"] == "public/set_heartbeat"
    reply = DERIBIT.read(b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}')
    assert reply is not None
    assert json.loads(reply.answer or b"")["method"] == "public/test"


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_frame_can_upset_a_dialect_or_pass_for_an_acknowledgement(frame: bytes) -> None:
    for dialect in (BINANCE, BYBIT, KUCOIN, OKX, DERIBIT, MAX, DERIVE):
        for text in (frame, b'{"event":' + frame + b"}"):
            reply = dialect.read(text)
            assert reply is None or not reply.venue_ids
        found = dialect.book_id(frame)
        assert found is None or found.encode() in frame


def test_the_instrument_of_a_book_message_is_found_without_decoding_it() -> None:
    assert BINANCE.book_id(b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1}') == "BTCUSDT"
    assert OKX.book_id(b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot"}') == "BTC-USDT"
    book = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC_USDC-PERPETUAL.100ms","data":{}}}'
    assert DERIBIT.book_id(book) == "BTC_USDC-PERPETUAL"
    assert DERIVE.book_id(b'{"method":"subscription","params":{"channel":"orderbook.A-PERP.1.100"}}') == "A-PERP"
    assert MAX.book_id(b'{"c":"book","e":"update","M":"btctwd","a":[],"b":[]}') == "btctwd"
    assert BINANCE.book_id(b"{}") is None


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"success": True, "ret_msg": "subscribe", "conn_id": "a", "req_id": "5", "op": "subscribe"}, Reply(5)),
        ({"success": True, "ret_msg": "", "req_id": "6", "op": "unsubscribe"}, Reply(6, unsubscribed=True)),
        (
            {"success": False, "ret_msg": "error:handler not found", "req_id": "5", "op": "subscribe"},
            Reply(5, error="error:handler not found"),
        ),
        ({"success": True, "ret_msg": "pong", "conn_id": "a", "req_id": "", "op": "ping"}, None),
        ({"req_id": "", "op": "pong", "args": ["1675418560633"], "conn_id": "a"}, None),
        (
            {
                "success": True,
                "conn_id": "a",
                "data": {"failTopics": ["orderbook.100.X"], "successTopics": ["orderbook.100.BTC-26DEC25-1-C"]},
                "type": "COMMAND_RESP",
            },
            Reply(None, ("BTC-26DEC25-1-C",), whole=True),
        ),
    ],
)
def test_what_bybit_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert BYBIT.read(json.dumps(frame, separators=(",", ":")).encode()) == reply


def test_bybits_options_have_a_channel_of_another_depth() -> None:
    ids = ["BTCUSDT", "BTC-26DEC25-100000-C", "BTC-26DEC25-100000-P-USDT", "BTC-26DEC25"]
    assert json.loads(BYBIT.subscribe(3, ids)) == {
        "req_id": "3",
        "op": "subscribe",
        "args": [f"orderbook.{depth}.{one}" for one, depth in zip(ids, (200, 100, 100, 200), strict=True)],
    }
    assert BYBIT.book_id(b'{"topic":"orderbook.100.BTC-26DEC25-100000-C","type":"delta"}') == "BTC-26DEC25-100000-C"


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"id": "hQvf8jkno", "type": "welcome"}, Reply(welcome=True)),
        ({"id": "5", "type": "ack"}, Reply(5)),
        ({"id": "5", "type": "error", "code": 404, "data": "not found"}, Reply(5, error="404 not found")),
        ({"id": "5", "type": "error", "code": "429", "data": "slow"}, Reply(5, error="429 slow", transient=True)),
        ({"id": "1", "type": "pong", "timestamp": 1}, None),
        ({"id": "5", "type": "message", "topic": "/market/level2:BTC-USDT"}, None),
    ],
)
def test_what_kucoin_says(frame: dict[str, object], reply: Reply | None) -> None:
    assert KUCOIN.read(json.dumps(frame, separators=(",", ":")).encode()) == reply


def test_kucoin_is_asked_for_all_instruments_in_one_topic() -> None:
    assert json.loads(KUCOIN.subscribe(3, ["BTC-USDT", "ETH-USDT"])) == {
        "id": "3",
        "type": "subscribe",
        "topic": "/market/level2:BTC-USDT,ETH-USDT",
        "response": True,
    }
    assert json.loads(KUCOIN.unsubscribe(4, ["BTC-USDT"]))["type"] == "unsubscribe"
    assert KUCOIN.book_id(b'{"data":{},"topic":"/market/level2:BTC-USDT","type":"message"}') == "BTC-USDT"
    assert KUCOIN.book_id(b'{"topic":"/contractMarket/level2:XBTUSDTM","data":{}}') == "XBTUSDTM"
    assert KUCOIN.book_id(b'{"topic":"/market/ticker:BTC-USDT"}') is None
