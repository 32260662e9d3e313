"""The padded 3x3 convolution, by Winograd's algorithm."""

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


def check_padded_conv(
    table: _kernels.Float32Kernels,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    relu: bool = True,
    tile: int = 0,
    threads: int = 1,
    borders: tuple[int, int] = (0, 0),
    at_end: bool = True,
    beyond: tuple[int, int] = (0, 0),
) -> None:
    """`beyond`: rows of x above and below what is computed."""
    above, below = beyond
    written = slice(above, x.shape[2] - below)
    expected = reference.conv2d(x, weight, bias, padding=1)[:, :, written]
    source = cases.filled(x, borders[0], at_end)
    target = Map(expected.shape, border=borders[1], at_end=at_end)
    packed = cases.weights(weight, at_end), cases.weights(bias, at_end)
    layer = _kernels.PaddedConv(table, *packed, relu, tile)
    cases.run_layer(layer, threads, source, target, at_end, above=above)
    source.check(x)
    largest = tile or table.max_tile  # of those that the layer chooses from
    allowed = cases.winograd_budget(
        cases.winograd_growth(largest, weight),
        weight[0].size + 1,
        cases.tile_magnitude(x, weight, bias, largest)[:, :, written],
    )
    cases.assert_close(target.nchw, reference.relu(expected) if relu else expected, allowed)


@given(data=st.data())
@cases.examples(150)
def test_padded_conv(table: _kernels.Float32Kernels, data: st.DataObject) -> None:
    cin, cout = data.draw(cases.channels), data.draw(cases.channels)
    beyond = data.draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    height = data.draw(cases.sides) + sum(beyond)
    shape = (data.draw(cases.batches), cin, height, data.draw(cases.sides))
    seed = data.draw(cases.seeds)
    check_padded_conv(
        table,
        cases.values(seed, shape, data.draw(cases.kinds)),
        data.draw(cases.weight_values)(seed + 1, (cout, cin, 3, 3), data.draw(cases.kinds)),
        cases.values(seed + 2, (cout,)),
        relu=data.draw(st.booleans()),
        tile=data.draw(st.sampled_from((0, *range(4, 8)))),
        threads=data.draw(cases.threads),
        borders=data.draw(st.tuples(cases.borders, cases.borders)),
        at_end=data.draw(cases.placements),
        beyond=beyond,
    )


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("channels", "side"), [(64, 27), (256, 14), (512, 13)])
def test_the_sizes_of_a_detector(
    table: _kernels.Float32Kernels, channels: int, side: int, relu: bool
) -> None:
    x = cases.values(1, (1, channels, side, side), cases.RELU)
    weight, bias = cases.values(2, (72, channels, 3, 3)), cases.values(3, (72,))
    check_padded_conv(table, x, weight, bias, relu=relu, threads=2)


def tiles(table: _kernels.Float32Kernels, height: int, width: int) -> tuple[int, int, int]:
    """The tile, and the rows and columns of small ones, that a layer chooses for its outputs."""
    weight, bias = np.zeros((1, 1, 3, 3), np.float32), np.zeros(1, np.float32)
    return _kernels.PaddedConv(table, cases.weights(weight), cases.weights(bias)).tiles(
        height, width
    )


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(31, 31), (30, 21), (21, 29), (79, 79)])
def test_small_tiles_at_the_edges(
    table: _kernels.Float32Kernels, height: int, width: int, batch: int
) -> None:
    x = cases.values(1, (batch, 9, height, width))
    weight, bias = cases.values(2, (17, 9, 3, 3)), cases.values(3, (17,))
    check_padded_conv(table, x, weight, bias, threads=2, borders=(1, 1))


def test_maps_that_whole_tiles_do_not_fit_have_small_ones(table: _kernels.Float32Kernels) -> None:
    assert tiles(table, 79, 79) == (table.max_tile, 2, 2)
    assert sum(tiles(table, 31, 31)[1:]) >= 2


def test_sizes_of_whole_tiles_have_no_small_ones(table: _kernels.Float32Kernels) -> None:
    side = 4 * table.max_tile
    assert tiles(table, side, side) == (table.max_tile, 0, 0)


