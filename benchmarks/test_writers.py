"""The benchmark's own foundations: its float64 network and its model files."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import network
from benchmarks.engines.base import Engine
from benchmarks.material import SHARED, MissingError, load_weights
from benchmarks.measure import relative_error


@pytest.mark.parametrize("variant", ["1.0", "1.1"])
def test_float64_network_matches_the_reference_logits(variant: str) -> None:
    name = f"squeezenet{variant.replace('.', '_')}"
    try:
        weights = load_weights(variant, SHARED / "weights" / f"{name}.pth")
    except MissingError as error:
        pytest.skip(str(error))
    with np.load(SHARED / "reference" / "input_224.npz") as file:
        inputs = file["first8_squash"][:2]
    with np.load(SHARED / "reference" / "logits_224.npz") as file:
        expected = file[f"{name}.squash"][:2]
    logits = network.forward(network.layers(variant), weights, inputs)
    assert relative_error(logits.astype(np.float32), expected) < 1e-6


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 999)), np.full((1, 1000), np.nan), np.ones((1, 1000))]
)
def test_a_wrong_answer_is_not_within_tolerance(wrong: np.ndarray) -> None:
    expected = np.linspace(0.0, 20.0, 1000)[None]
    assert not relative_error(wrong, expected) <= Engine.tolerance


def test_sizes_follow_ceil_pooling() -> None:
    sizes = network.shapes(network.layers("1.0"), 224, 224)
    assert sizes["conv1"] == (96, 109, 109)
    assert sizes["fire12"] == (512, 13, 13)
    assert network.pooled(54) == 27
    assert network.pooled(55) == 27
