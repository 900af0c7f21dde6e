"""Logs without secrets, metrics in one place, alarms that reach someone."""

from __future__ import annotations

import http.server
import json
import logging
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from xetrade_core.telemetry import (
    METRICS,
    Metrics,
    add_alarm_sink,
    alarm,
    configure_logging,
    get_logger,
    redact,
    serve_metrics,
)
from xetrade_core.webhook import Webhook

CANARY = "canary-77ab"


@pytest.fixture(params=["console", "json"])
def style(request: pytest.FixtureRequest) -> Iterator[Any]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield request.param
    root.handlers[:], root.level = before


def test_no_secret_reaches_a_log_line(style: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", style, [CANARY])
    log = get_logger("test")
    log.info(f"in the message {CANARY}", nested={"deep": [f"x{CANARY}x"]}, secret_access_key="by-its-name")
    log.info("typed", anything=SecretStr("by-its-type"), raw=CANARY.encode())
    logging.getLogger("botocore").warning("from a library: %s", CANARY)
    try:
        raise ValueError(f"in a traceback {CANARY}")
    except ValueError:
        log.exception("failed")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "in the message (secret)" in shown.err
    assert "ValueError: in a traceback (secret)" in shown.err
    for secret in (CANARY, "by-its-name", "by-its-type"):
        assert secret not in shown.err


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging("info", "json")
        get_logger("capture").info("segment sealed", rows=120)
    finally:
        root.handlers[:], root.level = before
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "segment sealed"
    assert line["rows"] == 120
    assert line["logger"] == "xetrade.capture"
    assert line["timestamp"].endswith("Z")


def test_redaction_keeps_what_is_no_secret() -> None:
    assert redact({"symbol": "BTC/USDT", "levels": (1, 2.5, None), "budget_tokens": 3}) == {
        "symbol": "BTC/USDT",
        "levels": [1, 2.5, None],
        "budget_tokens": 3,
    }


def test_an_alarm_is_logged_counted_and_delivered_even_if_one_sink_fails() -> None:
    got: list[dict[str, Any]] = []

    def broken(_body: dict[str, Any]) -> None:
        raise OSError("no network")

    removals = [add_alarm_sink(broken), add_alarm_sink(got.append)]
    count = METRICS.alarms.labels("disk_full")._value.get()
    try:
        alarm("disk_full", "the spool's disk is full: free some space", path="/data", token=CANARY)
    finally:
        for remove in removals:
            remove()
    assert METRICS.alarms.labels("disk_full")._value.get() == count + 1
    assert got == [
        {
            "alarm": "disk_full",
            "message": "the spool's disk is full: free some space",
            "facts": {"path": "/data", "token": "(secret)"},
        }
    ]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """A webhook on loopback: its URL, the bodies it got, and the codes it will answer with (200 when empty)."""
    bodies: list[dict[str, Any]] = []
    answers: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answers.pop(0) if answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{CANARY}", bodies, answers
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_webhook_posts_one_json_object(receiver: tuple[str, list[dict[str, Any]], list[int]]) -> None:
    url, bodies, _ = receiver
    assert Webhook(SecretStr(url)).deliver({"alarm": "run_failed", "message": "look at it", "facts": {"run": "1"}})
    assert bodies == [
        {
            "text": "XETrade run_failed: look at it",
            "alarm": "run_failed",
            "message": "look at it",
            "facts": {"run": "1"},
        }
    ]


def test_a_webhook_that_refuses_or_is_not_there_says_so_without_its_url(
    receiver: tuple[str, list[dict[str, Any]], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _, answers = receiver
    answers.append(500)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging("info", "json")
        body = {"alarm": "x", "message": "y", "facts": {}}
        assert not Webhook(SecretStr(url)).deliver(body)
        assert not Webhook(SecretStr(f"http://127.0.0.1:1/{CANARY}"), timeout_s=1).deliver(body)
        assert not Webhook(SecretStr(CANARY), timeout_s=1).deliver(body)
    finally:
        root.handlers[:], root.level = before
    shown = capsys.readouterr().err
    assert shown.count("alarm not delivered") == 3
    assert CANARY not in shown


def test_metrics_are_served_and_named_in_one_place() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.gaps.labels("binance", "BTC/USDT", "sequence").set(1)
    port, stop = serve_metrics(0, metrics=metrics)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        stop()
    assert 'xetrade_book_gaps{cause="sequence",symbol="BTC/USDT",venue="binance"} 1.0' in text
    assert all(line.startswith(("#", "xetrade_")) for line in text.splitlines())
