"""Whole networks against stored logits of the reference, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels

from ..support import networks
from ..support.places import ROOT
from ..support.tools import load_tool

GOLDEN = ROOT / "tests" / "golden" / "logits.npz"
Array = Any


tool = load_tool("make_golden")


@pytest.fixture(scope="module")
def golden() -> dict[str, Array]:
    with np.load(GOLDEN) as stored:
        return {name: stored[name] for name in stored.files}


def assert_near(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error <= 1e-5, f"{error:.2e} of the largest logit"


@pytest.mark.parametrize("case", tool.BUNDLED, ids=str)
def test_bundled_weights(
    table: _kernels.Float32Kernels, golden: dict[str, Array], case: tuple[int, int, int, int]
) -> None:
    model = sqznet.load(threads=2, isa=table.isa)
    assert_near(model.logits(tool.make_input(*case)), golden[f"bundled.{case[0]}"])


@pytest.mark.parametrize("case", tool.SMALL, ids=str)
def test_small_networks(
    table: _kernels.Float32Kernels,
    golden: dict[str, Array],
    case: tuple[int, str, int, int, int],
    tmp_path: Path,
) -> None:
    seed, variant, *shape = case
    path = networks.save(tmp_path / "small.safetensors", tool.small_tensors(seed, variant))
    model = sqznet.load(path, threads=2, isa=table.isa, variant=variant)
    assert_near(model.logits(tool.make_input(seed, *shape)), golden[f"small.{seed}"])


def test_the_file_matches_the_reference(golden: dict[str, Array]) -> None:
    """Checks the small cases; `tools/make_golden.py --check` checks all."""
    assert {f"bundled.{case[0]}" for case in tool.BUNDLED} | {
        f"small.{case[0]}" for case in tool.SMALL
    } == set(golden)
    for seed, variant, *shape in tool.SMALL:
        x = tool.make_input(seed, *shape)
        made = tool.logits(tool.small_tensors(seed, variant), variant, x)
        np.testing.assert_allclose(made, golden[f"small.{seed}"], rtol=1e-9, atol=1e-9)
    seed, *shape = tool.BUNDLED[3]
    made = tool.logits(tool.bundled_tensors(), "squeezenet1_1", tool.make_input(seed, *shape))
    np.testing.assert_allclose(made, golden[f"bundled.{seed}"], rtol=1e-9, atol=1e-9)


def test_the_generator_gives_the_published_numbers() -> None:
    """splitmix64 from state 0 begins with e220a8397b1dcdaf 6e789e6aa1b965f4 06c45d188009454f."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    expected = [(word >> 40) / 2**23 - 1.0 for word in published]
    assert tool.splitmix64(0, 3).tolist() == expected


def test_the_file_is_small() -> None:
    assert GOLDEN.stat().st_size < 200_000
