"""What the webhook answered decides whether somebody has an alarm; nothing it does stops who tells it."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from xetrade_core.telemetry import configure_logging
from xetrade_core.webhook import Webhook

BODY = {"alarm": "disk_full", "message": "free some space", "facts": {}}
TOKEN = "T0KEN-of-the-hook"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Answers:
    """A server on loopback that answers each request with the next of these, and keeps what it was sent."""

    def __init__(self, *answers: bytes) -> None:
        self.left = list(answers)
        self.got: list[bytes] = []
        self.hold = threading.Event()  # an answer that is b"" is begun, and goes on once this is set


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.rfile.read(1)
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            answers.got.append(head + self.rfile.read(int(length.partition(b":")[2])))
            answer = answers.left.pop(0) if answers.left else OK
            if not answer:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not answers.hold.wait(0.02):
                    self.wfile.write(b".")
                answer = b"\r\n\r\n"
            self.wfile.write(answer)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{TOKEN}"
    finally:
        answers.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _logged() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("info", "json")
    yield
    root.handlers[:], root.level = before


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_an_answer_that_leads_elsewhere_is_not_taken_for_the_webhooks(
    code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A POST that follows it becomes a GET, whose 200 (a page to log in, say) is nobody's alarm."""
    answers = Answers(f"HTTP/1.1 {code} Moved\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n".encode())
    with serving(answers) as url:
        assert not Webhook(SecretStr(url)).deliver(BODY)
    assert len(answers.got) == 1
    assert f"it answered {code}, which is elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize("code", [400, 413, 429, 500, 503])
def test_a_refusal_is_told_apart_by_its_code(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Answers(f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n".encode())) as url:
        assert not Webhook(SecretStr(url)).deliver(BODY)
        assert f"it answered {code}" in capsys.readouterr().err
        assert Webhook(SecretStr(url)).deliver(BODY)


def test_an_answer_that_is_no_http_is_no_error_of_the_teller(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Answers(b"SSH-2.0-OpenSSH_9.6\r\n")) as url:
        assert not Webhook(SecretStr(url)).deliver(BODY)
    assert "BadStatusLine" in capsys.readouterr().err


def test_an_answer_that_never_ends_is_waited_for_no_longer_than_one_that_does_not_begin(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every byte of it came in time; a tick of Dagster would have ended before it, and told all alerts again."""
    answers, delivered = Answers(b""), list[bool]()
    with serving(answers) as url:
        hook = Webhook(SecretStr(url), timeout_s=0.3)
        telling = threading.Thread(target=lambda: delivered.append(hook.deliver(BODY)), daemon=True)
        telling.start()
        telling.join(20)
        assert delivered == [False]
    assert "no answer within 0.3 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:port/{TOKEN}", f"http://127.0.0.1/a b/{TOKEN}", f"hooks.example/{TOKEN}", f"x:{TOKEN}"]
)
def test_a_url_that_cannot_be_called_is_in_no_log_not_even_in_part(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not Webhook(SecretStr(url), timeout_s=5).deliver(BODY)
    shown = capsys.readouterr().err
    assert "alarm not delivered" in shown
    assert TOKEN not in shown


def test_what_a_service_would_refuse_for_its_form_is_made_to_fit() -> None:
    body: dict[str, Any] = {
        "alarm": "new_listing",
        "message": "m" * 50_000,
        "facts": {"share": float("nan"), "symbols": [f"C{number}/USDT" for number in range(3_000)], "lone": "\ud800"},
    }
    answers = Answers()
    with serving(answers) as url:
        assert Webhook(SecretStr(url)).deliver(body)
    posted = json.loads(answers.got[0].partition(b"\r\n\r\n")[2], parse_constant=pytest.fail)
    assert len(posted["text"]) < 2_000
    assert posted["message"].endswith("m…")
    assert posted["facts"]["share"] == "nan"
    assert (len(posted["facts"]["symbols"]), posted["facts"]["symbols"][-1]) == (101, "and 2900 more")
