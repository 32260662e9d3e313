"""Gaussian process regression on examples; new examples are added in blocks.

The kernel is k(x, y) = exp(-GAMMA |x - y|^2), with noise. Predictions: Rasmussen and Williams,
"Gaussian Processes for Machine Learning" (2006), equations 2.25 and 2.26. Leave-one-out
predictions: section 5.4.2, here for groups of rows. The inverse of a grown matrix: appendix A.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sqznet.learning.examples import Codes, Floats

Doubles = npt.NDArray[np.float64]

GAMMA = 2.0
NOISE = 0.05

# The sum of 1024 products of int8 numbers is below 2**24, so float32 holds every sum exactly.
_EXACT = 1024

# From this number of rows on, a BLAS product is worth waking its threads.
_MANY = 16


@dataclass(frozen=True)
class GaussianProcess:
    """The rows of the examples and what depends on them alone, not on their classes.

    rows: the codes as float32 (N, LENGTH). lengths: the norms of the rows (N,). cosines: the cosine
    similarities of all pairs (N, N). inverse: (N, N), the inverse of the kernel matrix with noise.
    """

    rows: Floats
    lengths: Doubles
    cosines: Doubles
    inverse: Doubles

    @classmethod
    def of(cls, codes: Codes) -> GaussianProcess:
        square = np.empty((0, 0))
        empty = cls(np.empty((0, codes.shape[1]), np.float32), np.empty(0), square, square)
        return empty.grown(codes)

    def grown(self, codes: Codes) -> GaussianProcess:
        """This process with more rows; up to rounding, the same as `of` with all rows."""
        fresh = codes.astype(np.float32)
        old = len(self.rows)
        rows = np.concatenate([self.rows, fresh])
        squares = np.einsum("nd,nd->n", fresh, fresh, dtype=np.float64)
        lengths = np.append(self.lengths, np.maximum(np.sqrt(squares), 1))
        cosines = _products(rows, fresh) / (lengths[:, None] * lengths[old:])
        past, own = cosines[:old], cosines[old:]
        reach = self.inverse @ kernel(past)
        corner = _inverse(kernel(own) + NOISE * np.eye(len(own)) - kernel(past).T @ reach)
        off = -reach @ corner
        inverse = np.block([[self.inverse - off @ reach.T, off], [off.T, corner]])
        # Without this, the asymmetry from rounding grows a hundredfold with every addition.
        inverse = (inverse + inverse.T) / 2
        return GaussianProcess(
            rows, lengths, np.block([[self.cosines, past], [past.T, own]]), inverse
        )

    def cosines_to(self, descriptions: Floats) -> Doubles:
        """Cosine similarities (M, N) of unit-length descriptions with the rows."""
        return times(descriptions, self.rows) / self.lengths

    def spread(self, kernels: Doubles) -> Doubles:
        """Standard deviations (M,) of the predictions from kernel values (M, N)."""
        explained = (times(kernels, self.inverse) * kernels).sum(axis=1)
        deviation: Doubles = np.sqrt(np.maximum(1 + NOISE - explained, NOISE))
        return deviation

    def left_out(
        self, groups: npt.NDArray[np.intp], targets: Doubles, weights: Doubles
    ) -> tuple[Doubles, Doubles]:
        """Predictions (M, classes) for the first row of each group (M, size), made without the
        group, and their standard deviations (M,). weights: inverse @ targets."""
        block = _inverse(self.inverse[groups[:, :, None], groups[:, None, :]])
        shift = (block[:, :1] @ weights[groups])[:, 0]
        return targets[groups[:, 0]] - shift, np.sqrt(block[:, 0, 0])


def times(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Doubles:
    """a @ b.T; without BLAS if `a` has few rows, see `features`."""
    product: Doubles = np.einsum("md,nd->mn", a, b) if len(a) < _MANY else a @ b.T
    return product


def kernel(cosines: Doubles) -> Doubles:
    """Kernel values from cosine similarities: for unit vectors, |x - y|^2 is 2 - 2 cos."""
    return np.exp(-2 * GAMMA * np.maximum(1 - cosines, 0))


def _inverse(matrix: Doubles) -> Doubles:
    return np.asarray(np.linalg.inv(matrix), np.float64) if matrix.size else matrix


def _products(a: Floats, b: Floats) -> Doubles:
    """a @ b.T of whole numbers; exact, so it is the same in any order and on any machine."""
    total = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], _EXACT):
        total += a[:, start : start + _EXACT] @ b[:, start : start + _EXACT].T
    return total
