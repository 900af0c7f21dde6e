"""`xetrade venues`: the capability matrix and the facts behind it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Ran
from xetrade_core.cli.main import main
from xetrade_core.venues.matrix import DATA, MARKS, TRADING, support
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import Capability, Venue

Run = Callable[..., str]
EVERY = [pytest.param(each, id=each.id) for each in venues()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """What the command prints, run in this process."""

    def shown(*arguments: str) -> str:
        assert main(["venues", *arguments]) == 0
        return capsys.readouterr().out

    return shown


def test_every_capability_stands_in_one_of_the_two_tables() -> None:
    assert sorted([*DATA, *TRADING]) == sorted(Capability)


def test_the_matrix_names_every_venue_and_when_one_shut_down(xetrade: Callable[..., Ran]) -> None:
    lines = xetrade("venues").out.splitlines()
    for venue in venues():
        rows = [line.split() for line in lines if venue.id in line.split()]
        assert len(rows) == 2, "market data and trading"
        marks = "".join(cell for row in rows for cell in row if cell in MARKS.values())
        assert marks == "".join(MARKS[support(venue, capability)] for capability in [*DATA, *TRADING])
    (gone,) = [line for line in lines if "bitmart" in line and "retired" in line]
    assert "retired 2026-07-26" in gone


def test_as_json_it_is_all_that_the_registry_knows(run: Run) -> None:
    shown = json.loads(run("--json"))
    assert [row["id"] for row in shown] == [venue.id for venue in venues()]
    bybit = next(row for row in shown if row["id"] == "bybit")
    assert bybit["capabilities"]["book_stream"] == "native"
    assert bybit["capabilities"]["funding_predicted"] == "none"
    assert bybit["errors"]["170141"] == "duplicate_client_id"
    for row, venue in zip(shown, venues(), strict=True):
        assert [fact["checked"] for fact in row["facts"]] == [fact.checked.isoformat() for fact in venue.facts]


@pytest.mark.parametrize("venue", EVERY)
def test_one_venue_shows_its_facts_with_date_and_source(run: Run, venue: Venue) -> None:
    shown = run("--venue", venue.id)
    assert all(str(fact.checked) in shown for fact in venue.facts)
    row = json.loads(run("--venue", venue.id, "--json"))
    assert [fact["text"] for fact in row["facts"]] == [fact.text for fact in venue.facts]


def test_an_unknown_venue_is_one_line(xetrade: Callable[..., Ran]) -> None:
    ran = xetrade("venues", "--venue", "ftx")
    assert ran.code == 2
    assert "unknown venue 'ftx'" in ran.error
