"""Shared by the kernel tests: maps in guarded memory, kinds of values, and error budgets.

A test of a kernel draws a shape, kinds of values and a placement, puts every operand into a
`Map`, runs the kernel and compares with `sqznet.network.reference` through `assert_close`. A new
kernel for one of these operations is covered if it uses the same binding; a kernel with a different
kind of rounding errors needs its own budget below.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import settings

from sqznet import _kernels

from .guarded import CANARY_BITS, Guarded

Array = Any
Layer = (
    _kernels.Conv
    | _kernels.Squeeze
    | _kernels.Stem
    | _kernels.PaddedConv
    | _kernels.Fire
    | _kernels.Classifier
)

# --- Error budgets ---------------------------------------------------------------------------
#
# A float32 sum of K products, in any order, with or without fused multiplication, is off by at
# most K u / (1 - K u) times the sum of the products' magnitudes (Higham, "Accuracy and Stability
# of Numerical Algorithms", section 3.1), where u = 2^-24 is the unit roundoff. Each product below
# the normal range loses up to half the smallest denormal. The budget is exactly this bound, so it
# scales with the data. Yet it cannot hide a wrong tap: magnitudes of drawn values differ by at most
# `SPREAD` within an operand, so a tap is at least 1 / (SPREAD^2 K) of the sum of magnitudes; for
# every K here, this is at least ten times the budget (see `assert_sharp`).
#
# Winograd's algorithm rounds relative to the largest values of a whole tile, not of the one
# output, and its transforms add and subtract. So the magnitude is that of the tile
# (`tile_magnitude`), and the factor before u is measured and doubled. It is largest where errors of
# several channels cannot cancel, with one input channel, and where a filter holds zeros: the other
# taps then add nothing to the magnitude. kernels/test_padded_conv.py measures it again (-m slow).
# For the stem at most 120 u was seen with tiles of 5 x 5 and filters of 4 x 4 that are nearly all
# zero, and 560 u with tiles of 6 x 6.

# NEON on 32-bit ARM has no denormals: it reads and writes zeros instead. There, the smallest normal
# number replaces the smallest denormal, and no operand is denormal.

FLUSHES_DENORMALS = sys.maxsize < 2**32 and platform.machine().startswith(("arm", "aarch64"))
UNIT_ROUNDOFF = 2.0**-24
SMALLEST_DENORMAL = 2.0**-126 if FLUSHES_DENORMALS else 2.0**-149
SPREAD = 2.0
# By tile: for filters without a zero, and for others.
WINOGRAD_GROWTH = {4: (140.0, 700.0), 5: (240.0, 1200.0), 6: (280.0, 1400.0), 7: (2400.0, 7000.0)}
STEM_GROWTH = {5: 256.0, 6: 1152.0}


def budget(terms: int, magnitude: Array) -> Array:
    """The allowed error of sums of `terms` products, whose magnitudes sum to `magnitude`."""
    return (terms + 2) * (UNIT_ROUNDOFF * magnitude + SMALLEST_DENORMAL)


def winograd_growth(tile: int, weight: Array) -> float:
    return WINOGRAD_GROWTH[tile][int((weight == 0).any())]


def winograd_budget(growth: float, terms: int, magnitude: Array) -> Array:
    """The same for Winograd's algorithm; `magnitude` is that of the tile."""
    return growth * (UNIT_ROUNDOFF * magnitude + (terms + 2) * SMALLEST_DENORMAL)


