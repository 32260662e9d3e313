"""Large maps in bands of rows: the plan, and whole networks that run by it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import sqznet
from sqznet import _kernels
from sqznet.engine import bands
from sqznet.engine.program import Dtype
from sqznet.network import reference, variants
from sqznet.network.layers import Conv, Fire, Layer, MapShape, MaxPool

from ..support import networks
from ..support.kernel_cases import examples
from ..support.whole_networks import BASES, assert_near, draw_network

Array = Any


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[Layer], list[int]]:
    """Layers that end with a pool, and the heights of the first input and of all outputs."""
    stem = [draw(st.sampled_from((Conv("stem", 4, 3), Conv("stem", 4, 7))))]
    fires = [Fire(f"fire{i}", 1, 2, 2) for i in range(draw(st.integers(0, 4)))]
    layers = [*draw(st.sampled_from((stem, []))), *fires, MaxPool("pool", draw(st.booleans()))]
    heights = [draw(st.integers(9, 80))]
    for layer in layers:
        heights.append(layer.output_shape((heights[-1], 9, 9))[0])
    return layers, heights


@given(group=groups(), rows=st.integers(1, 20))
@examples(300)
def test_every_row_is_written_once_and_read_while_it_is_stored(
    group: tuple[list[Layer], list[int]], rows: int
) -> None:
    layers, heights = group
    if min(heights) < 1:
        return
    plan = bands.plan_of(layers, heights, rows)
    written = [heights[0], *[0] * len(layers)]  # rows of each map
    dropped = [0] * len(layers)  # rows of each layer's input that are gone
    for number, band in enumerate(plan):
        assert len(band) == len(layers)
        before = list(written)
        for i, turn in enumerate(band):
            assert turn.first == written[i + 1]
            assert i == 0 or turn.kept == before[i]
            written[i + 1] = turn.stop
            if turn.first < turn.stop:
                assert dropped[i] <= turn.needed < turn.read <= written[i]
                dropped[i] = turn.needed
        assert written[-1] == min((number + 1) * rows, heights[-1])
    assert written[-1] == heights[-1]


def banded(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Makes every group that ends with a pool run in bands of this many rows."""

    def rows_of_a_band(group: range, shapes: list[MapShape], dtypes: list[Dtype]) -> int:
        pooled = shapes[group[-1]][0]
        return rows if shapes[group[0]][0] > pooled > rows else 0

    monkeypatch.setattr(bands, "rows_of_a_band", rows_of_a_band)


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("base", BASES)
@given(data=st.data())
@examples(8)
def test_against_the_reference(
    table: _kernels.Float32Kernels, base: str, bypass: str, data: st.DataObject
) -> None:
    network, made = draw_network(data, base, bypass)
    least = network.minimum_size
    height, width = data.draw(st.integers(least, 120)), data.draw(st.integers(least, 60))
    x = networks.inputs(1, data.draw(st.integers(1, 3)), height, width)
    ready = networks.executor(network, made, table.isa, data.draw(st.integers(1, 3)))
    with pytest.MonkeyPatch.context() as patch:
        banded(patch, data.draw(st.integers(1, 9)))
        found = networks.run(ready, x)
    assert_near(network, made, x, found)


def test_bands_run_and_depend_neither_on_threads_nor_on_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = networks.tensors("squeezenet1_1", bypass="complex")
    network = networks.network(made)
    x = networks.inputs(3, 5, 111, 52)
    whole = networks.executor(network, made)
    banded(monkeypatch, 3)
    alone = networks.executor(network, made)
    single = np.concatenate([networks.run(alone, image[None]) for image in x])
    layers = [index for index, _ in alone.acquire(1, 111, 52).by_layer()]
    assert layers[:6] == [0, 1] * 3
    assert layers.count(0) == layers.count(1) == 9  # 27 rows after the first pool
    assert layers.count(2) == layers.count(4) == 5  # 13 after the second
    for threads in (1, 2, 3):
        ready = networks.executor(network, made, threads=threads)
        for n in (5, 1, 3):
            assert networks.run(ready, x[:n]).tobytes() == single[:n].tobytes()
    monkeypatch.undo()
    assert np.abs(networks.run(whole, x) - single).max() < 1e-4 * np.abs(single).max()


def test_the_previous_input_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    made = networks.tensors("squeezenet1_0", bypass="simple")
    network = networks.network(
        made, "squeezenet1_0_simple_bypass", variants.Wiring(conv1_padding=2)
    )
    banded(monkeypatch, 2)
    ready = networks.executor(network, made)
    x = networks.inputs(4, 2, 93, 47)
    expected = networks.run(ready, x).tobytes()
    networks.run(ready, np.full_like(x, 1e20))
    assert networks.run(ready, x).tobytes() == expected


def test_requested_maps_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    made = networks.tensors("squeezenet1_1")
    network = networks.network(made)
    banded(monkeypatch, 2)
    ready = networks.executor(network, made)
    x = networks.inputs(5, 1, 95, 60)
    keep = ("features.3", "features.6")
    workspace = ready.acquire(1, 95, 60, keep)
    _kernels.import_nchw(ready.pool, x, workspace.input)
    workspace.run()
    expected = reference.layer_outputs(network, made, x)
    for name in keep:
        found = np.asarray(workspace.outputs[name]).transpose(0, 3, 1, 2)
        assert found.shape == expected[name].shape
        assert np.abs(found - expected[name]).max() < 1e-4 * np.abs(expected[name]).max()


def test_only_large_maps_run_in_bands() -> None:
    layers = sqznet.load().executor.network
    sides = {}
    for side in (224, 320, 384, 512, 1024):
        shapes = layers.shapes(side, side)
        rows = [
            bands.rows_of_a_band(group, shapes, ["float32"] * len(shapes))
            for group in bands.groups(layers.layers, range(len(layers.layers)))
        ]
        assert all(found % bands.STEP == 0 for found in rows)
        sides[side] = [found > 0 for found in rows]
    # Up to the first pool, the second and the third; the last group has no pool.
    never = [False] * 4
    assert sides == {
        224: never,
        320: never,
        384: [True, False, False, False],
        512: [True, False, False, False],
        1024: [True, True, True, False],
    }


def test_memory_grows_little_with_the_height_of_large_images() -> None:
    executor = sqznet.load(threads=1).executor
    sizes = [executor.acquire(1, height, 512).nbytes for height in (1024, 2048, 4096)]
    # The image and the maps after the pools; all maps would take 80 bytes per additional pixel.
    for (less, more), height in zip(pairwise(sizes), (1024, 2048), strict=True):
        assert more - less < 40 * height * 512
