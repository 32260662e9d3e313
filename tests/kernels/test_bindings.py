"""Wrong arguments to `sqznet._kernels` raise; they are never converted, copied or run."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sqznet import _kernels
from sqznet._kernels import Tensor

POOL = _kernels.ThreadPool(1)
TABLE = _kernels.best_kernels().f32
REFUSALS = (ValueError, TypeError)
SCRATCH = Tensor((1, 1, 1, 16384), "uint8")  # plenty


def floats(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def conv(out: int = 4, cin: int = 3, kernel: int = 3, stride: int = 1) -> _kernels.Conv:
    return _kernels.Conv(TABLE, Tensor((out, cin, kernel, kernel)), Tensor((out, 1, 1, 1)), stride)


def padded(kernel: int = 3, tile: int = 0) -> _kernels.PaddedConv:
    weight = Tensor((4, 3, kernel, kernel))
    return _kernels.PaddedConv(TABLE, weight, Tensor((4, 1, 1, 1)), tile=tile)


def fire(cin: int = 8, squeeze: int = 2, e1: int = 4, e3: int = 4, tile: int = 5) -> _kernels.Fire:
    shapes = [(squeeze, cin, 1), (e1, squeeze, 1), (e3, squeeze, 3)]
    tensors = [
        tensor
        for out, depth, k in shapes
        for tensor in (Tensor((out, depth, k, k)), Tensor((out, 1, 1, 1)))
    ]
    return _kernels.Fire(TABLE, *tensors, tile)


WRONG_CALLS: dict[str, Callable[[], object]] = {
    "part beyond the end": lambda: Tensor((1, 2, 2, 1)).part(4, (1, 2, 2, 1)),
    "part of more than there is": lambda: Tensor((1, 2, 2, 1), "int8").part(0, (1, 2, 1, 1)),
    "part at an odd address": lambda: Tensor((1, 2, 2, 1)).part(2, (1, 1, 1, 1)),
    "part of an unknown type": lambda: Tensor((1, 2, 2, 1)).part(0, (1, 1, 1, 1), "bfloat16"),
    "tensor of an unknown type": lambda: Tensor((1, 2, 2, 1), "float64"),
    "is_finite of integers": lambda: Tensor((1, 2, 2, 1), "int32").is_finite(),
    "part far beyond the end": lambda: Tensor((1, 2, 2, 1)).part(2**63, (1, 1, 1, 1)),
    "part at a negative offset": lambda: Tensor((1, 2, 2, 1)).part(-1, (1, 1, 1, 1)),
    "part of a strided view": lambda: Tensor((1, 4, 4, 1)).inside(1).part(0, (1, 1, 1, 1)),
    "inside nothing": lambda: Tensor((1, 4, 4, 1)).inside(2),
    "inside a negative border": lambda: Tensor((1, 4, 4, 1)).inside(-1),
    "inside a huge border": lambda: Tensor((1, 4, 4, 1)).inside(2**30),
    "top_k of no row": lambda: Tensor((1, 1, 1, 4)).top_k(1, 1),
    "top_k of a negative row": lambda: Tensor((1, 1, 1, 4)).top_k(-1, 1),
    "is_finite of a strided view": lambda: Tensor((1, 4, 4, 1)).inside(1).is_finite(),
    "conv on an array": lambda: conv()(POOL, floats(1, 5, 5, 3), SCRATCH, Tensor((1, 3, 3, 4))),
    "conv without a pool": lambda: conv()(
        None, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 3, 3, 4))
    ),
    "conv to nothing": lambda: conv()(POOL, Tensor((1, 5, 5, 3)), SCRATCH, None),
    "conv of other channels": lambda: conv()(
        POOL, Tensor((1, 5, 5, 4)), SCRATCH, Tensor((1, 3, 3, 4))
    ),
    "conv to other channels": lambda: conv()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 3, 3, 5))
    ),
    "conv to a smaller map": lambda: conv()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 2, 3, 4))
    ),
    "conv to a larger map": lambda: conv()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 3, 4, 4))
    ),
    "conv to another batch": lambda: conv()(
        POOL, Tensor((2, 5, 5, 3)), SCRATCH, Tensor((1, 3, 3, 4))
    ),
    "conv of a map below its kernel": lambda: conv()(
        POOL, Tensor((1, 2, 2, 3)), SCRATCH, Tensor((1, 1, 1, 4))
    ),
    "conv with stride 0": lambda: conv(stride=0),
    "conv with a negative stride": lambda: conv(stride=-1),
    "conv with too few biases": lambda: _kernels.Conv(
        TABLE, Tensor((4, 3, 1, 1)), Tensor((3, 1, 1, 1))
    ),
    "conv with weights in a strided view": lambda: _kernels.Conv(
        TABLE, Tensor((4, 3, 3, 1)).inside(1), Tensor((4, 1, 1, 1))
    ),
    "conv without a table": lambda: _kernels.Conv(None, Tensor((4, 3, 1, 1)), Tensor((4, 1, 1, 1))),
    "fire of other channels": lambda: fire()(
        POOL, Tensor((1, 5, 5, 7)), SCRATCH, Tensor((1, 5, 5, 8))
    ),
    "fire to half its channels": lambda: fire()(
        POOL, Tensor((1, 5, 5, 8)), SCRATCH, Tensor((1, 5, 5, 4))
    ),
    "fire with too little scratch": lambda: fire()(
        POOL,
        Tensor((1, 5, 5, 8)),
        Tensor((1, 1, 1, fire().scratch(1, 5, 5, POOL.threads) - 1), "uint8"),
        Tensor((1, 5, 5, 8)),
    ),
    "fire with scratch in a strided view": lambda: fire()(
        POOL,
        Tensor((1, 5, 5, 8)),
        Tensor((1, 199, 199, 9), "uint8").inside(1),
        Tensor((1, 5, 5, 8)),
    ),
    "fire with scratch of floats": lambda: fire()(
        POOL, Tensor((1, 5, 5, 8)), Tensor((1, 99, 99, 9)), Tensor((1, 5, 5, 8))
    ),
    "fire with scratch at an odd address": lambda: fire()(
        POOL, Tensor((1, 5, 5, 8)), SCRATCH.part(1, (1, 1, 1, 16383), "uint8"), Tensor((1, 5, 5, 8))
    ),
    "conv of integers": lambda: conv()(
        POOL, Tensor((1, 5, 5, 3), "int32"), SCRATCH, Tensor((1, 3, 3, 4))
    ),
    "conv to bytes": lambda: conv()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 3, 3, 4), "uint8")
    ),
    "conv with integer weights": lambda: _kernels.Conv(
        TABLE, Tensor((4, 3, 3, 3), "int8"), Tensor((4, 1, 1, 1))
    ),
    "fire with tiles that are too small": lambda: fire(tile=3),
    "fire with tiles that are too large": lambda: fire(tile=8),
    "fire whose expand is no 3x3": lambda: _kernels.Fire(
        TABLE,
        Tensor((2, 8, 1, 1)),
        Tensor((2, 1, 1, 1)),
        Tensor((4, 2, 1, 1)),
        Tensor((4, 1, 1, 1)),
        Tensor((4, 2, 1, 1)),
        Tensor((4, 1, 1, 1)),
    ),
    "fire whose expands read other channels": lambda: _kernels.Fire(
        TABLE,
        Tensor((2, 8, 1, 1)),
        Tensor((2, 1, 1, 1)),
        Tensor((4, 3, 1, 1)),
        Tensor((4, 1, 1, 1)),
        Tensor((4, 2, 3, 3)),
        Tensor((4, 1, 1, 1)),
    ),
    "padded conv to a smaller map": lambda: padded()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 5, 4, 4))
    ),
    "padded conv to other channels": lambda: padded()(
        POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 5, 5, 3))
    ),
    "padded conv of other channels": lambda: padded()(
        POOL, Tensor((1, 5, 5, 4)), SCRATCH, Tensor((1, 5, 5, 4))
    ),
    "padded conv of too many rows": lambda: padded()(
        POOL, Tensor((1, 7, 5, 3)), SCRATCH, Tensor((1, 4, 5, 4)), 1
    ),
    "padded conv with too little scratch": lambda: padded()(
        POOL, Tensor((1, 5, 5, 3)), Tensor((1, 1, 1, 64), "uint8"), Tensor((1, 5, 5, 4))
    ),
    "padded conv with a 1x1 kernel": lambda: padded(kernel=1),
    "padded conv with tiles that are too large": lambda: padded(tile=8),
    "classifier with a 3x3 kernel": lambda: _kernels.Classifier(
        TABLE, Tensor((4, 3, 3, 3)), Tensor((4, 1, 1, 1))
    ),
    "classifier with negative padding": lambda: _kernels.Classifier(
        TABLE, Tensor((4, 3, 1, 1)), Tensor((4, 1, 1, 1)), -1
    ),
    "classifier with a huge padding": lambda: _kernels.Classifier(
        TABLE, Tensor((4, 3, 1, 1)), Tensor((4, 1, 1, 1)), 2**30
    ),
    "classifier to too few logits": lambda: _kernels.Classifier(
        TABLE, Tensor((4, 3, 1, 1)), Tensor((4, 1, 1, 1))
    )(POOL, Tensor((1, 5, 5, 3)), SCRATCH, Tensor((1, 1, 1, 3))),
    "max pool to the other mode's size": lambda: _kernels.max_pool(
        TABLE, POOL, Tensor((1, 6, 6, 3)), Tensor((1, 3, 3, 3)), False
    ),
    "max pool of too small a map": lambda: _kernels.max_pool(
        TABLE, POOL, Tensor((1, 1, 1, 3)), Tensor((1, 1, 1, 3)), True
    ),
    "max pool to other channels": lambda: _kernels.max_pool(
        TABLE, POOL, Tensor((1, 6, 6, 3)), Tensor((1, 3, 3, 4)), True
    ),
    "add of other shapes": lambda: _kernels.add(
        TABLE, POOL, Tensor((1, 2, 2, 3)), Tensor((1, 2, 3, 2)), Tensor((1, 2, 2, 3))
    ),
    "add to another shape": lambda: _kernels.add(
        TABLE, POOL, Tensor((1, 2, 2, 3)), Tensor((1, 2, 2, 3)), Tensor((1, 2, 2, 4))
    ),
    "softmax to another shape": lambda: _kernels.softmax(
        TABLE, Tensor((1, 1, 1, 3)), Tensor((1, 1, 1, 4))
    ),
    "softmax of a strided view": lambda: _kernels.softmax(
        TABLE, Tensor((1, 4, 4, 3)).inside(1), Tensor((1, 2, 2, 3))
    ),
    "import of doubles": lambda: _kernels.import_nchw(
        POOL, np.zeros((1, 3, 2, 2)), Tensor((1, 2, 2, 3))
    ),
    "import of bytes in the other order": lambda: _kernels.import_nchw(
        POOL, np.zeros((1, 3, 2, 2), ">f4"), Tensor((1, 2, 2, 3))
    ),
    "import of three dimensions": lambda: _kernels.import_nchw(
        POOL, floats(3, 2, 2), Tensor((1, 2, 2, 3))
    ),
    "import of another shape": lambda: _kernels.import_nchw(
        POOL, floats(1, 3, 2, 3), Tensor((1, 2, 2, 3))
    ),
    "import of channels last": lambda: _kernels.import_nchw(
        POOL, floats(1, 2, 2, 3), Tensor((1, 2, 2, 3))
    ),
    "import of a list": lambda: _kernels.import_nchw(POOL, [[[[0.0]]]], Tensor((1, 1, 1, 1))),
    "export to another shape": lambda: _kernels.export_nchw(
        Tensor((1, 2, 2, 3)), Tensor((1, 2, 2, 3))
    ),
    "pool of no threads": lambda: _kernels.ThreadPool(0),
    "pool of too many threads": lambda: _kernels.ThreadPool(1025),
    "pool of half a thread": lambda: _kernels.ThreadPool(1.5),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_wrong_calls_raise(name: str) -> None:
    with pytest.raises(REFUSALS):
        WRONG_CALLS[name]()


def test_steps_are_checked_where_they_are_bound() -> None:
    x, y = Tensor((1, 5, 5, 3)), Tensor((1, 3, 3, 4))
    with pytest.raises(ValueError, match="y has shape"):
        conv().bind(POOL, x, SCRATCH, x)
    with pytest.raises(ValueError, match="y has shape"):
        _kernels.bind_max_pool(TABLE, POOL, x, y, True)
    with pytest.raises(ValueError, match="b has shape"):
        _kernels.bind_add(TABLE, POOL, x, y, x)
    with pytest.raises(ValueError, match="y has shape"):
        _kernels.bind_move(x, y)
    with pytest.raises(ValueError, match="contiguous"):
        _kernels.bind_move(x.inside(1), x.inside(1))
    with pytest.raises(ValueError, match="dtype"):
        _kernels.bind_move(x, Tensor((1, 5, 5, 3), "int32"))
    for wrong in (None, [None], [lambda: None], conv()):
        with pytest.raises(TypeError):
            _kernels.Sequence(wrong)  # type: ignore[arg-type]


def test_steps_keep_what_they_work_on() -> None:
    """The layer, the pool and the tensors, which nobody else knows any more."""

    def bound(y: Tensor) -> _kernels.Step:
        x, scratch = Tensor((1, 5, 5, 3)), Tensor((1, 1, 1, 64), "uint8")
        weight, bias = Tensor((4, 3, 3, 3)), Tensor((4, 1, 1, 1))
        np.asarray(x)[:] = np.asarray(weight)[:] = 1.0
        return _kernels.Conv(TABLE, weight, bias).bind(_kernels.ThreadPool(2), x, scratch, y)

    y, z = Tensor((1, 3, 3, 4)), Tensor((1, 3, 3, 4))
    sequence = _kernels.Sequence([bound(y), _kernels.bind_add(TABLE, POOL, y, y, z)])
    gc.collect()
    sequence()
    assert (np.asarray(y) == 27.0).all()
    assert (np.asarray(z) == 54.0).all()


def test_a_move_may_overlap() -> None:
    whole = Tensor((1, 6, 2, 3))
    np.asarray(whole)[:] = before = np.arange(36, dtype=np.float32).reshape(1, 6, 2, 3)
    _kernels.bind_move(whole.part(48, (1, 4, 2, 3)), whole.part(0, (1, 4, 2, 3)))()
    np.testing.assert_array_equal(np.asarray(whole)[:, :4], before[:, 2:])


def test_overlapping_the_checks_nothing_was_written() -> None:
    """A refused call leaves its output alone."""
    y = Tensor((1, 3, 3, 5))
    np.asarray(y)[:] = 7.0
    with pytest.raises(ValueError, match=r"y has shape \(1, 3, 3, 5\), expected \(1, 3, 3, 4\)"):
        conv()(POOL, Tensor((1, 5, 5, 3)), SCRATCH, y)
    assert (np.asarray(y) == 7.0).all()


#: Those that all sets together have on every processor.
FAMILIES = ("f32", "int8", "pixels")


def test_instruction_sets() -> None:
    """The chooser takes the first runnable set of its list, and any may be forced by its name."""
    sets = _kernels.instruction_sets()
    runnable = [name for name, families, runs, _ in sets if families and runs]
    assert "scalar" in runnable
    assert _kernels.best_kernels().isa == runnable[0]
    for name, families, runs, needs in sets:
        assert needs
        if families and runs:
            assert _kernels.kernels_named(name).isa == name
        else:
            with pytest.raises(_kernels.UnsupportedIsaError, match=name):
                _kernels.kernels_named(name)
    with pytest.raises(
        _kernels.UnsupportedIsaError, match=r"unknown instruction set 'mmx'.*scalar"
    ):
        _kernels.kernels_named("mmx")


def test_each_family_takes_the_best_set_that_is_not_above_the_one_asked_for() -> None:
    sets = _kernels.instruction_sets()
    assert sets[-1][1] == list(FAMILIES)  # the last set, which runs anywhere, has them all
    for first, (name, own, runs, _) in enumerate(sets):
        if not (own and runs):
            continue
        chosen = _kernels.kernels_named(name)
        for family in FAMILIES:
            from_here_on = [
                s for s, families, runs, _ in sets[first:] if family in families and runs
            ]
            assert getattr(chosen, family).isa == from_here_on[0]


def test_half_precision_needs_a_processor_that_computes_with_it() -> None:
    """So Cortex-A53 and A72 never choose it."""
    computes = dict(_kernels.cpu_features())["fp16"]
    compiled = {name: families for name, families, _, _ in _kernels.instruction_sets()}["neon_fp16"]
    chosen = _kernels.best_kernels()
    assert (chosen.f16 is not None) == (computes and compiled == ["f16"])
    assert _kernels.kernels_named("scalar").f16 is None
    if chosen.f16 is not None:
        assert chosen.f16.isa == "neon_fp16"
        assert _kernels.kernels_named("neon").f16 is None


def test_families_need_not_have_the_same_sets() -> None:
    """AVX-512 has no pixel kernels of its own: they are AVX2's."""
    sets = {name: (families, runs) for name, families, runs, _ in _kernels.instruction_sets()}
    families, runs = sets["avx512"]
    if not (families and runs):
        pytest.skip("AVX-512 is not compiled in or does not run here")
    assert families == ["f32"]
    chosen = _kernels.kernels_named("avx512")
    assert (chosen.isa, chosen.f32.isa, chosen.pixels.isa) == ("avx512", "avx512", "avx2")


def test_tables_state_their_tiles(table: _kernels.Float32Kernels) -> None:
    assert table.conv_nr % table.lanes == 0
    assert min(table.lanes, table.conv_mr, table.conv_nr) >= 1
