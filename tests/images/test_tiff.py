"""TIFF files and other images of 16 bits: right pixels or a refusal, never a wrong picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sqznet.errors import ImageError
from sqznet.images.decoding import decode
from sqznet.images.pixels import Pixels

from ..support.tiff_files import (
    BITS,
    DNG_VERSION,
    MAX_SAMPLE,
    PHOTOMETRIC,
    PLANAR,
    SAMPLE_FORMAT,
    SUB_IFDS,
    SUBFILE_TYPE,
    WHITE_IS_ZERO,
    tiff,
)

Array = npt.NDArray[Any]

DEEP = np.random.default_rng(3).integers(0, 65536, (9, 14, 3)).astype(np.uint16)
UPPER = (DEEP >> 8).astype(np.uint8)


def shown(pixels: Pixels) -> Array:
    """height x width x 3, or height x width."""
    shape = (pixels.height, pixels.width, pixels.channels)
    array = np.asarray(memoryview(pixels.data)).reshape(shape)
    return array[:, :, 0] if pixels.channels == 1 else array[:, :, :3]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("separate", [False, True])
def test_colors_of_8_and_16_bits_in_one_plane_or_three(order: str, separate: bool) -> None:
    for levels in (UPPER, DEEP):
        data = tiff(levels, order=order, separate=separate)
        np.testing.assert_array_equal(shown(decode(data)), UPPER)
        with Image.open(io.BytesIO(data)) as opened:  # by the caller, and not read yet
            np.testing.assert_array_equal(shown(decode(opened)), UPPER)


def test_the_reported_files(shared: Path) -> None:
    folder = shared / "cases" / "24-tiff-planar-16bit"
    if not folder.is_dir():
        pytest.skip("these files are absent")
    expected = shown(decode(folder / "same_picture.png"))
    for name in ("rgb16.tif", "rgb16_planar.tif", "rgb8_planar.tif"):
        np.testing.assert_array_equal(shown(decode(folder / name)), expected)


@pytest.mark.parametrize("order", "<>")
def test_gray_levels_of_16_bits(order: str) -> None:
    data = tiff(DEEP[..., 0], order=order)
    np.testing.assert_array_equal(shown(decode(data)), UPPER[..., 0])


def test_levels_that_count_down_from_white_are_inverted() -> None:
    for levels in (DEEP[..., 0], UPPER[..., 0]):
        data = tiff(levels, tags={PHOTOMETRIC: (WHITE_IS_ZERO,)})
        np.testing.assert_array_equal(shown(decode(data)), 255 - UPPER[..., 0])


@pytest.mark.parametrize("order", "<>")
def test_twelve_bits_that_the_file_states_fill_the_range(order: str) -> None:
    data = tiff(DEEP[..., 0] >> 4, order=order, tags={MAX_SAMPLE: (4095,)})
    np.testing.assert_array_equal(shown(decode(data)), UPPER[..., 0])


def test_packed_levels_of_twelve_bits() -> None:
    rows = (DEEP[..., 0] >> 4).astype(np.uint32)
    packed = rows[:, ::2] << 12 | rows[:, 1::2]  # two levels in three bytes
    octets = np.stack([packed >> 16, packed >> 8, packed], 2).astype(np.uint8).reshape(9, -1)
    data = tiff(octets, tags={256: (14,), BITS: (12,)})
    np.testing.assert_array_equal(shown(decode(data)), UPPER[..., 0])


def test_a_stated_maximum_that_is_exceeded_counts_for_nothing() -> None:
    data = tiff(DEEP[..., 0], tags={MAX_SAMPLE: (4095,)})
    np.testing.assert_array_equal(shown(decode(data)), UPPER[..., 0])


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_levels_of_fewer_bits_that_nothing_states_are_refused(bits: int) -> None:
    few = DEEP >> 16 - bits
    gray = Image.fromarray(few[..., 0])
    for source in (tiff(few), tiff(few[..., 0]), encoded(gray), gray, gray.convert("I")):
        with pytest.raises(ImageError, match=r"none exceeds 4095.*scale"):
            decode(source)


def test_black_ink_alone_is_no_dark_image() -> None:
    ink = np.concatenate([np.zeros_like(DEEP), DEEP[..., :1]], axis=2)
    data = tiff(ink, tags={PHOTOMETRIC: (5,)})
    np.testing.assert_allclose(shown(decode(data))[..., 0], 255 - UPPER[..., 0], atol=1)


def test_a_netpbm_file_states_its_highest_level() -> None:
    levels = (DEEP[..., 0] >> 4).astype(">u2")
    data = b"P5 14 9 4095\n" + levels.tobytes()
    np.testing.assert_allclose(shown(decode(data)), UPPER[..., 0], atol=1)


def test_black_is_black() -> None:
    black = Image.new("I;16", (5, 4))
    for source in (black, encoded(black)):
        assert not shown(decode(source)).any()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(DEEP.astype("f4"), tags={SAMPLE_FORMAT: (3, 3, 3)}), "3 x 32-bit floating-point"),
        (tiff(DEEP[..., 0].astype("f2"), tags={SAMPLE_FORMAT: (3,)}), "16-bit floating-point"),
        (tiff(DEEP[..., 0].astype("f4"), tags={SAMPLE_FORMAT: (3,)}), "floating-point .*mode F"),
        (tiff(DEEP[..., 0], order=">", tags={PHOTOMETRIC: (WHITE_IS_ZERO,)}), "does not read"),
        (tiff(DEEP[..., 0], tags={PLANAR: (2,)}), "expected PlanarConfiguration 1"),
        (tiff(DEEP[..., 0], tags={PHOTOMETRIC: (32803,)}), "a camera's raw photo"),
        (tiff(UPPER, tags={SUBFILE_TYPE: (1,), SUB_IFDS: (8,)}),
         "a preview of 14 x 9 pixels in a camera's raw photo"),
        (tiff(UPPER, tags={SUBFILE_TYPE: (1,), DNG_VERSION: (1,)}), "convert it to JPEG"),
        (b"II*\0" + bytes(30), "damaged TIFF"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(data)
