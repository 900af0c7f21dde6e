"""The demo: it proves what it claims, and says NO when it cannot."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import clean_environment
from xetrade_core.cli.demo_report import Book, Fault, Findings

ROOT = Path(__file__).parents[2]
GOOD_BOOK = Book(
    venue="binance",
    symbol="BTC/USDT",
    expected=60,
    captured=60,
    synced=59,
    gaps=1,
    resyncs=1,
    unexplained=0,
    crossed=0,
    latency_p50_ms=1.0,
    latency_p99_ms=2.0,
    bytes_per_snapshot=500.0,
    planned=60,
)
GOOD_FAULT = Fault("lost", "binance", ("BTC/USDT",), 10**18, 7, ({"symbol": "BTC/USDT"},))
GOOD = Findings((GOOD_BOOK,), (GOOD_FAULT,), wanted_faults=1, compared=5, equal=5)


@pytest.mark.slow
def test_the_demo_passes_and_leaves_what_it_names(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "xetrade_core.cli", "demo", "--duration", "12s", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "found and accounted for: yes" in ran.stdout
    assert "30 of 30 rows" in ran.stdout
    assert "mean_spread" in ran.stdout
    assert (tmp_path / "out/book.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out/lake/l2_snapshots").rglob("part.parquet"))) == 6


def test_good_findings_are_accounted_for() -> None:
    assert GOOD.accounted


@pytest.mark.parametrize(
    "findings",
    [
        replace(GOOD, books=(replace(GOOD_BOOK, unexplained=1),)),
        replace(GOOD, books=(replace(GOOD_BOOK, crossed=1),)),
        replace(GOOD, books=(replace(GOOD_BOOK, synced=0),)),
        replace(GOOD, books=(replace(GOOD_BOOK, expected=59),)),
        replace(GOOD, faults=(replace(GOOD_FAULT, found=()),)),
        replace(GOOD, faults=()),
        replace(GOOD, equal=4),
        replace(GOOD, compared=0, equal=0),
    ],
    ids=[
        "unexplained",
        "crossed",
        "no book",
        "window too short",
        "fault not found",
        "fault not injected",
        "untrue",
        "no truth",
    ],
)
def test_anything_short_of_that_is_not(findings: Findings) -> None:
    assert not findings.accounted


def test_a_directory_that_is_not_the_demos_is_not_emptied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xetrade_core.cli.main import main

    monkeypatch.chdir(ROOT)
    (tmp_path / "precious").write_text("kept")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "a new or empty directory" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "kept"
