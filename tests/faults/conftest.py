"""A real S3 server with a fault proxy in front."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.proxy import FaultProxy
from tests.support.s3 import S3Server, s3_root, s3_server  # noqa: F401


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:  # noqa: F811
    """A proxy to the S3 server that behaves until told otherwise."""
    with FaultProxy(s3_server.endpoint) as one:
        yield one
