"""How the command line is run in tests: a process of its own, in an empty directory, no settings but those given."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog


@dataclass(frozen=True)
class Ran:
    """One finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which with `--json` is one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one error line; fails where there is another line, or a traceback."""
        lines = self.err.strip().splitlines()
        assert "Traceback" not in self.err
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        return lines[0]


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of ours or of AWS, plus `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("XETRADE_", "AWS_"))}
    return {**kept, "COLUMNS": "160", **variables}


@pytest.fixture
def xetrade(tmp_path: Path) -> Callable[..., Ran]:
    """Run `xetrade ARGUMENTS...` with these variables set and wait for it."""

    def run(*arguments: object, timeout_s: float = 60, **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "xetrade_core.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=clean_environment(**variables),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ran]]:
    """As `xetrade`, within this process: for commands that only answer, where a process each would take the time."""
    from xetrade_core.cli.main import main

    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")  # workers of the test suite have a width of their own
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, **variables: str) -> Ran:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as here:
            for name, value in variables.items():
                here.setenv(name, value)
            code = main([*map(str, arguments)])
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    yield run
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
