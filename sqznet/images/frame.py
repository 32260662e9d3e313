"""A raw frame of a camera or a video, read in place: RGB, BGR or YUV 4:2:0.

Models take a `Frame` wherever they take an image. Nothing is copied: the preprocessing pass reads
the frame's own memory and converts YUV to RGB a few rows at a time while it resizes them. Each U
and V sample covers the two by two pixels that share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet._pixels import Yuv420
from sqznet.errors import ImageError, shown, whole_number
from sqznet.images.decoding import decode
from sqznet.images.pixels import MAX_SIDE, Pixels

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FORMATS = ("rgb", "bgr", "i420", "yv12", "nv12", "nv21")

#: The weights of red and blue in luma: ITU-R BT.601 (item 2.5.1) and BT.709 (item 3.2).
LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


class Frame(Pixels):
    """An image in memory; `wrap` makes one. `height` and `width` are in pixels."""

    @classmethod
    def wrap(
        cls,
        data: Any,
        format: str = "rgb",
        *,
        height: int | None = None,
        width: int | None = None,
        matrix: str = "bt601",
        full_range: bool = False,
    ) -> Frame:
        """Wraps the frame in `data`, which must not change while the frame is in use.

        format: "rgb" or "bgr": a uint8 array H x W x 3, H x W x 4 (the fourth is ignored) or H x W
            (gray), with any strides. "i420" (also called YUV420), "yv12" (YVU420), "nv12" or
            "nv21": contiguous uint8, either of shape (H * 3 / 2, row) with rows of at least `width`
            bytes, as from picamera2, or flat without gaps.
        height, width: of a YUV frame; needed if `data` is flat, and `width` if its rows are padded.
        matrix, full_range: how YUV encodes RGB: "bt601" or "bt709"; luma from 16 to 235, or from
            0 to 255 as in JPEG.

        Raises ImageError, saying what was found and what was expected.
        """
        if format not in FORMATS:
            raise ImageError(f"frame format {shown(format)}, expected one of {', '.join(FORMATS)}")
        if format in ("rgb", "bgr"):
            expected = "a uint8 array H x W x 3, H x W x 4 or H x W"
            if _view(data, format, expected).ndim < 2:
                raise ImageError(f"a flat {format} frame, expected {expected}")
            return cls.of(decode(data), bgr=format == "bgr")
        view = _bytes_of(data, format)
        if view.ndim == 2:
            rows, stride = view.shape or (0, 0)
            height = rows * 2 // 3 if height is None else height
            width = stride if width is None else width
        elif height is None or width is None:
            raise ImageError(f"a flat {format} frame needs its height and width")
        else:
            stride = None
        height, width = _side("height", height), _side("width", width)
        stride = width if stride is None else stride
        if width > stride:
            raise ImageError(f"a {format} frame of {height} x {width} in rows of {stride} bytes")
        flat = view if view.ndim == 1 else view.cast("B")
        chroma = flat[height * stride :]
        interleaved = format in ("nv12", "nv21")
        step = 2 if interleaved else 1
        row = stride + stride % 2 if interleaved else (stride + 1) // 2
        second = 1 if interleaved else row * ((height + 1) // 2)
        u, v = chroma, chroma[second:]
        if format in ("yv12", "nv21"):
            u, v = v, u
        return cls.from_planes(
            (flat, u, v), (stride, row), step, height, width, matrix=matrix, full_range=full_range
        )

    @classmethod
    def from_planes(
        cls,
        planes: tuple[Any, Any, Any],
        rows: tuple[int, int],
        step: int,
        height: int,
        width: int,
        *,
        matrix: str,
        full_range: bool,
    ) -> Frame:
        """A YUV 4:2:0 frame from buffers of Y, U and V.

        rows: bytes from row to row of luma and of chroma. step: bytes from sample to sample of
        chroma, 1 or 2. The others are as for `wrap`.
        """
        if not isinstance(matrix, str) or matrix not in LUMA_WEIGHTS:
            raise ImageError(f"matrix {shown(matrix)}, expected one of {', '.join(LUMA_WEIGHTS)}")
        gains = _matrix(matrix, full_range)
        try:
            data = Yuv420(*planes, height, width, rows[0], rows[1], step, gains)
        except (TypeError, ValueError, OverflowError) as error:
            raise ImageError(f"a YUV frame of {height} x {width}: {error}") from None
        return cls(data, height, width, 3)

    @classmethod
    def of(cls, pixels: Pixels, bgr: bool = False) -> Frame:
        """A decoded image as a frame."""
        order = pixels.bgr or bgr
        return cls(pixels.data, pixels.height, pixels.width, pixels.channels, order)

    def __reduce__(self) -> tuple[Any, ...]:
        data = self.data
        if not isinstance(data, Yuv420 | bytes):
            data = memoryview(data).tobytes()
        return type(self), (data, self.height, self.width, self.channels, self.bgr)

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """A copy as a uint8 array (H, W, 3) in RGB order."""
        import numpy as np

        rgb = np.empty((self.height, self.width, 3), np.uint8)
        if isinstance(self.data, Yuv420):
            self.data.to_rgb(rgb)
            return rgb
        # An older Pillow decodes to bytes, which NumPy takes as a single item.
        data = memoryview(self.data) if isinstance(self.data, bytes) else self.data
        own = np.asarray(data).reshape(self.height, self.width, self.channels)
        rgb[:] = own[..., 2::-1] if self.bgr and self.channels > 1 else own[..., :3]
        return rgb


def _side(name: str, value: Any) -> int:
    side = whole_number(value)
    if not 1 <= side <= MAX_SIDE:
        raise ImageError(f"a frame's {name} is {shown(value)}, expected 1 to {MAX_SIDE} pixels")
    return side


def _matrix(name: str, full_range: bool) -> tuple[float, ...]:
    """The black level and the gains for Yuv420.

    With Kr and Kb of the standard: R = Y + 2 (1 - Kr) V, B = Y + 2 (1 - Kb) U, and green follows
    from luma; the levels 16..235 and 16..240 are first scaled to the full range.
    """
    red, blue = LUMA_WEIGHTS[name]
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if full_range else (255 / 219, 255 / 224)
    to_red, to_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    gains = (luma, to_red, to_blue * blue / green, to_red * red / green, to_blue)
    return (0.0 if full_range else 16.0, *gains)


def _view(data: Any, format: str, expected: str) -> memoryview:
    try:
        return memoryview(data)
    except TypeError:
        raise ImageError(
            f"<{type(data).__name__}>: not a {format} frame, expected {expected}"
        ) from None


def _bytes_of(data: Any, format: str) -> memoryview:
    view = _view(data, format, "bytes")
    if view.format != "B" or view.ndim not in (1, 2) or not view.c_contiguous:
        raise ImageError(
            f"a {format} frame of shape {view.shape}, format {view.format!r}, expected contiguous "
            "uint8 of one or two dimensions"
        )
    return view
