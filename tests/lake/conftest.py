"""Stores to run the lake's tests against: a local directory, and a real S3 server with its fault proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.proxy import FaultProxy
from tests.support.s3 import S3Server, s3_root, s3_server  # noqa: F401
from xetrade_core.lake.store import ObjectStore, open_store


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Each kind of store in turn, empty."""
    if request.param == "local":
        return open_store(tmp_path / "lake")
    server: S3Server = request.getfixturevalue("s3_server")
    return open_store(request.getfixturevalue("s3_root"), server.options())


@pytest.fixture
def local_store(tmp_path: Path) -> ObjectStore:
    """An empty local lake."""
    return open_store(tmp_path / "lake")


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:  # noqa: F811
    """A fault proxy in front of the S3 server."""
    with FaultProxy(s3_server.endpoint) as running:
        yield running
