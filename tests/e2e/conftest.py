"""Fixtures of the end-to-end tests: simulated venues, a real S3 server, and a real Dagster deployment, shared by all of
them and stopped after the last: idle daemons cost the other tests their time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.dagster_host import DagsterHost
from tests.pipelines.deployment import environment
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, s3_server  # noqa: F401
from tests.support.sim import Sim, default_sim  # noqa: F401
from xetrade_core.lake.reader import Lake

#: secrets that must not appear in anything that Dagster stores or prints
CANARY_URL = "http://127.0.0.1:9/hooks/CANARY-5ecre7"


@pytest.fixture(scope="package")
def lake_root(s3_server: S3Server) -> str:  # noqa: F811
    """A lake on the S3 server."""
    return f"s3://{s3_server.new_bucket()}/lake"


@pytest.fixture(scope="package")
def host(
    tmp_path_factory: pytest.TempPathFactory,
    default_sim: Sim,  # noqa: F811
    s3_server: S3Server,  # noqa: F811
    lake_root: str,
) -> Iterator[DagsterHost]:
    """A deployment over the simulated venues whose lake is on S3; its processes are started by `host.start()`."""
    directory = tmp_path_factory.mktemp("machine")
    variables = environment(directory, default_sim, lake=lake_root) | {
        "XETRADE_S3__ENDPOINT_URL": s3_server.endpoint,
        "XETRADE_S3__REGION": REGION,
        "XETRADE_S3__ACCESS_KEY_ID": ACCESS_KEY,
        "XETRADE_S3__SECRET_ACCESS_KEY": SECRET_KEY,
        "XETRADE_ALERTS__WEBHOOK_URL": CANARY_URL,
    }
    one = DagsterHost(directory / "dagster", variables)
    yield one
    one.stop()


@pytest.fixture(scope="package")
def lake(lake_root: str, s3_server: S3Server) -> Lake:  # noqa: F811
    """The lake, for reading."""
    return Lake(lake_root, s3_server.options())
