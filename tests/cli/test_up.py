"""`xetrade up`: everything answers, and nothing of it outlives the supervisor, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import clean_environment
from xetrade_core.cli.up import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "xetrade_core.cli", "up", "--port", str(port), "--home", str(tmp_path / "home")],
            cwd=ROOT,
            env=clean_environment(XETRADE_LAKE=str(tmp_path / "lake"), XETRADE_SPOOL=str(tmp_path / "spool")),
            stdout=log,
            stderr=log,
        )
    try:
        assert answers(port, process), (tmp_path / "log").read_text()
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 5  # simulated venues, code server, daemon, web server, guardian
    finally:
        process.send_signal(number)
    process.wait(timeout=40)
    _, alive = psutil.wait_procs(family, timeout=40)
    assert not alive
    if number is signal.SIGINT:
        assert process.returncode == 0


def answers(port: int, process: subprocess.Popen[bytes], within_s: float = 90) -> bool:
    """Whether the web interface says that it is there, with our definitions loaded."""
    deadline = time.monotonic() + within_s
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.1)
    return False


def test_a_taken_port_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from xetrade_core.cli.main import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XETRADE_CONFIG", str(tmp_path / "none.toml"))
    (tmp_path / "none.toml").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["up", "--port", str(port), "--home", str(tmp_path)]) == 2
    assert (
        capfd.readouterr().err == f"error: --port = {port} is not valid: a free port: something listens there already\n"
    )
