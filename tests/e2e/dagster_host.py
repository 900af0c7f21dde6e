"""A real Dagster deployment for tests: code server, daemon and webserver as processes of their own, on loopback.

`DagsterHost` keeps its instance in a directory of its own with the repository's dagster.yaml; `execute_job` runs the
command line a person would type. All children die with the test process.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = "xetrade_pipelines.definitions"
START_LIMIT_S = 60.0


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class DagsterHost:
    """`home` becomes DAGSTER_HOME; `environment` is what the jobs see (lake, spool, venues)."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "dagster.yaml", home / "dagster.yaml")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("XETRADE_")}
        self.home = home
        self.environment = inherited | dict(environment) | {"DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self.url = ""
        self._children: list[subprocess.Popen[bytes]] = []

    def execute_job(
        self, job: str, config: str | None = None, timeout_s: float = 90.0
    ) -> subprocess.CompletedProcess[str]:
        """`dagster job execute -m ... -j JOB [-c FILE]`, with `config` as the file's YAML."""
        command = [*self._program("dagster"), "job", "execute", "-m", MODULE, "-j", job]
        if config is not None:
            path = self.home / f"{job}-{time.monotonic_ns()}.yaml"
            path.write_text(config)
            command += ["-c", str(path)]
        return subprocess.run(
            command, cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def start(self) -> None:
        """Start code server, webserver and daemon, unless they run; return when the webserver has the definitions."""
        if self._children:
            return
        code, web = free_port(), free_port()
        workspace = self.home / "workspace.yaml"
        workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code}, location_name: xetrade}}\n"
        )
        self.url = f"http://127.0.0.1:{web}"
        self._spawn(
            "code",
            ["dagster", "api", "grpc", "-m", MODULE, "-h", "127.0.0.1", "-p", str(code), "--location-name", "xetrade"],
        )
        self._wait(lambda: _listens(code))
        self._spawn("web", ["dagster-webserver", "-h", "127.0.0.1", "-p", str(web), "-w", str(workspace)])
        self._spawn("daemon", ["dagster-daemon", "run", "-w", str(workspace)])
        self._wait(lambda: _listens(web) and self._loaded())

    def stop(self) -> None:
        """End all children, and the runs that they have launched, within a few seconds."""
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            # Run workers are the code server's children and in its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._children.clear()

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """The answer's `data`; raises on GraphQL errors."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = json.load(answer)
        if "errors" in body:
            raise RuntimeError(str(body["errors"]))
        data: dict[str, Any] = body["data"]
        return data

    def launch(self, job: str, config: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
        """Launch a run as the launchpad does; its id."""
        selector = {"repositoryLocationName": "xetrade", "repositoryName": "__repository__", "jobName": job}
        params = {
            "selector": selector,
            "runConfigData": json.dumps(config),
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        answer = self.graphql(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename"
            " ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }"
            " ... on RunConfigValidationInvalid { errors { message } } } }",
            p=params,
        )["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(str(answer))
        return str(answer["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        """Ask a run to stop, as the UI's button does."""
        answer = self.graphql("mutation($r: String!) { terminateRun(runId: $r) { __typename } }", r=run_id)[
            "terminateRun"
        ]
        if answer["__typename"] != "TerminateRunSuccess":
            raise RuntimeError(str(answer))

    def status(self, run_id: str) -> str:
        """QUEUED, STARTED, SUCCESS, CANCELED, ..."""
        query = "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
        return str(self.graphql(query, r=run_id)["runOrError"]["status"])

    def wait_for_status(self, run_id: str, *wanted: str, timeout_s: float = 60.0) -> str:
        """Poll until the run's status is one of `wanted`; raises TimeoutError with the last one seen."""
        deadline = time.monotonic() + timeout_s
        while (status := self.status(run_id)) not in wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {run_id} is {status}, not {' or '.join(wanted)}, after {timeout_s:g} s")
            time.sleep(0.25)
        return status

    def materializations(self, run_id: str) -> list[dict[str, Any]]:
        """Partition, asset and plain metadata of each materialization of a run."""
        query = """query($r: ID!) { runOrError(runId: $r) { ... on Run { assetMaterializations {
            partition assetKey { path } metadataEntries { label
            ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue }
            ... on FloatMetadataEntry { floatValue } }
            } } } }"""
        found = []
        for one in self.graphql(query, r=run_id)["runOrError"]["assetMaterializations"]:
            metadata = {
                entry["label"]: next((entry[key] for key in ("text", "intValue", "floatValue") if key in entry), None)
                for entry in one["metadataEntries"]
            }
            found.append({"asset": one["assetKey"]["path"][-1], "partition": one["partition"], "metadata": metadata})
        return found

    def materialized_partitions(self, asset: str) -> int:
        """How many partitions of an asset have been made, by this run and by all others."""
        query = """query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode {
            partitionStats { numMaterialized } } } }"""
        node = self.graphql(query, k={"path": [asset]})["assetNodeOrError"]
        return int(node["partitionStats"]["numMaterialized"])

    def check_evaluations(self, run_id: str) -> dict[str, bool]:
        """Whether each check that the run evaluated passed, over all partitions."""
        query = """query($r: ID!) { logsForRun(runId: $r, limit: 1000) { ... on EventConnection { events {
            ... on AssetCheckEvaluationEvent { evaluation { checkName success } } } } } }"""
        verdicts: dict[str, bool] = {}
        for event in self.graphql(query, r=run_id)["logsForRun"]["events"]:
            if one := event.get("evaluation"):
                verdicts[one["checkName"]] = verdicts.get(one["checkName"], True) and one["success"]
        return verdicts

    def log(self, name: str) -> str:
        """What a child printed."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def _program(self, name: str) -> list[str]:
        return [str(Path(sys.executable).with_name(name))]

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                self._program(command[0]) + command[1:],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        self._children.append(child)

    def _loaded(self) -> bool:
        try:
            found = self.graphql("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
        except (OSError, urllib.error.URLError, RuntimeError):
            return False
        return bool(found["repositoriesOrError"].get("nodes"))

    def _wait(self, ready: Any) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            dead = [child.args for child in self._children if child.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "\n".join(
                    f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in self.home.glob("*.log")
                )
                self.stop()
                raise RuntimeError(f"Dagster did not start (ended: {dead})\n{logs}")
            time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(0.5)
        return one.connect_ex(("127.0.0.1", port)) == 0
