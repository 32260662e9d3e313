"""Chooses the steps of a convolution's weights, and rounds the weights to integers of few bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sqznet._kernels import LARGEST_STEP
from sqznet.compression.encoding import weights

Doubles = npt.NDArray[np.float64]

# Added to the diagonal of a covariance, relative to its mean: where weights are moved to make up
# for the inputs, and where they are rounded. With less, the photos are fitted too closely, and
# others worse.
_MOVED_DAMPING, _DAMPING = 0.2, 0.05

# Squared steps that a bit is worth. A step half as wide takes one bit more for each weight, and
# saves three quarters of an error of a twelfth of its square: the derivative is 2 ln 2 / 12.
_BIT = 2 * np.log(2) / 12

# Columns whose errors move the weights after them together.
_BLOCK = 64

_LARGEST = 1000  # integers; a larger one makes its row coarser


class Samples(NamedTuple):
    """Weighted samples of what a convolution reads, (N, K) each: in the float network, and in the
    network whose weights so far are rounded. weights: (N,), their sum is 1."""

    exact: Any
    rounded: Any
    weights: Any


class Statistics(NamedTuple):
    """A convolution before its weights are rounded.

    target: (O, K), the weights that make the float network's sums of the rounded network's inputs.
    order: the columns in the order in which they are rounded. factors: (K, K) upper triangular, in
    this order, by which a column's error moves the others. exact, rounded: the mean inputs (K,).
    """

    target: Doubles
    order: Any
    factors: Doubles
    exact: Doubles
    rounded: Doubles


def statistics(weight: Any, samples: Samples) -> Statistics:
    """What rounding the weights (O, K) needs to know of these samples."""
    share = np.sqrt(samples.weights)[:, None]
    exact, rounded = (np.average(x, 0, samples.weights) for x in samples[:2])
    centered = ((samples.rounded - rounded) * share).astype(np.float32)
    missing = ((samples.exact - exact) * share).astype(np.float32) - centered
    covariance = np.float64(centered.T @ centered)
    cross = np.float64(missing.T @ centered)
    mean = max(float(np.diagonal(covariance).mean()), 1e-12)
    unit = mean * np.eye(len(covariance))
    weight = np.float64(weight)
    target = weight + weight @ cross @ np.linalg.inv(covariance + _MOVED_DAMPING * unit)
    order = np.argsort(-np.diagonal(covariance), kind="stable")
    damped = (covariance + _DAMPING * unit)[np.ix_(order, order)]
    factors = np.linalg.cholesky(np.linalg.inv(damped)).T
    return Statistics(target, order, factors, exact, rounded)


def steps(found: Statistics, importance: Any, coarseness: float) -> tuple[Any, Any]:
    """The exponents of the rows' and the columns' steps, in halves of a power of 2.

    ``importance``: (O,), what a squared error of each output costs. With these steps, a bit less
    for any weight costs the same. ``coarseness``: the square root of this cost.
    """
    columns = np.empty(len(found.order))
    columns[found.order] = np.log2(np.diagonal(found.factors))
    columns = np.rint(2 * columns).astype(np.int32)
    rows = 2 * np.log2(coarseness) - np.log2(importance)
    largest = np.abs(found.target / np.exp2(columns / 2)).max(axis=1)
    rows = np.maximum(np.rint(rows), np.ceil(2 * np.log2(largest / _LARGEST + 1e-30)))
    limits = (-LARGEST_STEP, LARGEST_STEP)
    return np.clip(rows, *limits).astype(np.int32), np.clip(columns, *limits)


def rounded(found: Statistics, rows: Any, columns: Any) -> npt.NDArray[np.int32]:
    """Integers (O, K) for these exponents: few bits, and a small squared error of the sums.

    Column by column, the weights that are still to be rounded make up for the error of those that
    are (Frantar et al., "GPTQ", arXiv:2210.17323, section 3). The first time each weight becomes
    the nearest integer; from these, the bits of integers are known for the second time.
    """
    nearest = _compensated(found, rows, columns, None)
    magnitudes = np.abs(nearest) + 0.02
    spread = magnitudes.mean(axis=1)[:, None] * magnitudes.mean(axis=0) / magnitudes.mean()
    made: npt.NDArray[np.int32] = _compensated(found, rows, columns, _bits(spread))
    return made


def _bits(spread: Any) -> Any:
    """The bits that an integer takes for each unit of its magnitude, where magnitudes have this
    mean: those of a geometric distribution on both sides of 0."""
    return -np.log2((np.sqrt(1 + spread**2) - 1) / spread)


def _compensated(found: Statistics, rows: Any, columns: Any, bits: Any) -> Any:
    order = found.order
    left = found.target[:, order].T.copy()  # a row is a column of weights: adjacent in memory
    units = weights(np.ones(left.T.shape), rows, columns[order]).T.astype(np.float64)
    integers = np.empty(left.shape, np.int32)
    for start in range(0, len(order), _BLOCK):
        stop = min(start + _BLOCK, len(order))
        errors = np.empty((stop - start, left.shape[1]))
        for column in range(start, stop):
            factors = found.factors[column]
            z = left[column] / units[column]
            best = np.rint(z)
            if bits is not None:
                best = _cheapest(z, best, bits[:, order[column]])
            integers[column] = best
            error = (left[column] - best * units[column]) / factors[column]
            left[column + 1 : stop] -= np.outer(factors[column + 1 : stop], error)
            errors[column - start] = error
        left[stop:] -= found.factors[start:stop, stop:].T @ errors
    made = np.empty(left.T.shape, np.int32)
    made[:, order] = integers.T
    return made


def _cheapest(z: Any, nearest: Any, bits: Any) -> Any:
    """Of the nearest integer, the one before it and 0, the cheapest in errors and bits."""
    candidates = np.stack([nearest, nearest - np.sign(nearest), np.zeros_like(nearest)])
    costs = np.square(z - candidates) + _BIT * bits * np.abs(candidates)
    chosen: Any = np.take_along_axis(candidates, costs.argmin(axis=0)[None], axis=0)[0]
    return chosen


def corrected_bias(found: Statistics, bias: Any, weight: Any, made: Any) -> Any:
    """The bias (O,) with which the mean sums stay; ``made``: the rounded weights (O, K)."""
    return bias + np.float64(weight) @ found.exact - np.float64(made) @ found.rounded
