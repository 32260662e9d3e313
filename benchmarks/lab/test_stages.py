"""The stage benchmark compiles, and its stages add up to the multiplications they claim."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.lab import stages
from benchmarks.material import find_photos
from sqznet import _kernels


@pytest.mark.skipif(shutil.which("g++") is None, reason="it compiles the kernels with g++")
def test_stages() -> None:
    found = stages.measure("scalar", find_photos()[0], None, rounds=1)
    assert [layer.squeeze for layer, _, _ in found] == [16, 16, 32, 32, 48, 48, 64, 64]
    for _, side, times in found:
        tile = stages.tile_for(side, "scalar")
        assert times["points"] == (-(-side // tile)) ** 2 * (tile + 2) ** 2
        assert all(times[stage] > 0 for stage in stages.STAGES)
    assert "fire9" in stages.text(found, peak=1e9)


@pytest.mark.parametrize("isa", sorted(stages.FLAGS))
@pytest.mark.parametrize("side", [13, 27, 55])
def test_the_tile_is_the_kernels_own(side: int, isa: str) -> None:
    fire = _kernels.Fire
    try:
        table = _kernels.kernels_named(isa).f32
    except _kernels.UnsupportedIsaError as error:
        pytest.skip(str(error))
    one = _kernels.Tensor((1, 1, 1, 1))
    layers = [
        fire(table, one, one, one, one, _kernels.Tensor((1, 1, 3, 3)), one, tile)
        for tile in (0, stages.tile_for(side, isa))
    ]
    scratch = {layer.scratch(1, side, side, 1) for layer in layers}
    assert len(scratch) == 1
