"""The fire module: squeeze, then both expands into their halves of the output."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from sqznet import _kernels
from sqznet.network import reference

from ..support import kernel_cases as cases
from ..support.kernel_cases import Map

Array = Any
Pair = tuple[Array, Array]


def pairs(seed: int, cin: int, squeeze: int, e1: int, e3: int, kind: str) -> list[Pair]:
    """(weight, bias) of squeeze, expand1x1 and expand3x3."""
    shapes = [(squeeze, cin, 1, 1), (e1, squeeze, 1, 1), (e3, squeeze, 3, 3)]
    return [
        (cases.values(seed + 2 * i, shape, kind), cases.values(seed + 2 * i + 1, shape[:1]))
        for i, shape in enumerate(shapes)
    ]


def allowed(x: Array, fire: list[Pair], tile: int) -> Array:
    """The squeeze's error passes through both expands, which add their own."""
    (weight, bias), (weight1, bias1), (weight3, bias3) = fire
    magnitude = reference.conv2d(np.abs(x), np.abs(weight), np.abs(bias))
    passed = cases.budget(weight[0].size + 1, magnitude)
    squeezed = reference.relu(reference.conv2d(x, weight, bias)) + passed
    cases.assert_sharp(weight[0].size + 1)

    magnitude = reference.conv2d(squeezed, np.abs(weight1), np.abs(bias1))
    carried = reference.conv2d(passed, np.abs(weight1), 0 * bias1)
    one = carried + cases.budget(weight1[0].size + 1, magnitude)

    magnitude = cases.tile_magnitude(squeezed, weight3, bias3, tile)
    carried = reference.conv2d(passed, np.abs(weight3), 0 * bias3, padding=1)
    three = carried + cases.winograd_budget(
        cases.winograd_growth(tile, weight3), weight3[0].size + 1, magnitude
    )
    return np.concatenate([one, three], axis=1)


def check_fire(
    table: _kernels.Float32Kernels,
    x: Array,
    fire: list[Pair],
    *,
    tile: int = 5,
    threads: int = 1,
    borders: tuple[int, int] = (0, 0),
    at_end: bool = True,
    beyond: tuple[int, int] = (0, 0),
) -> None:
    """`beyond`: rows of x above and below what is computed."""
    above, below = beyond
    written = slice(above, x.shape[2] - below)
    expected = reference.fire(x, *fire)[:, :, written]
    source = cases.filled(x, borders[0], at_end)
    target = Map(expected.shape, border=borders[1], at_end=at_end)
    packed = [cases.weights(array, at_end) for pair in fire for array in pair]
    layer = _kernels.Fire(table, *packed, tile)
    cases.run_layer(layer, threads, source, target, at_end, above=above)
    source.check(x)
    cases.assert_close(target.nchw, expected, allowed(x, fire, tile)[:, :, written])


tiles = st.integers(4, 7)


@given(data=st.data())
@cases.examples(150)
def test_fire(table: _kernels.Float32Kernels, data: st.DataObject) -> None:
    cin, squeeze, e1, e3 = data.draw(st.tuples(*[cases.channels] * 4))
    beyond = data.draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    height = data.draw(cases.sides) + sum(beyond)
    shape = (data.draw(cases.batches), cin, height, data.draw(cases.sides))
    seed = data.draw(cases.seeds)
    # Weights stay within 2^50: two layers of large ones would leave float32's range.
    w_kind = data.draw(st.sampled_from([k for k in cases.KINDS if k != cases.LARGE]))
    check_fire(
        table,
        cases.values(seed, shape, data.draw(cases.kinds)),
        pairs(seed + 1, cin, squeeze, e1, e3, w_kind),
        tile=data.draw(tiles),
        threads=data.draw(cases.threads),
        borders=data.draw(st.tuples(cases.borders, cases.borders)),
        at_end=data.draw(cases.placements),
        beyond=beyond,
    )


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize(
    ("sizes", "side"),
    [((64, 16, 64, 64), 14), ((128, 32, 128, 128), 13), ((512, 64, 256, 256), 6)],
    ids=str,
)
def test_fires_of_the_real_networks(
    table: _kernels.Float32Kernels, sizes: tuple[int, ...], side: int, kind: str
) -> None:
    x = cases.values(5, (1, sizes[0], side, side), kind)
    check_fire(table, x, pairs(6, *sizes, cases.DENSE), threads=2)


@pytest.mark.parametrize("tile", range(4, 8))
def test_every_tap_of_expand3x3_reaches_its_output(
    table: _kernels.Float32Kernels, tile: int
) -> None:
    """One bright pixel at a time: the output around it is the kernel, turned about."""
    weight = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    one, zero = np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)
    packed = [cases.weights(array) for array in (one, zero, one, zero, weight, zero)]
    layer = _kernels.Fire(table, *packed, tile)
    for row, column in np.ndindex(9, 9):
        x = np.zeros((1, 1, 9, 9), np.float32)
        x[0, 0, row, column] = 1.0
        target = Map((1, 2, 9, 9))
        cases.run_layer(layer, 1, cases.filled(x), target)
        expected = np.zeros((11, 11))
        expected[row : row + 3, column : column + 3] = weight[0, 0, ::-1, ::-1]
        np.testing.assert_allclose(target.nchw[0, 1], expected[1:-1, 1:-1], rtol=0, atol=1e-4)
        np.testing.assert_array_equal(target.nchw[0, 0], x[0, 0])


def test_the_padding_is_zero_however_often_the_memory_was_used(
    table: _kernels.Float32Kernels,
) -> None:
    """The scratch memory is made ready by the layer, not by whoever allocated it."""
    x = cases.values(1, (2, 4, 5, 5))
    packed = [cases.weights(a) for pair in pairs(2, 4, 3, 8, 8, cases.DENSE) for a in pair]
    layer = _kernels.Fire(table, *packed)
    scratch = _kernels.Tensor((1, 1, 1, layer.scratch(2, 5, 5, 2)), "uint8")
    results = set()
    for rubbish in (0.0, 1e30, np.nan):
        np.asarray(scratch).view(np.float32)[:] = rubbish
        target = Map((2, 16, 5, 5))
        layer(cases.POOLS[2], cases.filled(x).tensor, scratch, target.tensor)
        results.add(target.nchw.tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("kind", [cases.DENSE, cases.SPARSE])
def test_the_same_bits_in_any_batch_and_on_any_threads(
    table: _kernels.Float32Kernels, kind: str
) -> None:
    x = cases.values(1, (3, 40, 7, 9), kind)
    packed = [cases.weights(a) for pair in pairs(2, 40, 9, 17, 23, cases.DENSE) for a in pair]
    layer = _kernels.Fire(table, *packed)

    def run(threads: int, x: Array) -> bytes:
        target = Map((len(x), 40, 7, 9))
        cases.run_layer(layer, threads, cases.filled(x), target)
        return target.nchw.tobytes()

    alone = b"".join(run(1, image[None]) for image in x)
    assert {run(threads, x) for threads in cases.POOLS} == {alone}
