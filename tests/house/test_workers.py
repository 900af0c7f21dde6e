"""How the tests themselves are shared out among workers (tests/conftest.py)."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("of one worker")
def test_workers_are_told_of_groups(request: pytest.FixtureRequest) -> None:
    """Groups hang on pytest and pytest-xdist being of one mind. Where they are not, nothing else fails: each worker
    starts every simulated venue, every database and a deployment for itself.
    """
    if not hasattr(request.config, "workerinput"):
        pytest.skip("there are workers only with -n")
    assert request.node.nodeid.endswith("@of one worker")


def test_what_shares_a_process_is_a_group(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> None:
    if not hasattr(pytestconfig, "workerinput"):
        pytest.skip("there are workers only with -n")
    shared = {item.nodeid for item in request.session.items if "sim_of_cards" in getattr(item, "fixturenames", ())}
    assert {one.rpartition("@")[2] for one in shared} <= {"tests/venues"}
