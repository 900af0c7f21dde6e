"""The definitions as a whole: they load, look as reviewed, and keep to their side of the arrows."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import xetrade_pipelines
from xetrade_core.lake.schemas import DATASETS
from xetrade_pipelines.definitions import build_defs
from xetrade_pipelines.freshness import FRESHNESS

PACKAGE = Path(xetrade_pipelines.__file__).parent
REPOSITORY = PACKAGE.parent
SNAPSHOT = Path(__file__).with_name("asset_specs.snapshot.txt")
MODULES = sorted(PACKAGE.rglob("*.py"))
#: modules that hold a concept of Dagster, each to open with a paragraph and a link to that concept's documentation
CONCEPTS = [path for path in MODULES if path.name not in {"__init__.py", "windows.py", "plan.py", "reports.py"}]


def described(defs: dg.Definitions) -> str:
    """Everything of the graph that a reviewer should see change."""
    lines: list[str] = []
    for spec in sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key):
        policy: Any = spec.freshness_policy
        lines += [
            f"asset {spec.key.to_user_string()}",
            f"  {spec.description}",
            f"  group {spec.group_name}; owners {list(spec.owners)}; kinds {sorted(spec.kinds)}",
            f"  code version {spec.code_version}",
            f"  after {sorted(dep.asset_key.to_user_string() for dep in spec.deps)}",
            f"  partitions {getattr(spec.partitions_def, 'partition_dimension_names', spec.partitions_def)}",
            f"  fresh within {policy.warn_window.to_timedelta()} (warn), {policy.fail_window.to_timedelta()} (fail)",
        ]
        lines += [f"  column {c.name}: {c.type}" for c in spec.metadata["dagster/column_schema"].columns]
    graph = defs.resolve_asset_graph()
    for key in sorted(graph.asset_check_keys):
        check = graph.get_check_spec(key)
        kind = "blocking" if check.blocking else "not blocking"
        lines.append(f"check {key.asset_key.to_user_string()}.{check.name} ({kind}): {check.description}")
    repository = defs.get_repository_def()
    lines += [f"job {job.name}" for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)]
    lines += [f"schedule {s.name}: {s.cron_schedule} -> {s.job_name}" for s in repository.schedule_defs]
    lines += [f"sensor {s.name}: every {s.minimum_interval_seconds} s" for s in repository.sensor_defs]
    return "\n".join(lines) + "\n"


def test_the_definitions_load(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_reviewed_one(defs: dg.Definitions) -> None:
    """After a change that is meant: run this with XETRADE_UPDATE_SNAPSHOTS=1, and read the diff."""
    if os.environ.get("XETRADE_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(described(defs))
    assert described(defs) == SNAPSHOT.read_text()


def test_each_build_is_fresh_and_takes_other_resources(machine: Path) -> None:
    clock = dg.ResourceDefinition.hardcoded_resource("another clock")
    one, other = build_defs(), build_defs({"clock": clock})
    assert one is not other
    assert other.resources is not None
    assert other.resources["clock"] is clock
    assert one.resources is not None
    assert one.resources["clock"] is not clock


def test_every_asset_is_a_dataset_of_the_lake_with_its_columns_and_a_freshness_policy(defs: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert set(specs) == set(FRESHNESS) <= set(DATASETS)
    for name, spec in specs.items():
        assert [c.name for c in spec.metadata["dagster/column_schema"].columns] == DATASETS[name].schema.names


@pytest.mark.parametrize("path", CONCEPTS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_module_says_what_belongs_there_and_where_to_read_on(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert len(text) > 200
    assert re.search(r"https://docs\.dagster\.io/\S+", text)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_pipelines_leave_the_data_to_the_core(path: Path) -> None:
    """No dataframe, array, file or venue is touched here; the I/O manager may name the types it passes on."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    allowed = {"pandas", "pyarrow"} if path.name == "io_managers.py" else set()
    data = {"pandas", "pyarrow", "numpy", "polars", "duckdb", "ccxt", "boto3", "matplotlib", "aiohttp", "asyncio"}
    assert imported & data <= allowed


def test_the_secrets_of_the_settings_are_no_part_of_the_definitions(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S3__ACCESS_KEY_ID", "S3__SECRET_ACCESS_KEY", "ALERTS__WEBHOOK_URL"):
        monkeypatch.setenv(f"XETRADE_{name}", "https://canary-canary")
    defs = build_defs()
    shown = repr(defs.resources) + repr(defs.get_repository_def().get_top_level_resources())
    assert "canary" not in shown


def test_the_definitions_load_without_a_warning(machine: Path) -> None:
    program = "from xetrade_pipelines.definitions import defs"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr == ""


def test_a_wrong_setting_is_one_line_where_the_definitions_load(machine: Path) -> None:
    program = "from xetrade_pipelines.definitions import defs"
    environment = os.environ | {"XETRADE_CAPTURE__DEPTH": "none"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "xetrade_core.errors.ConfigError: capture.depth = 'none' is not valid"
    )


@pytest.mark.parametrize("name", ["dagster.yaml", "deploy/dagster.production.yaml"])
def test_an_instance_file_lets_one_run_hold_a_window_and_sends_nothing_out(name: str) -> None:
    config = yaml.safe_load((REPOSITORY / name).read_text())
    assert config["telemetry"]["enabled"] is config["nux"]["enabled"] is False
    (limit,) = config["concurrency"]["runs"]["tag_concurrency_limits"]
    assert (limit["key"], limit["limit"], limit["value"]) == ("xetrade/window", 1, {"applyLimitPerUniqueValue": True})
    assert config["run_coordinator"]["config"]["dequeue_interval_seconds"] == 1
    assert "password" not in json.dumps(config) or config["storage"]["postgres"]["postgres_db"]["password"] == {
        "env": "DAGSTER_PG_PASSWORD"
    }


def test_the_workspace_names_the_module_that_exists() -> None:
    (location,) = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == "xetrade_pipelines.definitions"
