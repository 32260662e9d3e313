"""Values beyond the range of float32: an error, never infinite, equal or vanished scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels
from sqznet.errors import WeightsError
from sqznet.network import reference

from ..support import networks

Array = Any

X = networks.inputs(1, 2, 65, 65)


def scaled(factor: float, only: str = "", bypass: str = "") -> dict[str, Array]:
    made = networks.tensors(bypass=bypass)
    return {
        name: array * np.float32(factor) if only in name and name.endswith("weight") else array
        for name, array in made.items()
    }


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("factor", [1e3, 1e6, 1e12, 1e20])
def test_weights_that_overflow(tmp_path: Path, factor: float, bypass: str) -> None:
    """Their ReLUs turn infinite values of either sign, and what is not a number, into any score."""
    variant = f"squeezenet1_1_{bypass}_bypass" if bypass else None
    path = networks.save(tmp_path / "huge.safetensors", scaled(factor, bypass=bypass))
    model = sqznet.load(path, variant=variant, threads=1)
    calls: list[Callable[[], Any]] = [
        lambda: model.logits(X),
        lambda: model.classify(networks.photo()),
        lambda: model.embed(networks.photo()),
        lambda: model.heatmap(networks.photo()),
        lambda: model.classify_each([networks.photo()], 5),
        lambda: model.alone().classify([networks.photo()] * 2),
    ]
    for call in calls:
        with pytest.raises(
            WeightsError, match=r"huge\.safetensors: .* beyond the range of float32"
        ):
            call()


@pytest.mark.parametrize("layer", ["features.0", "features.6.squeeze", "features.9", "classifier"])
def test_a_single_layer_that_overflows(tmp_path: Path, layer: str) -> None:
    path = networks.save(tmp_path / "huge.safetensors", scaled(1e37, layer))
    model = sqznet.load(path)
    with pytest.raises(WeightsError, match="beyond the range of float32"):
        model.logits(X)


def test_large_values_that_do_not_overflow_are_right(tmp_path: Path) -> None:
    """No bound proves them, so that each run is looked at, and its result is still exact."""
    made = scaled(30)
    model = sqznet.load(networks.save(tmp_path / "large.safetensors", made))
    assert model.executor.acquire(1, 65, 65, largest_input=400.0).check is not None
    expected = reference.forward(networks.network(made), made, X)
    assert expected.max() > 1e20
    np.testing.assert_allclose(model.logits(X), expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_published_weights_are_not_looked_at() -> None:
    model = sqznet.load(threads=1)
    size = model.preprocessing.size
    for largest, is_checked in ((model.largest_input, False), (1e8, False), (1e30, True)):
        workspace = model.executor.acquire(1, *size, largest_input=largest)
        assert (workspace.check is not None) == is_checked
        maps = len(model.executor.network.layers) if is_checked else 0
        assert len(workspace.outputs) == 1 + maps


def test_inputs_that_are_too_large() -> None:
    model = sqznet.load(threads=1)
    x = np.full((1, 3, 33, 33), 1e34, np.float32)
    with pytest.raises(WeightsError, match=r"for an input of up to 1e\+34, features\.0 computes"):
        model.logits(x)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 3, 3), (7, 64, 1, 1), (2, 3, 7, 7)])
def test_the_largest_rows(shape: tuple[int, ...]) -> None:
    made = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    expected = [values.sum((1, 2, 3)).max() for values in (np.abs(made), np.maximum(made, 0))]
    found = _kernels.Tensor.over(made.copy(), shape).largest_rows()
    assert found == pytest.approx(expected, rel=1e-6)
    for value in (np.nan, np.inf, -np.inf):
        bad = made.copy()
        bad.flat[0] = value
        assert not np.isfinite(_kernels.Tensor.over(bad, shape).largest_rows()[0])


def test_weights_that_sum_to_infinity_are_finite(tmp_path: Path) -> None:
    made = networks.tensors()
    made["classifier.1.weight"][:] = 3e38
    model = sqznet.load(networks.save(tmp_path / "huge.safetensors", made))
    with pytest.raises(WeightsError, match=r"classifier\.1 computes values of up to inf"):
        model.logits(X)
    made["classifier.1.weight"][0, 0] = np.nan
    with pytest.raises(
        WeightsError, match=r"classifier\.1\.weight holds values that are not finite"
    ):
        sqznet.load(networks.save(tmp_path / "nan.safetensors", made))
