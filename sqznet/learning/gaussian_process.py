"""A Gaussian process over examples, grown by blocks.

Regression with the kernel k(x, y) = exp(-GAMMA |x - y|^2) and noise: Rasmussen and Williams,
"Gaussian Processes for Machine Learning" (2006), equations 2.25 and 2.26. Examples left out:
section 5.4.2, for groups instead of single ones. The inverse of a grown matrix: appendix A.3.
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

# 1024 products of int8 numbers add up to less than 2**24, so float32 holds every sum exactly.
_EXACT = 1024

# From so many rows on, BLAS is worth its threads.
_MANY = 16


@dataclass(frozen=True)
class Process:
    """The examples' rows and what follows from them alone, whatever their classes.

    rows: the codes as float32 (N, LENGTH). lengths: of the rows (N,). likeness: the cosines of all
    pairs (N, N). inverse: (N, N), of the kernel's matrix with the noise.
    """

    rows: Floats
    lengths: Doubles
    likeness: Doubles
    inverse: Doubles

    @classmethod
    def of(cls, codes: Codes) -> Process:
        square = np.empty((0, 0))
        nothing = cls(np.empty((0, codes.shape[1]), np.float32), np.empty(0), square, square)
        return nothing.grown(codes)

    def grown(self, codes: Codes) -> Process:
        """With more rows; as `of` all of them would give it, but for rounding."""
        fresh = codes.astype(np.float32)
        old = len(self.rows)
        rows = np.concatenate([self.rows, fresh])
        squares = np.einsum("nd,nd->n", fresh, fresh, dtype=np.float64)
        lengths = np.append(self.lengths, np.maximum(np.sqrt(squares), 1))
        likeness = _products(rows, fresh) / (lengths[:, None] * lengths[old:])
        past, own = likeness[:old], likeness[old:]
        reach = self.inverse @ kernel(past)
        corner = _inverse(kernel(own) + NOISE * np.eye(len(own)) - kernel(past).T @ reach)
        off = -reach @ corner
        inverse = np.block([[self.inverse - off @ reach.T, off], [off.T, corner]])
        # Without this, what rounding makes asymmetric grows a hundredfold with every addition.
        inverse = (inverse + inverse.T) / 2
        return Process(rows, lengths, np.block([[self.likeness, past], [past.T, own]]), inverse)

    def likeness_to(self, descriptions: Floats) -> Doubles:
        """Cosines (M, N) of descriptions of length one with the rows."""
        return times(descriptions, self.rows) / self.lengths

    def spread(self, near: Doubles) -> Doubles:
        """Standard deviations (M,) of predictions from kernel values (M, N)."""
        explained = (times(near, self.inverse) * near).sum(axis=1)
        deviation: Doubles = np.sqrt(np.maximum(1 + NOISE - explained, NOISE))
        return deviation

    def left_out(
        self, groups: npt.NDArray[np.intp], targets: Doubles, weights: Doubles
    ) -> tuple[Doubles, Doubles]:
        """Predictions (M, classes) for the first row of each group (M, size) without the group,
        and their standard deviations (M,). weights: inverse @ targets."""
        block = _inverse(self.inverse[groups[:, :, None], groups[:, None, :]])
        shift = (block[:, :1] @ weights[groups])[:, 0]
        return targets[groups[:, 0]] - shift, np.sqrt(block[:, 0, 0])


def times(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Doubles:
    """a @ b.T; for few rows of `a` without BLAS, see `features`."""
    product: Doubles = np.einsum("md,nd->mn", a, b) if len(a) < _MANY else a @ b.T
    return product


def kernel(likeness: Doubles) -> Doubles:
    """Of rows of length one, |x - y|^2 is 2 - 2 cos."""
    return np.exp(-2 * GAMMA * np.maximum(1 - likeness, 0))


def _inverse(matrix: Doubles) -> Doubles:
    return np.asarray(np.linalg.inv(matrix), np.float64) if matrix.size else matrix


def _products(a: Floats, b: Floats) -> Doubles:
    """a @ b.T of whole numbers, exact: the same in any order and on any machine."""
    total = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], _EXACT):
        total += a[:, start : start + _EXACT] @ b[:, start : start + _EXACT].T
    return total