def tile_magnitude(x: Array, weight: Array, bias: Array, tile: int) -> Array:
    """Sum of |x| |w| + |bias| for 3x3 taps, where each |x| is the largest in the same tile."""
    reach = tile + 1
    padded = np.pad(np.abs(x), ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    for axis in (2, 3):
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        padded = windows.max(axis=-1)
    taps = np.abs(weight).astype(np.float64).sum(axis=(2, 3))
    sums = np.einsum("nihw,oi->nohw", padded, taps, optimize=True)
    return np.asarray(sums + np.abs(bias)[:, None, None])


def assert_sharp(terms: int) -> None:
    """Asserts that a single wrong tap among `terms` exceeds the budget tenfold."""
    assert (terms + 2) * UNIT_ROUNDOFF * 10 < 1 / (SPREAD**2 * terms)


def assert_close(found: Array, expected: Array, allowed: Array) -> None:
    error = np.abs(np.asarray(found, np.float64) - expected)
    worst = np.unravel_index(np.argmax(error - allowed), error.shape) if error.size else ()
    assert (error <= allowed).all(), (  # false for NaN too
        f"at {tuple(map(int, worst))}: {found[worst]!r}, expected {expected[worst]!r} "
        f"+- {np.broadcast_to(allowed, error.shape)[worst]:.3g}"
    )


# --- Values ----------------------------------------------------------------------------------

KINDS = DENSE, RELU, SPARSE, ZERO, DENORMAL, LARGE = (
    "dense",
    "relu",
    "sparse",
    "zero",
    "denormal",
    "large",
)
_ZEROS = {RELU: 0.5, SPARSE: 0.93, ZERO: 1.0}  # shares measured after this network's ReLUs
_SCALES = {DENORMAL: 2.0**-100 if FLUSHES_DENORMALS else 2.0**-135, LARGE: 2.0**50}


def values(seed: int, shape: tuple[int, ...], kind: str = DENSE) -> Array:
    """float32 with magnitudes s..2s for one s; signed unless they represent a ReLU's output."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1.0, SPREAD, shape) * _SCALES.get(kind, 1.0)
    if kind in _ZEROS:
        x[rng.random(shape) < _ZEROS[kind]] = 0.0
    else:
        x *= rng.choice((-1.0, 1.0), shape)
    return x.astype(np.float32)


def half_values(seed: int, shape: tuple[int, ...], kind: str = DENSE) -> Array:
    """The same as half-precision numbers: zeros if they are too small. LARGE ones stay floats."""
    x = values(seed, shape, kind)
    return x if kind == LARGE else x.astype(np.float16).astype(np.float32)


kinds = st.sampled_from(KINDS)
weight_values = st.sampled_from((values, half_values))
seeds = st.integers(0, 2**32 - 1)
# Around the multiples of registers (8, 16) and of register tiles, and any other count up to 70.
channels = st.one_of(
    st.sampled_from((1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 70)),
    st.integers(1, 70),
)
sides = st.integers(1, 13)
batches = st.integers(1, 3)
threads = st.integers(1, 3)
borders = st.integers(0, 2)
placements = st.booleans()

POOLS = {n: _kernels.ThreadPool(n) for n in (1, 2, 3)}


def examples(count: int) -> settings:
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None, print_blob=False
    )


# --- Operands --------------------------------------------------------------------------------


class Map:
    """An (N, C, H, W) map, stored channel-last in guarded memory, with `border` pixels around it.

    The border holds canaries: NaN that a kernel must neither use nor overwrite. Without `content`,
    the map itself holds them too, so that a missing write shows.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        content: Array | None = None,
        border: int = 0,
        at_end: bool = True,
    ) -> None:
        n, c, h, w = shape
        stored = (n, h + 2 * border, w + 2 * border, c)
        self._memory = Guarded(int(np.prod(stored)), at_end)
        self._whole = self._memory.array.reshape(stored)
        self._inside = self._whole[:, border : border + h, border : border + w]
        self._border = border
        if content is not None:
            self._inside[...] = np.moveaxis(content, 1, -1)
        tensor = _kernels.Tensor.over(self._memory.array, stored)
        self.tensor = tensor.inside(border) if border else tensor

    @property
    def nchw(self) -> Array:
        """A copy of the current content."""
        return np.ascontiguousarray(np.moveaxis(self._inside, -1, 1))

    def check(self, content: Array | None = None) -> None:
        """Asserts that nothing around the map was written and that it still holds `content`."""
        self._memory.check()
        outside = np.ones(self._whole.shape, bool)
        b, (_, h, w, _) = self._border, self._whole.shape
        outside[:, b : h - b, b : w - b] = False
        bits = self._whole.view(np.uint32)
        assert (bits[outside] == CANARY_BITS).all(), "the border around a map was written"
        if content is not None:
            same = self.nchw.tobytes() == np.asarray(content, np.float32).tobytes()
            assert same, "an input was written"


def filled(content: Array, border: int = 0, at_end: bool = True) -> Map:
    return Map(content.shape, content, border, at_end)


def weights(array: Array, at_end: bool = True) -> _kernels.Tensor:
    """A guarded tensor of weights (OIHW) or biases (O)."""
    memory = Guarded(array.size, at_end)
    memory.array[:] = array.ravel()
    shape = (*array.shape, 1, 1, 1)[:4]
    return _kernels.Tensor.over(memory.array, shape)


def run_layer(layer: Layer, threads: int, x: Map, y: Map, at_end: bool = True, **rows: int) -> None:
    """Calls the layer once, with exactly the scratch memory it needs, full of canaries."""
    by_output = isinstance(layer, _kernels.PaddedConv | _kernels.Fire)
    n, h, w, _ = (y if by_output else x).tensor.shape
    nbytes = layer.scratch(n, h, w, threads)
    assert nbytes % 4 == 0  # so that the memory ends where the layer's does
    scratch = Guarded(max(1, nbytes // 4), at_end)
    memory = scratch.array.view(np.uint8)
    tensor = _kernels.Tensor.over(memory, (1, 1, 1, memory.size), "uint8")
    layer(POOLS[threads], x.tensor, tensor, y.tensor, **rows)
    scratch.check()
    y.check()
