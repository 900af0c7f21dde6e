"""A proxy that spoils HTTP on purpose, between a client under test and a real server. Thread-based, so sync tests can
use it.

`with FaultProxy(server.endpoint) as proxy:` then `proxy.fail(Mode.SLOW_DOWN, times=2)` spoils the next two requests,
`proxy.fail(Mode.REFUSE)` all of them until `proxy.pass_through()`, `proxy.fail(Mode.LOSE_RESPONSE, methods=("PUT",))`
only puts.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

HEAD_LIMIT = 1 << 16


class Mode(StrEnum):
    """What happens to a request."""

    PASS = "pass"
    REFUSE = "refuse"  # nothing listens: connection refused
    ERROR_500 = "error_500"
    SLOW_DOWN = "slow_down"  # 503 with the S3 code SlowDown
    LATENCY = "latency"  # passes, each answer `delay_s` late
    RESET_REQUEST = "reset_request"  # TCP reset when half of the request's body was read; the server sees nothing
    LOSE_RESPONSE = "lose_response"  # the server does the work, then the client gets a TCP reset instead of the answer
    RESET_RESPONSE = "reset_response"  # TCP reset in the middle of the answer's body
    BLACKHOLE = "blackhole"  # accepts and never answers, until the mode changes


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    length: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(slots=True)
class _Fault:
    mode: Mode = Mode.PASS
    times: int | None = None
    methods: Sequence[str] | None = None
    delay_s: float = 0.0
    changed: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """Listens on an ephemeral loopback port and forwards to `upstream` (an http URL); `url` is its own."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._lock = threading.Lock()
        self._fault = _Fault()
        self._listener: socket.socket | None = None
        self._closing = False
        self.port = 0
        self.requests: list[tuple[str, str, Mode]] = []  # method, path, what was done to it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        self._listen()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        self._fault.changed.set()
        self._stop_listening()

    def fail(
        self, mode: Mode, *, times: int | None = None, methods: Sequence[str] | None = None, delay_s: float = 0.0
    ) -> None:
        """Do `mode` to the next `times` requests (None: to all) whose method is in `methods` (None: any)."""
        with self._lock:
            previous, self._fault = self._fault, _Fault(mode, times, methods, delay_s)
        previous.changed.set()
        if mode is Mode.REFUSE:
            self._stop_listening()
        elif self._listener is None:
            self._listen()

    def pass_through(self) -> None:
        """Behave again."""
        self.fail(Mode.PASS)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _take_fault(self, method: str) -> _Fault:
        with self._lock:
            fault = self._fault
            if fault.methods is not None and method not in fault.methods:
                return _Fault()
            if fault.times is not None:
                if fault.times == 0:
                    return _Fault()
                fault.times -= 1
            return fault

    def _serve(self, client: socket.socket) -> None:
        # The buffered file is closed too: a socket ends only when nothing holds it.
        with contextlib.suppress(OSError, http.client.HTTPException), client, client.makefile("rb") as buffered:
            while not self._closing and (request := _read_head(buffered)) is not None:
                fault = self._take_fault(request.method)
                mode = Mode.PASS if fault.mode is Mode.REFUSE and self._listener is not None else fault.mode
                self.requests.append((request.method, request.target, mode))
                if not self._handle(client, buffered, request, mode, fault):
                    return

    def _handle(
        self, client: socket.socket, buffered: io.BufferedReader, request: _Request, mode: Mode, fault: _Fault
    ) -> bool:
        """Answer one request; False when the connection is over."""
        if mode is Mode.BLACKHOLE:
            fault.changed.wait()
        if mode in (Mode.BLACKHOLE, Mode.REFUSE):
            _reset(client)
            return False
        if (request.header("expect") or "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if mode is Mode.RESET_REQUEST:
            buffered.read(request.length // 2)
            _reset(client)
            return False
        body = buffered.read(request.length)
        if mode is Mode.ERROR_500:
            client.sendall(_error(500, "InternalError", "injected by the test"))
            return True
        if mode is Mode.SLOW_DOWN:
            client.sendall(_error(503, "SlowDown", "Please reduce your request rate."))
            return True
        head, answer = self._forward(request, body)
        if mode is Mode.LATENCY:
            time.sleep(fault.delay_s)
        if mode is Mode.LOSE_RESPONSE:
            _reset(client)
            return False
        if mode is Mode.RESET_RESPONSE:
            client.sendall(head + answer[: len(answer) // 2])
            time.sleep(0.02)  # let the client read the first half; a reset discards what it has not read yet
            _reset(client)
            return False
        client.sendall(head + answer)
        return True

    def _forward(self, request: _Request, body: bytes) -> tuple[bytes, bytes]:
        """The upstream's answer: head and body. The client's Host header is kept: it is part of the S3 signature."""
        connection = http.client.HTTPConnection(*self._upstream, timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for key, value in request.headers:
                if key.lower() not in ("expect", "connection"):
                    connection.putheader(key, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            lines = [f"HTTP/1.1 {response.status} {response.reason}"]
            dropped = {"transfer-encoding", "connection"} | (set() if request.method == "HEAD" else {"content-length"})
            lines += [f"{key}: {value}" for key, value in response.getheaders() if key.lower() not in dropped]
            if request.method != "HEAD":
                lines.append(f"Content-Length: {len(content)}")
            return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), content
        finally:
            connection.close()


def _read_head(buffered: io.BufferedReader) -> _Request | None:
    """The request line and headers; None at the end of the connection."""
    first = buffered.readline(HEAD_LIMIT)
    if not first.strip():
        return None
    method, target, _ = first.decode("latin-1").split(" ", 2)
    headers = list(_header_lines(buffered))
    length = next((int(value) for key, value in headers if key.lower() == "content-length"), 0)
    return _Request(method, target, headers, length)


def _header_lines(buffered: io.BufferedReader) -> Iterator[tuple[str, str]]:
    while line := buffered.readline(HEAD_LIMIT).decode("latin-1").rstrip("\r\n"):
        key, _, value = line.partition(":")
        yield key, value.strip()


def _error(status: int, code: str, message: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _reset(client: socket.socket) -> None:
    """Make the coming close a TCP reset instead of an orderly end: linger on, zero seconds."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
