"""Whole networks with few channels against the reference, and the executor's use of memory."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import sqznet
from sqznet import _kernels
from sqznet.engine.executor import KEPT_WORKSPACES
from sqznet.engine.program import Program, Value
from sqznet.errors import SqznetError, WeightsError
from sqznet.network import variants

from ..support import networks
from ..support.kernel_cases import examples
from ..support.whole_networks import BASES, assert_near, draw_network

Array = Any


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
@pytest.mark.parametrize("base", BASES)
@given(data=st.data())
@examples(12)
def test_against_the_reference(
    table: _kernels.Float32Kernels, base: str, bypass: str, data: st.DataObject
) -> None:
    network, made = draw_network(data, base, bypass)
    least = network.minimum_size
    side = st.integers(least, least + 40)
    x = networks.inputs(1, data.draw(st.integers(1, 5)), data.draw(side), data.draw(side))
    ready = networks.executor(network, made, table.isa, data.draw(st.integers(1, 3)))
    assert_near(network, made, x, networks.run(ready, x))


@pytest.mark.parametrize("base", BASES)
def test_smallest_and_oblong_inputs(table: _kernels.Float32Kernels, base: str) -> None:
    made = networks.tensors(base, classes=1000)
    network = networks.network(made)
    ready = networks.executor(network, made, table.isa, threads=2)
    least = network.minimum_size
    for height, width in ((least, least), (least, 131), (131, least), (least + 1, least + 2)):
        x = networks.inputs(2, 2, height, width)
        assert_near(network, made, x, networks.run(ready, x))
    with pytest.raises(SqznetError, match="smallest side"):
        ready.acquire(1, least - 1, 131)


def test_results_do_not_depend_on_threads_or_batch(table: _kernels.Float32Kernels) -> None:
    made = networks.tensors("squeezenet1_1", bypass="complex")
    network = networks.network(made)
    x = networks.inputs(3, 5, 45, 52)
    alone = networks.executor(network, made, table.isa, threads=1)
    single = np.concatenate([networks.run(alone, image[None]) for image in x])
    for threads in (1, 2, 3, 5):
        ready = networks.executor(network, made, table.isa, threads)
        for n in (5, 1, 3, 5):
            assert networks.run(ready, x[:n]).tobytes() == single[:n].tobytes()


@pytest.mark.parametrize("pool_threads", [1, 2])
def test_many_callers_get_the_same_results_as_one(pool_threads: int) -> None:
    """Batches of different sizes interleave, with more callers than kept workspaces."""
    made = networks.tensors("squeezenet1_1")
    network = networks.network(made)
    ready = networks.executor(network, made, _kernels.best_kernels().isa, pool_threads)
    batches = [networks.inputs(n, n, 33 + 8 * n, 50) for n in (1, 2, 3, 4)]
    expected = [networks.run(ready, x).tobytes() for x in batches]
    failures: list[str] = []
    start = threading.Barrier(8)

    def caller(first: int) -> None:
        start.wait()
        for turn in range(30):
            i = (first + turn) % len(batches)
            if networks.run(ready, batches[i]).tobytes() != expected[i]:
                failures.append(f"caller {first}, turn {turn}")

    callers = [threading.Thread(target=caller, args=(i,)) for i in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not failures


def test_workspaces_are_reused_and_bounded() -> None:
    made = networks.tensors("squeezenet1_1")
    ready = networks.executor(networks.network(made), made)
    first = ready.acquire(1, 40, 40)
    ready.release(first)
    assert ready.acquire(1, 40, 40) is first
    second = ready.acquire(1, 40, 40)
    assert second is not first  # never one workspace for two callers
    held = [ready.acquire(1, 40, 40) for _ in range(3 * KEPT_WORKSPACES)]
    for workspace in (first, second, *held):
        ready.release(workspace)
    assert len(ready._idle) == KEPT_WORKSPACES
    for side in range(17, 60):
        ready.release(ready.acquire(1, side, side))
        assert len(ready._idle) <= KEPT_WORKSPACES
        assert ready._idle[-1].input.shape == (1, side, side, 3)


def test_large_workspaces_are_not_hoarded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = networks.tensors("squeezenet1_1")
    ready = networks.executor(networks.network(made), made)
    small, large = ready.acquire(1, 40, 40), ready.acquire(1, 80, 80)
    monkeypatch.setattr("sqznet.engine.executor.KEPT_BYTES", large.nbytes)
    ready.release(small)
    ready.release(large)
    assert ready._idle == [large]  # the last one is kept, however large it is


def test_running_allocates_nothing() -> None:
    """Running a workspace leaves the traced memory unchanged."""
    import tracemalloc

    made = networks.tensors("squeezenet1_1")
    ready = networks.executor(networks.network(made), made)
    workspace = ready.acquire(1, 40, 40)
    workspace.run()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            workspace.run()
        assert tracemalloc.get_traced_memory()[0] - before < 1000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("conv1_padding", [0, 3])
@pytest.mark.parametrize("base", BASES)
def test_every_image_of_a_batch_has_its_border(
    table: _kernels.Float32Kernels, base: str, conv1_padding: int
) -> None:
    """Compared with a network without padding whose input includes the zeros."""
    made = networks.tensors(base)
    x = networks.inputs(6, 4, 41, 56)
    grown = np.pad(x, ((0, 0), (0, 0), *[(conv1_padding, conv1_padding)] * 2))
    wired = networks.network(made, wiring=variants.Wiring(conv1_padding=conv1_padding))
    padded = networks.executor(wired, made, table.isa, threads=2)
    plain = networks.executor(networks.network(made), made, table.isa, threads=2)
    assert networks.run(padded, x).tobytes() == networks.run(plain, grown).tobytes()
    workspace = padded.acquire(4, 41, 56)
    assert workspace.input.shape == (4, 41, 56, 3)
    assert workspace.image(3).shape == (1, 41, 56, 3)


@pytest.mark.parametrize("conv1_padding", [0, 2])
def test_the_previous_input_leaves_no_trace(conv1_padding: int) -> None:
    """The memory first holds a huge input: borders and scratch must be rewritten."""
    made = networks.tensors("squeezenet1_0", bypass="simple")
    wiring = variants.Wiring(conv1_padding=conv1_padding)
    network = networks.network(made, "squeezenet1_0_simple_bypass", wiring)
    ready = networks.executor(network, made)
    x = networks.inputs(4, 2, 53, 47)
    expected = networks.run(ready, x).tobytes()
    networks.run(ready, np.full_like(x, 1e20))
    assert networks.run(ready, x).tobytes() == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["features.0.weight", "features.12.expand3x3.bias"])
def test_weights_that_are_not_finite(name: str, value: float) -> None:
    made = networks.tensors("squeezenet1_1")
    made[name].flat[-1] = value
    with pytest.raises(WeightsError, match=name):
        networks.executor(networks.network(made), made)


# --- The plan of the arena -------------------------------------------------------------------


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Steps over values of any type, which are created at any time and live for any time."""
    program = Program()
    dtypes = st.sampled_from(("float32", "int32", "int8", "uint8"))
    values = [program.value(1, 1, 1, draw(st.integers(1, 200)), dtype=draw(dtypes))]
    for _ in range(draw(st.integers(1, 12))):
        fresh = [
            program.value(1, 1, draw(st.integers(1, 3)), draw(st.integers(1, 200)), dtype=dtype)
            for dtype in draw(st.lists(dtypes, max_size=3))
        ]
        values += fresh
        others = draw(st.lists(st.sampled_from(values), max_size=3))
        program.step(lambda *_: None, *fresh, *others)
    return program


