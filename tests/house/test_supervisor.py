"""The supervisor of `make up`: everything starts in order, comes back when it dies, and nothing survives it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from xetrade_core.supervisor import Child, ChildFailed, Patience, Supervisor

QUICK = Patience(first_backoff_s=0.05, last_backoff_s=0.2, grace_s=3.0, poll_s=0.02)
#: a child with a grandchild in a session of its own, which writes both pids to a file
FAMILY = textwrap.dedent("""
    import pathlib, subprocess, sys, time, os
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    path = pathlib.Path(sys.argv[1])
    path.with_suffix(".new").write_text(f"{os.getpid()} {grandchild.pid}")
    path.with_suffix(".new").rename(path)
    print("family complete", flush=True)
    time.sleep(300)
""")


def until(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def supervised(tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervisor in a process of its own over two families, all of them up; and the pids of the four members."""
    script = tmp_path / "supervise.py"
    script.write_text(
        textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        from xetrade_core.supervisor import Child, Patience, Supervisor
        files = [Path({str(tmp_path)!r}) / name for name in ("a", "b")]
        children = [
            Child(file.name, [sys.executable, "-c", {FAMILY!r}, str(file)], healthy=file.exists) for file in files
        ]
        tell = lambda name, line: print(name, line, flush=True)
        asyncio.run(Supervisor(children, tell, Patience(grace_s=3.0, poll_s=0.02)).run())
        """)
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
    pids = [int(pid) for name in ("a", "b") for pid in (tmp_path / name).read_text().split()]
    assert all(map(alive, pids))
    return process, pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_child_and_grandchild(
    supervised: tuple[subprocess.Popen[str], list[int]], number: signal.Signals
) -> None:
    process, pids = supervised
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert not any(map(alive, pids))
    assert "a family complete" in output


def test_a_killed_supervisor_leaves_no_orphan(supervised: tuple[subprocess.Popen[str], list[int]]) -> None:
    process, pids = supervised
    process.kill()
    process.communicate(timeout=10)
    assert until(lambda: not any(map(alive, pids)))


def test_what_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = f"""if True:
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(300)
    """
    child = Child("stubborn", [sys.executable, "-c", stubborn], healthy=ready.exists)
    supervisor = Supervisor([child], lambda _name, _line: None, Patience(grace_s=0.3, poll_s=0.02))

    async def run() -> float:
        task = asyncio.create_task(supervisor.run())
        while not ready.exists():
            await asyncio.sleep(0.02)
        began = time.monotonic()
        supervisor.stop()
        await task
        return time.monotonic() - began

    assert 0.3 <= asyncio.run(run()) < 5


async def test_a_child_that_dies_starts_again_with_a_growing_pause() -> None:
    told: list[str] = []
    supervisor = Supervisor([Child("mortal", [sys.executable, "-c", "raise SystemExit(3)"])], _collect(told), QUICK)
    task = asyncio.create_task(supervisor.run())
    while sum("exit code 3" in line for line in told) < 3:
        await asyncio.sleep(0.02)
    supervisor.stop()
    await task
    pauses = [line.rsplit(" in ", 1)[1] for line in told if "exit code 3" in line]
    assert pauses[:3] == ["0.05 s", "0.1 s", "0.2 s"]


async def test_children_start_in_order_of_health(tmp_path: Path) -> None:
    """The second child begins only when the first one answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = f"import socket, time; time.sleep(0.3); s = socket.create_server(('127.0.0.1', {port})); time.sleep(300)"
    client = f"""if True:
        import socket, time
        socket.create_connection(('127.0.0.1', {port}))
        print('connected', flush=True)
        time.sleep(300)
    """
    told: list[str] = []

    def listening() -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", port)) == 0

    children = [
        Child("server", [sys.executable, "-c", server], healthy=listening),
        Child("client", [sys.executable, "-c", client]),
    ]
    supervisor = Supervisor(children, _collect(told), QUICK)
    task = asyncio.create_task(supervisor.run())
    while "client: connected" not in told:
        await asyncio.sleep(0.02)
    supervisor.stop()
    await task
    assert told.index("server: healthy") < told.index("client: connected")


async def test_a_child_that_is_never_healthy_ends_all_with_one_line() -> None:
    sleeper = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(300)"])
    silent = Child(
        "silent", [sys.executable, "-c", "import time; time.sleep(300)"], healthy=lambda: False, healthy_within_s=0.3
    )
    with pytest.raises(ChildFailed, match=r"silent was not healthy within 0\.3 s"):
        await Supervisor([sleeper, silent], lambda _name, _line: None, QUICK).run()
    assert not [
        process
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if "sleep(300)" in " ".join(process.cmdline())
    ]


async def test_a_program_that_does_not_exist_is_one_line() -> None:
    with pytest.raises(ChildFailed, match="ghost cannot be started"):
        await Supervisor([Child("ghost", ["/no/such/program"])], lambda _name, _line: None, QUICK).run()


def _collect(lines: list[str]) -> Callable[[str, str], None]:
    return lambda name, line: lines.append(f"{name}: {line}")
