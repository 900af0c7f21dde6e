"""A recording served as a live venue: byte for byte, at its pace, joinable at any moment, and true."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.simvenue.conftest import run
from tests.simvenue.listener import Listener
from tests.simvenue.test_truth import Replica
from tests.support.recordings import recording
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue import RecordingConfig, SimConfig, Simulation, VenueConfig
from xetrade_core.simvenue.admin import truth
from xetrade_core.simvenue.playback import read_lines

SECOND = 1_000_000_000


def depth(first: int, last: int, bids: list[list[str]]) -> bytes:
    event = {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": []}
    return msgspec.json.encode({"stream": "btcusdt@depth@100ms", "data": event})


LINES = [
    (0, depth(95, 99, [["90.00", "9.00000"]])),
    (1, depth(100, 103, [["100.00", "1.00000"]])),
    (2, b'{"lastUpdateId":105,"bids":[["99.00","2.00000"],["100.00","1.00000"]],"asks":[["101.00","3.00000"]]}'),
    (3, depth(104, 107, [["100.00", "5.00000"]])),
    (4, depth(108, 109, [["99.00", "0.00000"]])),
]


def write(path: Path, lines: list[tuple[int, bytes]]) -> Path:
    text = b"".join(b"%d %b\n" % (10**18 + at * SECOND, frame) for at, frame in lines)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def play(path: Path, venue: str = "binance", symbol: str = "BTC/USDT", **settings: Any) -> Simulation:
    source = RecordingConfig(path=str(path), **settings)
    return Simulation(SimConfig(venues={venue: VenueConfig(symbols=(symbol,), recording=source)}), 0, lambda: 0)


def snapshot(simulation: Simulation) -> dict[str, Any]:
    query = {"symbol": "BTCUSDT", "limit": "5000"}
    body: dict[str, Any] = msgspec.json.decode(
        simulation.place("binance").rest("GET", "/api/v3/depth", query, simulation.now_ns, 0).reply.body
    )
    return body


@pytest.mark.parametrize("name", ["small.txt", "small.gz"])
def test_frames_come_byte_for_byte_at_their_own_pace(tmp_path: Path, name: str) -> None:
    simulation = play(write(tmp_path / name, LINES))
    listener = Listener(simulation, "binance", "/stream", {"streams": "btcusdt@depth@100ms"})
    run(simulation, 1.5)
    assert listener.texts() == [LINES[0][1], LINES[1][1]]
    run(simulation, 2)
    assert listener.texts() == [LINES[3][1]]
    run(simulation, 2)
    assert listener.texts() == [LINES[4][1]]


def test_a_speed_of_ten_plays_ten_times_as_fast(tmp_path: Path) -> None:
    simulation = play(write(tmp_path / "small.txt", LINES), speed=10.0)
    listener = Listener(simulation, "binance", "/stream", {"streams": "btcusdt@depth@100ms"})
    run(simulation, 0.45)
    assert len(listener.texts()) == 4


def test_the_snapshot_call_is_the_recorded_one_until_the_stream_has_passed_it(tmp_path: Path) -> None:
    simulation = play(write(tmp_path / "small.txt", LINES))
    recorded = {"lastUpdateId": 105, "bids": [["100.00", "1.00000"], ["99.00", "2.00000"]]}
    at_start = snapshot(simulation)
    assert [float(price) for price, _ in at_start["bids"]] == [100.0, 99.0]
    assert at_start["lastUpdateId"] == recorded["lastUpdateId"]
    run(simulation, 3.5)
    later = snapshot(simulation)
    assert later["lastUpdateId"] == 107
    assert [(float(price), float(size)) for price, size in later["bids"]] == [(100.0, 5.0), (99.0, 2.0)]
    run(simulation, 1)
    book = truth(simulation.place("binance").venue.market("BTC/USDT"), 107, 10)
    assert book["bids"] == [[100.0, 5.0], [99.0, 2.0]]


def test_a_loop_ends_the_connections_and_starts_over(tmp_path: Path) -> None:
    simulation = play(write(tmp_path / "small.txt", LINES), loop=True)
    listener = Listener(simulation, "binance", "/stream", {"streams": "btcusdt@depth@100ms"})
    run(simulation, 4.2)
    assert listener.close_code == 1001
    assert snapshot(simulation)["lastUpdateId"] == 105
    again = Listener(simulation, "binance", "/stream", {"streams": "btcusdt@depth@100ms"})
    run(simulation, 3.5)
    assert LINES[3][1] in again.texts()


def test_a_control_line_names_the_symbol_of_the_snapshot_behind_it(tmp_path: Path) -> None:
    lines = [(0, b'{"xetrade":"rest","symbol":"ETH/USDT"}'), *LINES]
    with pytest.raises(ConfigError, match="has no snapshot of BTC/USDT"):
        play(write(tmp_path / "other.txt", lines))


@pytest.mark.parametrize("content", [None, b"not gzip"])
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gone.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read the recording .*gone\.gz"):
        play(path)


@pytest.mark.recordings
def test_the_recorded_spot_hour_is_served_whole_and_its_book_is_right_all_along() -> None:
    path = recording("binance-spot/btcusdt_20240808.gz")
    simulation = play(path, speed=40.0)
    market = simulation.place("binance").venue.market("BTC/USDT")
    listener = Listener(simulation, "binance", "/stream", {"streams": "btcusdt@depth@100ms/btcusdt@bookTicker"})
    run(simulation, 2)
    book = Replica()
    joined = snapshot(simulation)
    book.apply(joined["bids"], joined["asks"])
    sent = [
        frame for _, frame in read_lines(path) if frame.startswith((b'{"stream":"btcusdt@d', b'{"stream":"btcusdt@b'))
    ]
    run(simulation, 3)
    came = listener.texts()
    assert came == sent[: len(came)]
    assert len(came) > 1000
    datas = [msgspec.json.decode(frame)["data"] for frame in came]
    tickers = [data for data in datas if data.get("e") != "depthUpdate"]
    checked = 0
    for data in datas:
        if data.get("e") == "depthUpdate" and data["u"] > joined["lastUpdateId"]:
            book.apply(data["b"], data["a"])
            top = truth(market, data["u"], 100)
            assert book.top(100) == {side: top[side] for side in ("bids", "asks")}
            # The recording's own oracle: the newest book ticker up to that id is the best bid and ask.
            best = [ticker for ticker in tickers if ticker["u"] <= data["u"]][-1]
            assert book.top(1) == {
                "bids": [[float(best["b"]), float(best["B"])]],
                "asks": [[float(best["a"]), float(best["A"])]],
            }
            checked += 1
    assert checked > 300


@pytest.mark.recordings
def test_recorded_okx_books_greet_newcomers_with_the_book_and_its_checksum() -> None:
    simulation = play(recording("okx/OKX.ws.1.0.gz"), venue="okx")
    run(simulation, 4)
    listener = Listener(simulation, "okx")
    listener.subscribe("BTC/USDT", "books")
    run(simulation, 3)
    first, *rest = listener.messages()
    assert first["action"] == "snapshot"
    assert first["data"][0]["checksum"] != 0
    assert len(rest) > 5
    book = Replica()
    for message in (first, *rest):
        book.apply(message["data"][0]["bids"], message["data"][0]["asks"])
    now = truth(simulation.place("okx").venue.market("BTC/USDT"), None, 100)
    assert book.top(100) == {"bids": now["bids"], "asks": now["asks"]}


@pytest.mark.recordings
def test_recorded_deribit_books_are_served_byte_for_byte_and_greet_newcomers_with_the_book() -> None:
    path, symbol = recording("deribit/DERIBIT.ws.1.0.gz"), "BTC/USD:BTC-210924-8000-P"
    simulation = play(path, venue="deribit", symbol=symbol)
    channel = b"book.BTC-24SEP21-8000-P.raw"
    changes = [frame for _, frame in read_lines(path) if b'"channel":"%b"' % channel in frame and b'"change"' in frame]
    listeners = []
    for wait_s in (0.5, 10.0):
        run(simulation, wait_s)
        listener = Listener(simulation, "deribit")
        params = {"channels": [channel.decode()]}
        listener.say({"jsonrpc": "2.0", "id": 1, "method": "public/subscribe", "params": params})
        listener.frames.clear()
        listeners.append(listener)
    run(simulation, 20)
    assert len(changes) > 25
    for listener in listeners:
        first, *sent = listener.texts()
        assert sent == changes[len(changes) - len(sent) :]
        book, at = Replica(), None
        for message in map(msgspec.json.decode, (first, *sent)):
            data = message["params"]["data"]
            assert data.get("prev_change_id") == at
            at = data["change_id"]
            book.apply([row[1:] for row in data["bids"]], [row[1:] for row in data["asks"]])
        now = truth(simulation.place("deribit").venue.market(symbol), None, 100)
        assert book.top(100) == {"bids": now["bids"], "asks": now["asks"]}
