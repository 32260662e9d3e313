"""The choice of scales, and the rounding of weights."""

from __future__ import annotations

import numpy as np
import pytest

from sqznet.calibration import rounding


def test_a_scale_clips_what_is_rare() -> None:
    rng = np.random.default_rng(0)
    usual = rng.uniform(0, 1, 90_000).astype(np.float32)
    scale = rounding.activation_scale(np.append(usual, np.float32(1.2)))
    assert 1 / 255 < scale < 0.97 * 1.2 / 255
    even = rng.uniform(0, 1, 10_000).astype(np.float32)
    assert rounding.activation_scale(even) == pytest.approx(1 / 255, rel=0.05)


def test_a_map_of_zeros_has_a_scale() -> None:
    assert rounding.activation_scale(np.zeros(5, np.float32)) == 1.0
    assert rounding.activation_scale(np.array([-3.0], np.float32)) == 1.0


def test_scales_of_weights() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 1, (4, 600)).astype(np.float32)
    weight[3] = 0
    whole = rounding.weight_scales(weight, np.zeros(4), fitted=False)
    fitted = rounding.weight_scales(weight, np.zeros(4), fitted=True)
    np.testing.assert_allclose(whole[:3], np.abs(weight[:3]).max(axis=1) / 127, rtol=1e-6)
    assert whole.dtype == fitted.dtype == np.float32
    assert (whole > 0).all()

    def error(scales: np.ndarray) -> np.ndarray:
        rounded = rounding.nearest(weight, scales) * scales[:, None]
        return np.asarray(np.square(rounded - weight).sum(axis=1))

    assert (error(fitted) <= error(whole)).all()


@pytest.mark.parametrize("fitted", [True, False])
def test_a_large_bias_needs_a_large_scale(fitted: bool) -> None:
    weight = np.full((2, 3), 1e-20, np.float32)
    scales = rounding.weight_scales(weight, np.array([0.0, 0.5]), fitted)
    assert scales[0] == pytest.approx(1e-20 / 127, rel=0.7)
    assert scales[1] == 0.5


def test_compensated_rounding_lessens_the_error_of_the_sums() -> None:
    rng = np.random.default_rng(2)
    inputs = np.abs(rng.normal(0, 1, (2000, 8)) @ rng.normal(0, 1, (8, 30))).astype(np.float32)
    weight = rng.normal(0, 0.1, (5, 30)).astype(np.float32)
    scales = rounding.weight_scales(weight, np.zeros(5), fitted=False) * np.float32(20)

    def error(integers: np.ndarray) -> float:
        return float(np.square(inputs @ (integers * scales[:, None] - weight).T).sum())

    found = rounding.compensated(weight, scales, inputs.T @ inputs / len(inputs))
    assert found.dtype == np.int8
    assert np.abs(found).max() <= 127
    assert error(found) < 0.5 * error(rounding.nearest(weight, scales))


def test_inputs_that_are_always_zero_are_rounded_to_the_nearest() -> None:
    weight = np.array([[0.26, -0.74, 1.0]], np.float32)
    found = rounding.compensated(weight, np.array([0.5]), np.zeros((3, 3)))
    assert found.tolist() == [[1, -1, 2]]
