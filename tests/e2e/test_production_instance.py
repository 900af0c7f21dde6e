"""The production instance's compute logs, as its file says, on a real S3."""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from tests.e2e.dagster_host import REPOSITORY
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server

pytestmark = pytest.mark.xdist_group("dagster deployment")


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket, and the environment that deploy/dagster.production.yaml asks for."""
    name = s3_server.new_bucket()
    monkeypatch.setenv("DAGSTER_LOG_BUCKET", name)
    monkeypatch.setenv("DAGSTER_LOG_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return name


def test_what_a_run_prints_is_kept_on_s3_and_read_back(bucket: str, s3_server: S3Server, tmp_path: Path) -> None:
    production = yaml.safe_load((REPOSITORY / "deploy" / "dagster.production.yaml").read_text())

    @dg.op
    def speaks() -> None:
        sys.stderr.write("printed by the run\n")

    @dg.job
    def one_op() -> None:
        speaks()

    with dg.instance_for_test(
        overrides={"compute_logs": production["compute_logs"]}, temp_dir=str(tmp_path)
    ) as instance:
        result = one_op.execute_in_process(instance=instance)
        (event,) = [e for e in result.all_events if e.event_type is dg.DagsterEventType.LOGS_CAPTURED]
        key = [result.run_id, "compute_logs", event.logs_captured_data.file_key]
        read_back = instance.compute_log_manager.get_log_data(key)
    assert read_back.stderr is not None
    assert b"printed by the run" in read_back.stderr
    keys = [one["Key"] for one in s3_server.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key for key in keys if key.startswith(f"compute-logs/storage/{result.run_id}/") and key.endswith(".err")]
