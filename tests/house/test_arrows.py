"""Imports point one way, and importing the core is cheap. The contracts stand in pyproject.toml (importlinter)."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import xetrade_core

ROOT = Path(__file__).parents[2]
HEAVY = {"ccxt", "duckdb", "matplotlib", "polars", "pandas", "dagster", "pandera", "numba"}
ACCELERATOR = "xetrade_core.books.fast."  # its modules are for those who have loaded numba


def test_every_arrow_of_the_house_is_kept() -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_import_breaks_the_contract(tmp_path: Path) -> None:
    """The contracts can fail: a copy of the source with one forbidden import is refused."""
    subprocess.run(
        ["cp", "-r", "xetrade_core", "xetrade_pipelines", "pyproject.toml", str(tmp_path)], cwd=ROOT, check=True
    )
    (tmp_path / "xetrade_core/books/impure.py").write_text("import dagster\nimport xetrade_core.capture\n")
    lint = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as run; run()"
    ran = subprocess.run(
        [sys.executable, "-c", lint, "--no-logo", "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "xetrade_core.books.impure -> dagster" in ran.stdout
    assert "xetrade_core.books.impure -> xetrade_core.capture" in ran.stdout


def test_every_part_of_the_core_stands_in_a_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = str(contracts)
    parts = [module.name for module in pkgutil.iter_modules(xetrade_core.__path__)]
    assert not [part for part in parts if f"xetrade_core.{part}" not in named]


def test_importing_the_core_pulls_in_no_heavy_library() -> None:
    """Part by part, and everything below: a heavy library is imported by the function that needs it."""
    program = f"""if True:
        import importlib, pkgutil, sys
        import xetrade_core
        seen = set()
        for found in pkgutil.walk_packages(xetrade_core.__path__, "xetrade_core."):
            if not found.name.endswith("__main__") and not found.name.startswith({ACCELERATOR!r}):
                importlib.import_module(found.name)
                for library in sorted({HEAVY!r} & set(sys.modules) - seen):
                    print(f"{{found.name}} brings {{library}}")
                    seen.add(library)
        print("parts:", len([name for name in sys.modules if name.startswith("xetrade_core.")]))
    """
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    told, _, parts = ran.stdout.rpartition("parts: ")
    assert told == ""
    assert int(parts) > 300
