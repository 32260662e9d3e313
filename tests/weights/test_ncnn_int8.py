"""ncnn's int8 convolutions: the scales of what they read and write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError

from ..engine.test_rounded_layers import expected
from ..support import layer_lists, ncnn_files, networks
from ..support.caffe_files import float_array


@pytest.mark.parametrize("writes", [False, True])
def test_int8_convolutions_run_on_integers(tmp_path: Path, writes: bool) -> None:
    """``writes``: a squeeze convolution writes integers, which the next ones read as they are."""
    made = networks.tensors(classes=11, seed=4)
    x = networks.inputs(5, 6, 64, 64)
    around = ncnn_files.calibrated(made, x[:2])
    for name, (scale,) in around.items():  # ncnn adds floats; here they are whole units of the sums
        unit = 1 / (scale * ncnn_files.scales(made[f"{name}.weight"]))
        made[f"{name}.bias"] = (np.rint(made[f"{name}.bias"] / unit) * unit).astype(np.float32)
    if writes:
        for name in around:
            if name.endswith("squeeze"):
                around[name] += around[name.replace("squeeze", "expand1x1")][:1]
    layers = layer_lists.squeezenet(made, fused=True)
    path = ncnn_files.save(tmp_path, made, layers, stored="int8", around=around)
    checkpoint = weights.read(path)
    assert checkpoint.reasons["precision"] == "run on integers"
    tensors = {name: float_array(tensor) for name, tensor in checkpoint.tensors.items()}
    model = sqznet.load(path, threads=1)
    assert model.precision == "int8"
    found = model.logits(x)
    exact = expected(networks.network(tensors), tensors, checkpoint.activations, x)
    assert np.abs(found - exact).max() <= 1e-5 * np.abs(exact).max()
    imitated = sqznet.load(path, threads=1, precision="float32").logits(x)
    assert (np.abs(found - imitated).max(axis=1) < 1e-4 * np.abs(exact).max()).mean() > 0.6
    plain = sqznet.load(networks.save(tmp_path / "plain.safetensors", made)).logits(x)
    assert 0 < np.abs(found - plain).max() < 0.1 * np.abs(plain).max()


def test_int8_convolutions_that_round_the_same_map_differently(tmp_path: Path) -> None:
    made = networks.tensors()
    layers = layer_lists.squeezenet(made, fused=True)
    around = {"features.3.expand1x1": (2.0,)}
    checkpoint = weights.read(ncnn_files.save(tmp_path, made, layers, stored="int8", around=around))
    assert not checkpoint.activations
    assert checkpoint.integers is None
    assert checkpoint.warnings == (
        "its weights have 8 bits, but sqznet computes with them in float32",
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_of_activations_that_are_not_positive(tmp_path: Path, scale: float) -> None:
    made = networks.tensors()
    layers = layer_lists.squeezenet(made, fused=True)
    around = {"features.0": (scale,)}
    path = ncnn_files.save(tmp_path, made, layers, stored="int8", around=around)
    with pytest.raises(WeightsError, match=r"'conv1' has the scale .* for its activations"):
        weights.read(path)
