"""After everything that the tests before it did: nothing that Dagster stored or printed holds a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import CANARY_URL
from tests.e2e.dagster_host import DagsterHost
from tests.e2e.test_deployment import CAPTURE
from tests.support.s3 import SECRET_KEY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster deployment")]


def test_no_secret_is_in_anything_that_dagster_stored_or_printed(host: DagsterHost) -> None:
    """After all of the above: event logs, run configs, tags, metadata, compute logs, process output."""
    host.start()
    if not runs(host):  # it was asked for alone
        assert host.execute_job("capture_l2", CAPTURE).returncode == 0
    files = [path for path in host.home.rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    assert any(b"capture_l2" in content for content in contents.values())
    for secret in (SECRET_KEY, CANARY_URL, "CANARY-5ecre7"):
        assert [str(path) for path, content in contents.items() if secret.encode() in content] == []
    assert SECRET_KEY not in json.dumps(runs(host))


def runs(host: DagsterHost) -> list[dict[str, Any]]:
    """What the web interface tells of all runs."""
    told = host.graphql("{ runsOrError { ... on Runs { results { runConfigYaml tags { value } } } } }")["runsOrError"]
    found: list[dict[str, Any]] = told["results"]
    return found
