"""The stage benchmark compiles, and its stages add up to the multiplications they claim."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.lab import stages
from benchmarks.material import find_photos


@pytest.mark.skipif(shutil.which("g++") is None, reason="it compiles the kernels with g++")
def test_stages() -> None:
    found = stages.measure("scalar", find_photos()[0], 0, rounds=1)
    assert [layer.squeeze for layer, _, _ in found] == [16, 16, 32, 32, 48, 48, 64, 64]
    for _, side, times in found:
        tile, small = stages.tiles_for(side, "scalar")
        count = -(-side // tile)
        assert times["points"] == (count * (tile + 2) - 2 * small) ** 2
        assert all(times[stage] > 0 for stage in stages.STAGES)
    assert "fire9" in stages.text(found, peak=1e9)