@given(program=programs())
@examples(300)
def test_no_value_overlaps_another_live_one(program: Program) -> None:
    size = program.allocate()
    for value in program.values:
        assert value.offset >= 0
        assert value.offset % 64 == 0  # a cache line
        assert value.offset + value.nbytes <= size
        assert value.nbytes >= np.prod(value.shape) * np.dtype(value.dtype).itemsize
    for step, (_, operands) in enumerate(program.steps):
        for value in operands:
            assert isinstance(value, Value)
            assert value.first <= step <= value.last
    for now in range(len(program.steps) + 1):
        live = [value for value in program.values if value.first <= now <= value.last]
        live.sort(key=lambda value: value.offset)
        for low, high in pairwise(live):
            assert low.offset + low.nbytes <= high.offset
        assert size >= sum(value.nbytes for value in live)


def test_the_working_set_is_small() -> None:
    """At 224 x 224, the bundled network needs, besides its weights, less than its two largest maps
    and the scratch memory between them would take separately."""
    executor = sqznet.load(threads=2).executor
    assert executor.acquire(1, 224, 224).nbytes < 4_200_000


def test_the_arena_of_a_real_size_is_shared() -> None:
    """Reuse keeps the working set small: far below the size of all maps together."""
    made = networks.tensors("squeezenet1_1")
    ready = networks.executor(networks.network(made), made)
    workspace = ready.acquire(1, 224, 224)
    shapes = ready.network.shapes(224, 224)
    everything = 4 * sum(h * w * c for h, w, c in [*shapes, (224, 224, 3)])
    largest = 4 * max(
        a[0] * a[1] * a[2] + b[0] * b[1] * b[2] for a, b in pairwise([(224, 224, 3), *shapes])
    )
    assert workspace.nbytes < 0.8 * everything
    assert workspace.nbytes < 1.6 * largest
