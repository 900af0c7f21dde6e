"""Recording from the command line: start, watch, stop; what is wrong is one line; no secret gets out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, clean_environment
from tests.support.sim import sim_process

Run = Callable[..., Ran]
PROGRAM = [sys.executable, "-m", "xetrade_core.cli"]
CANARY = "canary-9d31c4"


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`xetrade sim` with two venues; the variables that point at them, as it prints them."""
    command = [*PROGRAM, "sim", "--venues", "binance,okx", "--symbols", "2", "--json"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path_factory.mktemp("sim"),
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())
    yield started["environment"]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "simulated venues ended" in said


def start(directory: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """A recording in the background, and its first heartbeat."""
    process = subprocess.Popen(
        [*PROGRAM, "capture", "start", *arguments],
        cwd=directory,
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        told = list((directory / "data/spool").glob("*/session.json"))
        if told and any(book["synced"] for book in json.loads(told[0].read_text())["symbols"]):
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())


@pytest.mark.slow
def test_a_recording_becomes_a_complete_hour(xetrade: Run, answer: Run, venues: dict[str, str]) -> None:
    """capture start, compact, quality, l2 --at, lake ls, lake query: one tour, all in JSON."""
    asked = ("--venues", "binance,okx", "--pairs", "BTC-USDT,ETHUSDT", "--duration", "3s", "--interval", "500ms")
    report = xetrade("capture", "start", *asked, "--depth", "20", "--json", **venues).json
    assert report["state"] == "finished"
    assert report["left_in_spool"] == 0
    assert {(book["venue"], book["symbol"]) for book in report["symbols"]} == {
        (venue, symbol) for venue in ("binance", "okx") for symbol in ("BTC/USDT", "ETH/USDT")
    }
    assert all(book["expected"] == book["captured"] == 6 for book in report["symbols"])
    assert xetrade("compact", "--interval", "500ms", "--check", "--json").json["complete"] is True
    quality = answer("quality", "--venue", "binance", "--symbol", "BTC-USDT", "--json").json
    assert quality["complete"] is True
    assert sum(record["expected"] for record in quality["records"]) == 6
    rows = answer(
        "lake",
        "query",
        "SELECT timestamp, len(bid_price) AS levels FROM l2_snapshots WHERE synced ORDER BY 1",
        "--json",
    ).json
    assert len(rows) == sum(book["synced"] for book in report["symbols"])
    assert {row["levels"] for row in rows} == {20}
    book = answer(
        "l2", "--venue", "okx", "--pair", "BTCUSDT", "--at", rows[-1]["timestamp"], "--depth", 5, "--json"
    ).json
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < book["asks"][0][0]
    held = answer("lake", "ls", "--json").json["holdings"]
    assert sum(one["rows"] for one in held if one["dataset"] == "l2_snapshots") == 24


@pytest.mark.slow
def test_the_same_is_readable_without_json(xetrade: Run, answer: Run, venues: dict[str, str]) -> None:
    shown = xetrade("capture", "start", "--venues", "binance", "--pairs", "BTC/USDT", "--duration", "2", **venues)
    assert shown.code == 0, shown.err
    assert "BTC/USDT" in shown.out
    assert "the window is over" in shown.out
    for command in (("compact",), ("quality",), ("lake", "ls"), ("capture", "status")):
        ran = answer(*command)
        assert ran.code == 0, ran.err
        assert "binance" in ran.out or "finished" in ran.out
    # on a busy machine, two seconds may be a gap as a whole
    seen = "SELECT exchange, symbol FROM l2_snapshots UNION SELECT exchange, symbol FROM l2_gaps"
    csv = answer("lake", "query", seen, "--csv")
    assert csv.out == "exchange,symbol\nbinance,BTC/USDT\n"


@pytest.mark.slow
def test_status_watches_and_stop_seals_and_uploads(
    xetrade: Run, answer: Run, venues: dict[str, str], tmp_path: Path
) -> None:
    process = start(tmp_path, "--venues", "binance", "--pairs", "BTC-USDT", "--session-id", "mine", "--json", **venues)
    [running] = answer("capture", "status", "--json").json["sessions"]
    assert (running["session_id"], running["state"], running["alive"]) == ("mine", "running", True)
    assert answer("capture-status", "--session-id", "mi", "--json").json["pid"] == process.pid
    stopped = xetrade("stop-capture", "--session-id", "mine", "--json").json
    assert stopped["state"] == "finished"
    assert stopped["spool_files"] == 0
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert json.loads(out)["left_in_spool"] == 0
    again = answer("capture", "stop", "--session-id", "mine")
    assert again.code == 2
    assert "session mine does not run: it is finished" in again.error
    assert "no session 'yours'" in answer("capture", "stop", "--session-id", "yours").error


@pytest.mark.slow
def test_where_nothing_was_recorded_status_says_so_and_what_to_do(xetrade: Run) -> None:
    assert xetrade("capture", "status").out == "no recordings in data/spool: `xetrade capture start` makes one\n"
    assert xetrade("capture", "status", "--json").json == {"sessions": []}


def test_a_killed_recording_is_named_and_recovered(
    xetrade: Run, answer: Run, venues: dict[str, str], tmp_path: Path
) -> None:
    process = start(tmp_path, "--venues", "binance", "--pairs", "BTC-USDT", "--session-id", "dead", **venues)
    process.kill()
    process.communicate()
    assert "xetrade recover" in answer("capture", "status").out
    recovered = xetrade("recover", "--json").json["recovered"]
    assert [(one["session_id"], one["left"]) for one in recovered] == [("dead", 0)]
    assert recovered[0]["rows"] >= 1
    assert answer("compact", "--check").code == 0


def test_what_the_lake_did_not_take_is_left_for_recover_and_exit_code_1(
    answer: Run, venues: dict[str, str], tmp_path: Path
) -> None:
    """The S3 is away: a second signal waits no longer; the lake that is back gets all of it."""
    away = {"XETRADE_LAKE": "s3://bucket/lake", "XETRADE_S3__ENDPOINT_URL": "http://127.0.0.1:1"}
    keys = {"XETRADE_S3__ACCESS_KEY_ID": "some-key", "XETRADE_S3__SECRET_ACCESS_KEY": "some-secret"}
    process = start(tmp_path, "--venues", "binance", "--pairs", "BTC-USDT", "--json", **venues, **away, **keys)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "stopping: " not in (line := process.stderr.readline()):
        assert line, "it ended before it was told twice"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert json.loads(out)["left_in_spool"] >= 1
    assert "Traceback" not in said
    recovered = answer("recover", "--json").json["recovered"]
    assert [one["left"] for one in recovered] == [0]
    assert answer("compact", "--check").code == 0


def test_a_universal_pair_is_the_swap_where_there_is_no_spot(xetrade: Run) -> None:
    asked = ("--sim", "--venues", "binanceusdm", "--pairs", "BTC/USDT", "--duration", "1s", "--json")
    assert [book["symbol"] for book in xetrade("capture", "start", *asked).json["symbols"]] == ["BTC/USDT:USDT"]


def test_venues_that_lack_a_pair_are_named_and_left_out_where_that_is_asked(xetrade: Run, answer: Run) -> None:
    scenario = '[venues.binance]\nsymbols = ["BTC/USDT"]\n[venues.okx]\nsymbols = ["BTC/USDT:USDT"]\n'
    with sim_process(scenario) as sim:
        at = {f"XETRADE_VENUES__{venue.upper()}__REST_URL": sim.url(venue).rest for venue in sim.venues}
        at |= {f"XETRADE_VENUES__{venue.upper()}__WS_URL": sim.url(venue).ws for venue in sim.venues}
        asked = (
            "capture",
            "start",
            "--venues",
            "binance,okx",
            "--pairs",
            "BTC-USDT-SWAP",
            "--duration",
            "1s",
            "--json",
        )
        refused = answer(*asked, **at)
        assert refused.code == 2
        assert "'BTC-USDT-SWAP' on binance" in refused.error
        assert refused.error.endswith("leave them out, or record okx alone with --where-listed")
        recorded = xetrade(*asked, "--where-listed", **at)
    assert [(book["venue"], book["symbol"]) for book in recorded.json["symbols"]] == [("okx", "BTC/USDT:USDT")]
    assert "binance left out: unknown symbol 'BTC-USDT-SWAP' on binance" in recorded.err


@pytest.mark.slow
def test_the_earlier_spellings_do_the_same(xetrade: Run, answer: Run) -> None:
    """`mock` is a simulated venue; the duration is in minutes; the session can be named as it was."""
    ran = xetrade(
        "start-capture", "--venue", "mock", "--pairs", "BTC-USDT,ETH-USDT", "--interval", "1.0", "--duration", "0.05",
        "--storage", "local", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert [book["expected"] for book in ran.json["symbols"]] == [3, 3]
    status = answer("capture-status", "--session-id", "mock_BTC-USDT_ETH-USDT", "--json").json
    assert status["state"] == "finished"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("capture", "start"), "nothing to record"),
        (("capture", "start", "--venues", "nasdaq", "--pairs", "BTC-USDT"), "unknown venue 'nasdaq'"),
        (("capture", "start", "--venues", "binance", "--pairs", "BTC-USDX"), "unknown symbol 'BTC-USDX' on binance"),
        (
            ("capture", "start", "--venues", "binance,okx", "--pairs", "BTC-USDT-SWAP"),
            "what is to be recorded: unknown symbol 'BTC-USDT-SWAP' on binance",
        ),
        (
            ("capture", "start", "--venues", "binance,okx", "--pairs", "BTC-NOPE", "--where-listed"),
            "on okx: did you mean BTC/USDT?; name pairs that they list",
        ),
        (("capture", "start", "--venues", "okx", "--pairs", "BTC-USDT", "--interval", "often"), "--interval = 'often'"),
        (("capture", "start", "--venues", "okx", "--pairs", "BTC-USDT", "--interval", "0"), "more than zero"),
        (("capture", "start", "--venues", "okx", "--pairs", "BTC-USDT", "--duration", "5 parsecs"), "30s, 5m, 1h"),
        (("capture", "start", "--venues", "okx", "--pairs", "BTC-USDT", "--lake", "gs://x"), "s3://bucket/prefix"),
        (("start-capture", "--venue", "okx", "--pairs", "BTC-USDT", "--storage", "s3"), "set XETRADE_LAKE"),
        (("capture", "stop"), "none run in"),
        (("l2", "--venue", "okx", "--pair", "BTC-NOPE"), "unknown symbol"),
        (("l2", "--venue", "okx", "--pair", "BTC-USDT", "--at", "noon"), "--at = 'noon'"),
        (("l2", "--venue", "okx", "--pair", "BTC-USDT", "--at", "2026-01-01"), "the lake has nothing of this venue"),
        (("quality", "--hour", "2026-01-01T00", "--from", "2026-01-01"), "exclude each other"),
        (("lake", "query", "SELEC 1"), "SQL: Parser Error"),
        (("replay", "nothing.gz", "--venue", "okx"), "nothing.gz"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line(answer: Run, venues: dict[str, str], arguments: tuple[str, ...], says: str) -> None:
    ran = answer(*arguments, **venues)
    assert ran.code == 2
    assert says in ran.error
    assert ran.out == ""


@pytest.mark.parametrize("option", ["--lake", "--spool"])
def test_what_cannot_be_written_is_one_line(answer: Run, venues: dict[str, str], tmp_path: Path, option: str) -> None:
    (tmp_path / "file").write_text("in the way")
    asked = ("--venues", "binance", "--pairs", "BTC-USDT", "--duration", "1s")
    ran = answer("capture", "start", *asked, option, tmp_path / "file" / "below", **venues)
    assert ran.code == 2
    assert "file" in ran.error


@pytest.mark.slow
def test_no_secret_is_in_any_output_log_or_file(xetrade: Run, venues: dict[str, str], tmp_path: Path) -> None:
    secrets = {
        "XETRADE_S3__ACCESS_KEY_ID": f"{CANARY}-id",
        "XETRADE_S3__SECRET_ACCESS_KEY": CANARY,
        "XETRADE_ALERTS__WEBHOOK_URL": f"http://127.0.0.1:1/{CANARY}",
        "XETRADE_LOG__LEVEL": "debug",
    }
    asked = ("--venues", "binance", "--pairs", "BTC-USDT", "--duration", "1s", "--debug", "--raw")
    shown = [
        xetrade("capture", "start", *asked, **venues, **secrets),
        xetrade("capture", "status", "--json", **secrets),
        xetrade("doctor", "--json", **venues, **secrets),
        xetrade("lake", "ls", "--debug", **secrets),
        xetrade("compact", **secrets),
        xetrade("compact", **secrets, XETRADE_S3__REGIN="x"),
    ]
    assert shown[0].code == 0, shown[0].err
    assert not [ran for ran in shown if CANARY in ran.out + ran.err]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"session.json", ".zst", ".parquet"} <= {path.name for path in files} | {path.suffix for path in files}
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


def test_a_reader_that_leaves_early_is_no_error(venues: dict[str, str], tmp_path: Path) -> None:
    program = f"{sys.executable} -m xetrade_core.cli"
    command = f"{program} lake query 'SELECT range FROM range(200000)' --csv"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("range\n", "", 0)
