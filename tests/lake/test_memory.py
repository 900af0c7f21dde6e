"""Freed memory stays with the process for a while, where that can still be said."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from xetrade_core.lake.memory import KEPT_MS, OPTION, keep_freed_memory


def test_what_the_environment_says_stands() -> None:
    environ = {OPTION: "0"}
    assert keep_freed_memory(environ, {})
    assert environ == {OPTION: "0"}


def test_once_pyarrow_is_loaded_nothing_is_pretended() -> None:
    environ: dict[str, str] = {}
    assert not keep_freed_memory(environ, {"pyarrow"})
    assert environ == {}


@pytest.mark.parametrize("module", ["xetrade_core.lake.reader", "xetrade_core.cli.main"])
def test_reading_through_the_package_comes_before_pyarrow(module: str) -> None:
    program = f"import os, {module}, xetrade_core.lake.reader; print(os.environ[{OPTION!r}])"
    environ = {name: value for name, value in os.environ.items() if name != OPTION}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environ)
    assert ran.stdout.split() == [str(KEPT_MS)]
