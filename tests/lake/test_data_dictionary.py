"""The committed data dictionary is the one that the schemas give."""

from __future__ import annotations

from pathlib import Path

from xetrade_core.lake import data_dictionary
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.model.book_events import GapCause


def test_the_committed_document_is_current() -> None:
    assert data_dictionary.main(["--check"]) == 0


def test_an_outdated_document_fails_the_check_until_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "data-dictionary.md"
    assert data_dictionary.main(["--check", "--path", str(path)]) == 1
    assert data_dictionary.main(["--write", "--path", str(path)]) == 0
    assert data_dictionary.main(["--check", "--path", str(path)]) == 0


def test_every_column_and_cause_is_in_it() -> None:
    text = data_dictionary.render()
    for dataset in DATASETS.values():
        for column in dataset.columns:
            assert f"| `{column.name}` |" in text
    for cause in GapCause:
        assert f"| `{cause.value}` |" in text