@pytest.mark.parametrize("tile", range(4, 8))
def test_every_tap_reaches_its_output(table: _kernels.Float32Kernels, tile: int) -> None:
    """One bright pixel at a time: the output around it is the kernel, turned about."""
    weight = np.arange(-4, 5, dtype=np.float32).reshape(1, 1, 3, 3)
    packed = cases.weights(weight), cases.weights(np.zeros(1, np.float32))
    layer = _kernels.PaddedConv(table, *packed, False, tile)
    for row, column in np.ndindex(9, 9):
        x = np.zeros((1, 1, 9, 9), np.float32)
        x[0, 0, row, column] = 1.0
        target = Map((1, 1, 9, 9))
        cases.run_layer(layer, 1, cases.filled(x), target)
        expected = np.zeros((11, 11))
        expected[row : row + 3, column : column + 3] = weight[0, 0, ::-1, ::-1]
        np.testing.assert_allclose(target.nchw[0, 0], expected[1:-1, 1:-1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("relu", [False, True])
def test_the_padding_is_zero_however_often_the_memory_was_used(
    table: _kernels.Float32Kernels, relu: bool
) -> None:
    """The scratch memory is made ready by the layer, not by whoever allocated it."""
    x = cases.values(1, (2, 4, 5, 5))
    packed = cases.weights(cases.values(2, (8, 4, 3, 3))), cases.weights(cases.values(3, (8,)))
    layer = _kernels.PaddedConv(table, *packed, relu)
    scratch = _kernels.Tensor((1, 1, 1, layer.scratch(2, 5, 5, 2)), "uint8")
    results = set()
    for rubbish in (0.0, 1e30, np.nan):
        np.asarray(scratch).view(np.float32)[:] = rubbish
        target = Map((2, 8, 5, 5))
        layer(cases.POOLS[2], cases.filled(x).tensor, scratch, target.tensor)
        results.add(target.nchw.tobytes())
    assert len(results) == 1


def test_what_is_not_a_number_stays_so_without_a_relu(table: _kernels.Float32Kernels) -> None:
    x = np.full((1, 8, 4, 4), np.nan, np.float32)
    packed = cases.weights(cases.values(2, (8, 8, 3, 3))), cases.weights(cases.values(3, (8,)))
    target = Map((1, 8, 4, 4))
    cases.run_layer(_kernels.PaddedConv(table, *packed, False), 1, cases.filled(x), target)
    assert np.isnan(target.nchw).all()


@pytest.mark.parametrize("kind", [cases.DENSE, cases.SPARSE])
def test_the_same_bits_in_any_batch_and_on_any_threads(
    table: _kernels.Float32Kernels, kind: str
) -> None:
    x = cases.values(1, (3, 40, 7, 9), kind)
    packed = cases.weights(cases.values(2, (23, 40, 3, 3))), cases.weights(cases.values(3, (23,)))
    layer = _kernels.PaddedConv(table, *packed)

    def run(threads: int, x: Array) -> bytes:
        target = Map((len(x), 23, 7, 9))
        cases.run_layer(layer, threads, cases.filled(x), target)
        return target.nchw.tobytes()

    alone = b"".join(run(1, image[None]) for image in x)
    assert {run(threads, x) for threads in cases.POOLS} == {alone}


def test_bands_are_the_rows_of_the_whole_map(table: _kernels.Float32Kernels) -> None:
    """With a band height of whole tiles, bit by bit."""
    x = cases.values(1, (1, 17, 2 * 5, 9))
    packed = cases.weights(cases.values(2, (23, 17, 3, 3))), cases.weights(cases.values(3, (23,)))
    layer = _kernels.PaddedConv(table, *packed, tile=5)
    whole, upper, lower = Map((1, 23, 10, 9)), Map((1, 23, 5, 9)), Map((1, 23, 5, 9))
    cases.run_layer(layer, 1, cases.filled(x), whole)
    cases.run_layer(layer, 1, cases.filled(x[:, :, :6]), upper)
    cases.run_layer(layer, 1, cases.filled(x[:, :, 4:]), lower, above=1)
    both = np.concatenate([upper.nchw, lower.nchw], axis=2)
    assert both.tobytes() == whole.nchw.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("with_zeros", [False, True])
@pytest.mark.parametrize("tile", sorted(cases.WINOGRAD_GROWTH))
def test_the_budget_is_about_twice_what_is_seen(
    table: _kernels.Float32Kernels, tile: int, with_zeros: bool
) -> None:
    """-s prints it; `WINOGRAD_GROWTH` is made of it."""
    rng = np.random.default_rng(tile)
    seen = 0.0
    for seed in rng.integers(1 << 32, size=600).tolist():
        cin, cout = rng.choice((1, 1, 2, 3)), rng.choice((8, 16))
        height, width = rng.integers(4, 16, 2)
        kinds = ("relu", "sparse") if with_zeros else ("dense", "large")
        x = cases.values(seed, (1, cin, height, width), rng.choice(("dense", "large")))
        weight = cases.values(seed + 1, (cout, cin, 3, 3), rng.choice(kinds))
        expected = reference.conv2d(x, weight, np.zeros(cout), padding=1)
        layer = _kernels.PaddedConv(
            table, cases.weights(weight), cases.weights(np.zeros(cout, np.float32)), False, tile
        )
        target = Map(expected.shape)
        cases.run_layer(layer, 1, cases.filled(x), target, True)
        magnitude = cases.tile_magnitude(x, weight, np.zeros(cout), tile)
        at = magnitude > 0
        error = np.abs(target.nchw - expected)[at] / (cases.UNIT_ROUNDOFF * magnitude[at])
        seen = max(seen, error.max(initial=0))
    budget = cases.WINOGRAD_GROWTH[tile][with_zeros]
    print(
        f"tiles of {tile} x {tile}{', zeros' * with_zeros}: at most {seen:.0f} u of {budget:.0f} u"
    )
    assert budget / 6 < seen <= budget
