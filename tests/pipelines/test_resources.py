"""How the pipelines reach the lake: as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster_aws.s3 import S3Resource

from xetrade_core.assembly import s3_options
from xetrade_core.lake.s3_store import make_client
from xetrade_core.settings import load_settings
from xetrade_pipelines.resources import LakeS3Resource


def effective(client: Any) -> dict[str, Any]:
    """All that decides how a client behaves, after boto3 has filled in what was left open."""
    config = client.meta.config
    names = [*config.OPTION_DEFAULTS, *config.NON_LEGACY_OPTION_DEFAULTS]
    return {name: getattr(config, name) for name in names} | {"endpoint_url": client.meta.endpoint_url}


def test_dagster_reaches_the_s3_as_the_core_does(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_S3__ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("XETRADE_S3__REGION", "eu-central-1")
    monkeypatch.setenv("XETRADE_S3__ACCESS_KEY_ID", "someone-somewhere")
    monkeypatch.setenv("XETRADE_S3__SECRET_ACCESS_KEY", "hunter22-hunter22")
    resource = LakeS3Resource()
    assert isinstance(resource, S3Resource)
    ours = effective(resource.get_client())
    assert ours == effective(make_client(s3_options(load_settings())))
    assert (ours["endpoint_url"], ours["region_name"]) == ("http://127.0.0.1:9", "eu-central-1")
    assert (ours["connect_timeout"], ours["read_timeout"], ours["max_pool_connections"]) == (5.0, 30.0, 16)
    assert ours["retries"]["total_max_attempts"] == 1  # the store tries again, and boto3 not below it
    assert ours["request_checksum_calculation"] == ours["response_checksum_validation"] == "when_required"
