"""What examples/ holds works as README and the pages say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dagster as dg
import pytest
import yaml

from docs.check import documents
from xetrade_core.cli.main import main
from xetrade_pipelines.definitions import defs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def test_every_example_that_is_named_is_there_and_every_one_is_named() -> None:
    named = {name for page in documents() for name in re.findall(r"examples/([a-z.]+\.[a-z]+)", page.read_text())}
    assert named == {file.name for file in EXAMPLES.iterdir()}


@pytest.mark.parametrize(("job", "file"), [("capture_l2", "capture.yaml"), ("place_order", "order.yaml")])
def test_a_job_takes_its_example(job: str, file: str) -> None:
    config = yaml.safe_load((EXAMPLES / file).read_text())
    assert dg.validate_run_config(defs.resolve_job_def(job), config)


def test_the_fills_come_to_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pnl", str(EXAMPLES / "fills.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["net_pnl"] == "0.89"
