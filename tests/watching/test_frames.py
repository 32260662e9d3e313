"""Raw frames: YUV 4:2:0 and BGR, read in place and converted on the way to the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sqznet
from sqznet import Frame, ImageError, _kernels, _pixels
from sqznet.images.frame import LUMA_WEIGHTS

from ..support.guarded import Guarded

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def model() -> sqznet.Model:
    return sqznet.load(threads=1)


def planes(height: int, width: int, seed: int = 0) -> tuple[Bytes, Bytes, Bytes]:
    random = np.random.default_rng(seed)
    half = (height + 1) // 2, (width + 1) // 2
    y, u, v = (random.integers(0, 256, s, dtype=np.uint8) for s in ((height, width), half, half))
    return y, u, v


def converted(y: Bytes, u: Bytes, v: Bytes, matrix: str, full_range: bool) -> npt.NDArray[Any]:
    """The formulas of the standards in float64; each U and V sample covers two by two pixels."""
    red, blue = LUMA_WEIGHTS[matrix]
    height, width = y.shape

    def spread(chroma: Bytes) -> npt.NDArray[Any]:
        whole = chroma.repeat(2, axis=0).repeat(2, axis=1)[:height, :width].astype(float) - 128
        return whole / (255 if full_range else 224)

    luma = y / 255 if full_range else (y - 16.0) / 219
    r = luma + 2 * (1 - red) * spread(v)
    b = luma + 2 * (1 - blue) * spread(u)
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(255 * np.stack([r, g, b], axis=2), 0, 255)


def packed(layout: str, y: Bytes, u: Bytes, v: Bytes) -> bytes:
    if layout in ("yv12", "nv21"):
        u, v = v, u
    chroma = np.stack([u, v], axis=2) if layout.startswith("nv") else np.stack([u, v])
    return y.tobytes() + chroma.tobytes()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_colors_match_the_standard(matrix: str, full_range: bool) -> None:
    y, u, v = planes(64, 90)
    frame = Frame.wrap(
        packed("i420", y, u, v), "i420", height=64, width=90, matrix=matrix, full_range=full_range
    )
    expected = converted(y, u, v, matrix, full_range)
    assert np.abs(frame.to_rgb() - expected).max() <= 0.51


def test_colors_match_opencv() -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    data = np.vstack([planes(48, 64)[0], planes(24, 64, 1)[0]])
    data[:48].clip(16, 235, out=data[:48])  # OpenCV clips values below black
    for layout, code in (("i420", cv2.COLOR_YUV2RGB_I420), ("nv21", cv2.COLOR_YUV2RGB_NV21)):
        difference = Frame.wrap(data, layout).to_rgb() - cv2.cvtColor(data, code).astype(int)
        assert np.abs(difference).max() <= 1


def test_gray_black_and_white_are_exact() -> None:
    for full_range, levels in ((False, (16, 235)), (True, (0, 255))):
        for luma, level in zip(levels, (0, 255), strict=True):
            data = np.full((6, 4), 128, np.uint8)
            data[:4] = luma
            frame = Frame.wrap(data, "i420", full_range=full_range)
            assert (frame.height, frame.width) == (4, 4)
            assert (frame.to_rgb() == level).all()


@pytest.mark.parametrize("size", [(2, 2), (5, 7), (48, 64), (31, 1), (1, 9)])
@pytest.mark.parametrize("layout", ["i420", "yv12", "nv12", "nv21"])
def test_every_layout_gives_the_same_image(layout: str, size: tuple[int, int]) -> None:
    y, u, v = planes(*size)
    height, width = size
    frame = Frame.wrap(packed(layout, y, u, v), layout, height=height, width=width)
    assert np.abs(frame.to_rgb() - converted(y, u, v, "bt601", False)).max() <= 0.51


def test_row_padding_is_ignored() -> None:
    """Like YUV420 from picamera2: rows of 64 bytes for 50 pixels, with two chroma rows in each."""
    y, u, v = planes(20, 50)
    data = np.full((30, 64), 99, np.uint8)
    data[:20, :50] = y
    data[20:25].reshape(10, 32)[:, :25] = u
    data[25:].reshape(10, 32)[:, :25] = v
    frame = Frame.wrap(data, "i420", height=20, width=50)
    assert np.abs(frame.to_rgb() - converted(y, u, v, "bt601", False)).max() <= 0.51


@pytest.mark.parametrize("size", [(480, 640), (270, 361), (1000, 90), (100, 100), (3, 400)])
def test_the_input_equals_converting_first(model: sqznet.Model, size: tuple[int, int]) -> None:
    """Both orders of the two passes, and windows inside the frame."""
    y, u, v = planes(*size)
    frame = Frame.wrap(packed("i420", y, u, v), "i420", height=size[0], width=size[1])
    np.testing.assert_array_equal(model.preprocess(frame), model.preprocess(frame.to_rgb()))


def test_bgr_is_rgb_reversed(model: sqznet.Model) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    bgr = rgb[..., ::-1].copy()
    x = model.preprocess(rgb)
    np.testing.assert_array_equal(model.preprocess(Frame.wrap(bgr, "bgr")), x)
    np.testing.assert_array_equal(Frame.wrap(bgr, "bgr").to_rgb(), rgb)
    bgra = np.dstack([bgr, np.zeros((90, 120), np.uint8)])
    np.testing.assert_array_equal(model.preprocess(Frame.wrap(bgra, "bgr")), x)
    np.testing.assert_array_equal(Frame.wrap(bgra, "bgr").to_rgb(), rgb)
    np.testing.assert_array_equal(Frame.wrap(rgb).to_rgb(), rgb)
    gray = Frame.wrap(rgb[..., 0], "bgr").to_rgb()
    np.testing.assert_array_equal(gray, rgb[..., :1].repeat(3, axis=2))


def test_nothing_is_copied() -> None:
    data = np.full((6, 4), 128, np.uint8)
    frame = Frame.wrap(data, "nv12")
    before = frame.to_rgb()
    data[:4] = 235
    assert (before != 255).all()
    assert (frame.to_rgb() == 255).all()


def test_models_take_frames_as_images(model: sqznet.Model) -> None:
    y, u, v = planes(64, 64)
    frame = Frame.wrap(packed("i420", y, u, v), "i420", height=64, width=64)
    assert model.classify([frame, frame.to_rgb()])[0] == model.classify(frame.to_rgb())


@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_the_planes_is_read(at_end: bool) -> None:
    table = _kernels.kernels_named("scalar").pixels.capsule()
    for height, width, out_h, out_w in [(7, 9, 3, 4), (33, 6, 5, 5), (2, 2, 9, 9), (5, 64, 4, 8)]:
        parts = []
        for plane in planes(height, width):
            guarded = Guarded(-(-plane.size // 4), at_end)
            flat = guarded.array.view(np.uint8)
            flat = flat[flat.size - plane.size :] if at_end else flat[: plane.size]
            flat[:] = plane.ravel()
            parts.append((guarded, flat))
        rows = (width, (width + 1) // 2)
        frame = Frame.from_planes(
            (parts[0][1], parts[1][1], parts[2][1]), rows, 1, height, width,
            matrix="bt601", full_range=False,
        )  # fmt: skip
        frame.to_rgb()
        out = np.empty((1, out_h, out_w, 3), np.float32)
        _pixels.resize_normalize(
            frame.data, height, width, 3, out_h, out_w, 0, 0, out, (0, 0, 0), (1, 1, 1), False,
            table,
        )  # fmt: skip
        assert 0 <= out.min() <= out.max() <= 255


@pytest.mark.parametrize(
    ("data", "format", "options", "said"),
    [
        (bytes(24), "i420", {}, "needs its height and width"),
        (bytes(23), "i420", {"height": 4, "width": 4}, "too small"),
        (bytes(24), "yuyv", {}, "expected one of rgb"),
        (bytes(24), "rgb", {}, "a flat rgb frame"),
        (None, "bgr", {}, "not a bgr frame"),
        (None, "nv12", {}, "not a nv12 frame"),
        (np.zeros((6, 4), np.float32), "i420", {}, "contiguous uint8"),
        (np.zeros((6, 8), np.uint8)[:, :4], "i420", {}, "contiguous uint8"),
        (np.zeros((6, 4), np.uint8), "i420", {"width": 5}, "rows of 4 bytes"),
        (np.zeros((6, 4), np.uint8), "i420", {"height": 5}, "too small"),
        (np.zeros((1, 4), np.uint8), "i420", {}, "height is 0, expected 1 to 65535"),
        (bytes(24), "i420", {"height": -4, "width": 4}, "height is -4"),
        (bytes(24), "i420", {"height": 4, "width": 1 << 40}, "width is 1099511627776"),
        (bytes(24), "i420", {"height": 4, "width": 10**4000}, "width is an integer of 13288 bits"),
        (bytes(24), "i420", {"height": 4.0, "width": 4}, "height is 4.0"),
        (bytes(24), "nv12", {"height": "4", "width": 4}, "height is '4'"),
        (np.zeros((6, 4), np.uint8), "nv21", {"width": True}, "width is True"),
        (np.zeros((6, 4), np.uint8), "i420", {"matrix": ["bt601"]}, "matrix a list"),
        (bytes(24), "x" * 5000, {}, "frame format 'x{60}'..., expected"),
        (np.zeros((6, 4), np.uint8), "i420", {"matrix": "bt2020"}, "expected one of bt601"),
        (np.zeros((4, 4, 3), np.float32), "bgr", {}, "uint8"),
    ],
)
def test_invalid_frames_are_refused(data: Any, format: str, options: Any, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        Frame.wrap(data, format, **options)


def test_the_extension_checks_its_arguments() -> None:
    good = (16, 1.164, 1.596, 0.392, 0.813, 2.017)

    def make(size: tuple[int, int] = (4, 4), step: int = 1, matrix: Any = good) -> Any:
        return _pixels.Yuv420(bytes(16), bytes(4), bytes(4), *size, 4, 2, step, matrix)

    frame = make()
    for wrong in (
        {"size": (0, 4)},
        {"size": (5, 4)},
        {"step": 3},
        {"matrix": (16, float("nan"), *good[2:])},
        {"matrix": good[:5]},
    ):
        with pytest.raises(ValueError, match=r"frame|range|small|matrix"):
            make(**wrong)
    with pytest.raises(ValueError, match="height x width x 3"):
        frame.to_rgb(bytearray(47))
    out = np.empty((1, 2, 2, 3), np.float32)
    with pytest.raises(ValueError, match="does not match height x width x channels"):
        _pixels.resize_normalize(
            frame, 4, 5, 3, 2, 2, 0, 0, out, (0, 0, 0), (1, 1, 1), False,
            _kernels.kernels_named("scalar").pixels.capsule(),
        )  # fmt: skip


def test_bytes_become_an_array() -> None:
    """An older Pillow decodes to bytes."""
    frame = Frame(bytes(range(24)), 2, 4, 3, True)
    assert frame.to_rgb()[1, 3].tolist() == [23, 22, 21]
