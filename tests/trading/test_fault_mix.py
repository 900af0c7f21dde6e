"""Seeded mixes of faults, kills and rivals: whatever goes wrong together, the store ends with what the venue says.

`make faults` lives through ten thousand of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trading.mixing import mix, total

SEEDS, PARTS = 300, 3


@pytest.mark.parametrize("part", range(PARTS))
def test_any_mix_of_faults_kills_and_rivals_ends_with_the_venues_truth(
    part: int, tmp_path: Path, empty_store: Path
) -> None:
    found = [mix(seed, tmp_path / f"seed{seed}", empty_store) for seed in range(part, SEEDS, PARTS)]
    assert [one.problem for one in found if one.problem is not None] == []
    sums = total(found)
    assert {name: sums[name] for name in ("lost", "doubled", "differing", "illegal")} == dict.fromkeys(
        ("lost", "doubled", "differing", "illegal"), 0
    )
    assert min(sums["kills"], sums["faults"], sums["orders"]) > SEEDS // PARTS // 4, "the seeds go through something"
