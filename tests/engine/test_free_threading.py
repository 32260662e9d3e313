"""Many threads at once get the same answers as one, with and without Python's global lock.

On a free-threaded Python, these tests support the modules' declaration that they need no lock.
"""

from __future__ import annotations

import sysconfig
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels

from ..support import networks
from ..support.isolated import run_script

CALLERS = 8


def at_once(work: Callable[[int], Any], turns: int = 5) -> list[Any]:
    """The results of `turns` calls in each of several threads that start together."""
    start = threading.Barrier(CALLERS)

    def run(caller: int) -> list[Any]:
        start.wait(60)
        return [work(caller * turns + turn) for turn in range(turns)]

    with ThreadPoolExecutor(CALLERS) as callers:
        return [one for results in callers.map(run, range(CALLERS)) for one in results]


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has its global lock"
)
def test_the_lock_stays_off() -> None:
    """Python enables the lock, with a warning, when it imports a module without the declaration."""
    run_script(
        """
        import sys
        assert not sys._is_gil_enabled(), "the test must begin without it"
        import sqznet
        from sqznet import _kernels, _pixels
        assert not sys._is_gil_enabled()
        """,
        PYTHON_GIL="",
    )


def test_one_model_in_many_threads(model: sqznet.Model) -> None:
    """Photos of several sizes, starting from pixels: workspaces are made and dropped."""
    photos = [networks.photo(seed, 60 + 12 * seed, 80 + 16 * seed) for seed in range(4)]
    sizes = [(224, 224), (97, 64)]
    inputs = [networks.inputs(seed, 1, *sizes[seed % 2]) for seed in range(4)]
    expected = [
        (model.classify(p), model.logits(x).tobytes()) for p, x in zip(photos, inputs, strict=True)
    ]

    def work(turn: int) -> bool:
        which = turn % 4
        found = (model.classify(photos[which]), model.logits(inputs[which]).tobytes())
        return found == expected[which]

    assert all(at_once(work))


def test_models_are_made_and_dropped_in_many_threads(tmp_path: Path) -> None:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors(classes=3))
    x = networks.inputs(0, 2, 40, 50)
    expected = sqznet.load(path, threads=1).logits(x).tobytes()
    found = at_once(lambda turn: sqznet.load(path, threads=1 + turn % 2).logits(x).tobytes())
    assert set(found) == {expected}


def test_layers_are_made_and_dropped_in_many_threads() -> None:
    """Packing needs no lock of Python's, but pybind11's list of all its objects does."""
    run_script(
        """
        from concurrent.futures import ThreadPoolExecutor
        from sqznet import _kernels as k

        table, bias = k.best_kernels().f32, k.Tensor((16, 1, 1, 1))
        one, three = k.Tensor((16, 16, 1, 1)), k.Tensor((16, 16, 3, 3))

        def work(_):
            for _ in range(400):
                k.Conv(table, one, bias)
                k.Fire(table, one, bias, one, bias, three, bias)
                k.Classifier(table, one, bias)

        with ThreadPoolExecutor(4) as callers:
            list(callers.map(work, range(4)))
        """
    )


def test_first_use_in_many_threads_at_once() -> None:
    """Everything made on first use, above all the bundled model, is made once or harmlessly."""
    run_script(
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor

        start = threading.Barrier(4)
        picture = memoryview(bytes(range(256)) * 147).cast("B", (112, 112, 3))

        def work(_):
            start.wait(60)
            import sqznet
            return tuple(sqznet.classify(sqznet.Frame.wrap(picture)))

        with ThreadPoolExecutor(4) as callers:
            assert len(set(callers.map(work, range(4)))) == 1
        """
    )


def test_one_tensor_in_many_threads() -> None:
    """Views of it are taken and dropped while other threads read it."""
    values = np.arange(2 * 3 * 5 * 8, dtype=np.float32).reshape(2, 3, 5, 8)
    tensor = _kernels.Tensor.from_bytes(values.tobytes(), "float32", values.shape)

    def work(turn: int) -> bool:
        views = [np.asarray(tensor) for _ in range(20)]
        part = np.asarray(tensor.part(4 * (turn % 8), (1, 1, 1, 8)))
        return all((view == values).all() for view in views) and part[0, 0, 0, 0] == turn % 8

    assert all(at_once(work, turns=50))


def test_one_pool_in_many_threads() -> None:
    """A thread that finds the pool busy does its own work alone."""
    table, pool = _kernels.best_kernels().f32, _kernels.ThreadPool(3)
    random = np.random.default_rng(0)
    weight = random.normal(size=(24, 16, 3, 3)).astype(np.float32)
    given = _kernels.Tensor.from_bytes(weight.tobytes(), "float32", weight.shape)
    layer = _kernels.Conv(table, given, _kernels.Tensor((24, 1, 1, 1)))
    image = random.normal(size=(1, 21, 23, 16)).astype(np.float32)
    x = _kernels.Tensor.from_bytes(image.tobytes(), "float32", image.shape)

    def work(_: int) -> bytes:
        scratch = _kernels.Tensor((1, 1, 1, max(1, layer.scratch(1, 21, 23, 3))), "uint8")
        y = _kernels.Tensor((1, 19, 21, 24))
        layer(pool, x, scratch, y)
        return memoryview(y).tobytes()

    assert set(at_once(work, turns=40)) == {work(0)}
