"""Scales and biases that are made of the weights, where a file has only the scales of the maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sqznet.errors import WeightsError
from sqznet.network.variants import Wiring
from sqznet.quantization.completion import completed

from ..support.quantizable import small_model, some_photos

NETWORKS = {
    "1.1": ("squeezenet1_1", ""),
    "1.1, padded": ("squeezenet1_1", "", Wiring(conv1_padding=1, conv10_padding=1)),
    "1.1, simple bypass": ("squeezenet1_1", "simple"),
    "1.0, complex bypass": ("squeezenet1_0", "complex"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_nearly_those_of_a_calibration(tmp_path: Path, name: str) -> None:
    model = small_model(tmp_path / "small.safetensors", *NETWORKS[name])
    checkpoint = model.quantize(some_photos(12), keep_weights=True).checkpoint
    known = checkpoint.integers
    assert known is not None
    assert known.is_complete
    short = known.without_weights()
    assert not short.is_complete
    network = model.executor.network
    made = completed(network, short, lambda name: checkpoint.tensors[name].array())
    assert made.is_complete
    assert (made.sums, made.mean, made.std) == (known.sums, known.mean, known.std)
    for name, conv in known.convs.items():
        own = made.convs[name]
        assert own.output_scales == conv.output_scales
        ratios = np.array(own.weight_scales) / np.array(conv.weight_scales)
        assert np.abs(ratios - 1).max() < 0.2
        # A calibration also corrects what rounding does to the mean sums.
        units = np.array(own.weight_scales)
        biases = np.array(own.bias) * units - np.array(conv.bias) * np.array(conv.weight_scales)
        sums = np.abs(checkpoint.tensors[f"{name}.weight"].array()).sum(axis=(1, 2, 3))
        assert np.abs(biases).max() < 3 * sums.max() * max(conv.output_scales, default=1.0) + 10


def test_scales_of_another_network_are_refused(tmp_path: Path) -> None:
    model = small_model(tmp_path / "small.safetensors")
    other = small_model(tmp_path / "other.safetensors", "squeezenet1_1", "simple")
    integers = model.quantize(some_photos(4), keep_weights=True).checkpoint.integers
    assert integers is not None
    with pytest.raises(WeightsError, match="nothing about the sum of"):
        completed(
            other.executor.network,
            integers.without_weights(),
            lambda name: other.checkpoint.tensors[name].array(),
        )
