"""Gradients by the package's own convolutions, against differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.calibration.quantizing import float_tensors
from sqznet.compression.gradients import Differentiable
from sqznet.engine.pipeline import Pipeline

from ..support import detectors, networks
from ..support.quantizable import small_model

MODELS = ("squeezenet1_1", "squeezenet1_0 complex", "detector")


def loaded(path: Path, name: str) -> Pipeline:
    if name == "detector":
        return sqznet.load_detector(detectors.save(path), threads=1)
    return small_model(path, *name.split())


@pytest.mark.parametrize("name", MODELS)
def test_a_bias_changes_the_outputs_as_the_gradients_say(tmp_path: Path, name: str) -> None:
    model = loaded(tmp_path / "small.safetensors", name)
    executor = model.executor
    tensors = float_tensors(model.checkpoint)
    x = np.ascontiguousarray(model.preprocess(networks.photo(3)).transpose(0, 2, 3, 1))
    rng = np.random.default_rng(0)

    def made(tensors: dict[str, Any]) -> Differentiable:
        return Differentiable(executor.network, tensors, executor.kernels, executor.pool)

    def change(name: str, step: Any) -> float:
        """Of the weighted sum of all outputs, if a bias moves by a step, per step."""
        after, before = (
            made({**tensors, name: tensors[name] + sign * step}).forward(x).outputs
            for sign in (1, -1)
        )
        changes = ((after[key] - before[key], value) for key, value in drawn.items())
        return float(sum((one * value).sum(dtype=float) for one, value in changes)) / 2

    differentiable = made(tensors)
    trace = differentiable.forward(x)
    drawn = {
        key: rng.normal(0, 1, trace.outputs[key].shape).astype(np.float32)
        for key in executor.network.outputs
    }
    found = differentiable.backward(trace, drawn)
    assert found.keys() == set(executor.network.convolutions)
    pairs = []
    for convolution, gradients in found.items():
        expected = sum(g.sum(axis=(0, 1, 2), dtype=float) for g in gradients)
        # Small, so that few of the ReLUs and maxima change.
        step = np.float32(3e-3) * np.sign(expected).astype(np.float32)
        pairs.append((change(f"{convolution}.bias", step), float((expected * step).sum())))
    changes, foretold = np.array(pairs).T
    assert np.abs(changes - foretold).sum() < 0.1 * foretold.sum()
