"""Chooses the scales of weights and activations, and rounds weights to integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.quantization.integers import LARGEST_WEIGHT

Floats = npt.NDArray[np.float32]

LARGEST_BYTE = 255

# The scales that are tried: from a fifth of the one that clips nothing. Finer steps change nothing.
_ACTIVATION_STEPS = np.linspace(0.2, 1.0, 41)
_WEIGHT_STEPS = np.linspace(0.4, 1.0, 61)

# Samples of a map that its scale is chosen by.
_MOST_SAMPLES = 200_000

# Added to the diagonal of the moments, relative to its mean.
_DAMPING = 0.01


def activation_scale(samples: Floats) -> Any:
    """The scale of a map's bytes with the least squared error on its positive samples.

    Large values are rare, so that clipping some of them costs less than coarse steps for all.
    """
    positive = samples[samples > 0]
    if not positive.size:
        return np.float32(1.0)
    positive = positive[:: -(-positive.size // _MOST_SAMPLES)]
    scales = (positive.max() * _ACTIVATION_STEPS / LARGEST_BYTE).astype(np.float32)

    def error(scale: np.float32) -> float:
        rounded = np.minimum(np.rint(positive / scale), LARGEST_BYTE) * scale
        return float(np.square(rounded - positive).mean(dtype=np.float64))

    return np.float32(min(scales, key=error))


def weight_scales(weight: Floats, least: Any, fitted: bool) -> Floats:
    """The scale of each row of weights (O, K): the one with the least squared error, or, if it is
    not ``fitted``, the one that clips nothing; at least ``least`` (O,)."""
    largest = np.abs(weight).max(axis=1)
    whole = np.where(largest > 0, largest, np.float32(1.0)) / np.float32(LARGEST_WEIGHT)
    whole = np.maximum(whole, np.float32(least))
    if not fitted:
        return np.asarray(whole, np.float32)
    best, chosen = np.full(len(weight), np.inf), whole
    for step in _WEIGHT_STEPS.astype(np.float32):
        scales = np.maximum(whole * step, np.float32(least))
        rounded = nearest(weight, scales) * scales[:, None]
        errors = np.square(rounded - weight).sum(axis=1, dtype=np.float64)
        chosen = np.where(errors < best, scales, chosen)
        best = np.minimum(errors, best)
    return np.asarray(chosen, np.float32)


def nearest(weight: Any, scales: Any) -> Any:
    """The nearest integers to weights (O, K) in units of ``scales`` (O,)."""
    return np.clip(np.rint(weight / scales[:, None]), -LARGEST_WEIGHT, LARGEST_WEIGHT)


def compensated(weight: Any, scales: Any, moments: Any) -> npt.NDArray[np.int8]:
    """Integers of weights (O, K) with the least squared error of the sums, int8.

    ``moments``: the uncentered second moments (K, K) of the inputs. Column by column, the weights
    that are still to be rounded make up for the error of those that are.

    Source: Frantar et al., "GPTQ", arXiv:2210.17323, section 3; columns by falling moment.
    """
    moments = np.array(moments, np.float64)
    diagonal = np.diagonal(moments)
    damping = max(float(diagonal.mean()), 1e-12) * _DAMPING
    order = np.argsort(-diagonal, kind="stable")
    moments = moments[np.ix_(order, order)] + damping * np.eye(len(moments))
    upper = np.linalg.cholesky(np.linalg.inv(moments)).T
    left = np.array(weight, np.float64)[:, order]
    units = np.asarray(scales, np.float64)
    integers = np.empty(left.shape, np.int8)
    for column, factors in enumerate(upper):
        found = np.clip(np.rint(left[:, column] / units), -LARGEST_WEIGHT, LARGEST_WEIGHT)
        integers[:, order[column]] = found
        error = (left[:, column] - found * units) / factors[column]
        left[:, column + 1 :] -= np.outer(error, factors[column + 1 :])
    return integers
