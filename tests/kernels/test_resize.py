"""The resize kernels read nothing beside the photo and write nothing beside the output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sqznet import _kernels, _pixels

from ..support.guarded import Guarded

RUNNABLE = [
    name for name, families, runs, _ in _kernels.instruction_sets() if "pixels" in families and runs
]


def resized(pixels: Any, size: tuple[int, int], out: Any, isa: str, reverse: bool = False) -> None:
    height, width, channels = pixels.shape
    _pixels.resize_normalize(
        pixels, height, width, channels, *size, 0, 0, out, (0, 0, 0), (1, 1, 1), reverse,
        _kernels.kernels_named(isa).pixels.capsule(),
    )  # fmt: skip


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("at_end", [True, False])
def test_photo_and_output_between_guard_pages(isa: str, channels: int, at_end: bool) -> None:
    random = np.random.default_rng(channels)
    for _ in range(150):
        height, width, out_h, out_w = (int(n) for n in random.integers(1, 33, 4))
        count = height * width * channels
        source = Guarded(-(-count // 4), at_end)
        flat = source.array.view(np.uint8)
        flat = flat[flat.size - count :] if at_end else flat[:count]
        flat[:] = random.integers(0, 256, count)
        pixels = flat.reshape(height, width, channels)
        target = Guarded(out_h * out_w * 3, at_end)
        out = target.array.reshape(1, out_h, out_w, 3)
        resized(pixels, (out_h, out_w), out, isa)
        target.check()
        expected = np.empty((1, out_h, out_w, 3), np.float32)
        resized(pixels.copy(), (out_h, out_w), expected, "scalar")
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_number_of_taps_and_of_samples(isa: str, channels: int, reverse: bool) -> None:
    """Widths round four samples and round a block of them, from one tap to many."""
    random = np.random.default_rng(channels)
    widths = [(w, int(w * s)) for w in (1, 3, 4, 5, 8, 11) for s in (1, 2.3, *range(1, 12), 17, 40)]
    widths += [(w, int(w * s)) for w in (255, 256, 257, 259, 260, 261, 515) for s in (0.6, 2.2, 9)]
    widths += [(13, 9000), (9, 9300)]
    for out_w, width in widths:
        photo = random.integers(0, 2, (9, max(width, 1), channels)) * 255
        photo[:, ::3] = random.integers(0, 256, photo[:, ::3].shape)
        outs = [np.empty((1, 7, out_w, 3), np.float32) for _ in range(2)]
        for out, name in zip(outs, (isa, "scalar"), strict=True):
            resized(photo.astype(np.uint8), (7, out_w), out, name, reverse)
        np.testing.assert_array_equal(outs[0], outs[1])


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("level", [0, 255])
def test_the_extreme_levels_stay_what_they_are(isa: str, level: int) -> None:
    """The weights of thousands of taps are rounded one by one and still add up to one."""
    for size in [(1, 65535, 3), (65535, 1, 3), (300, 7000, 1), (7, 5, 4)]:
        out = np.empty((1, 3, 5, 3), np.float32)
        resized(np.full(size, level, np.uint8), (3, 5), out, isa)
        assert (out == level).all()
