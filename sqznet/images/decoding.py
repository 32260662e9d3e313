"""Decodes anything that counts as an image to upright 8-bit gray, RGB or RGBX pixels.

Pillow decodes; it is imported with the first file. NumPy is never imported here: arrays are read
through the buffer protocol.

Special cases: of an animation, the first frame is used; transparency is dropped, as by Pillow's
`convert("RGB")`; Pillow converts CMYK, YCbCr, LAB, HSV and palettes; of 16-bit gray levels, the
upper 8 bits are kept (mode "I" counts as 16-bit gray); floating-point pixels are refused, since
their range is unknown.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from sqznet._pixels import ArrowPixels
from sqznet.errors import ImageError, printable
from sqznet.images.pillow import guarded, reason

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    ImageLike: TypeAlias = (
        str
        | os.PathLike[str]
        | os.PathLike[bytes]
        | bytes
        | bytearray
        | memoryview
        | BinaryIO
        | Image
        | npt.NDArray[np.uint8]
        | "Pixels"
    )
else:
    ImageLike = Any

#: Maps a photo's upright (height, width) to the smallest (height, width) that may be decoded.
Needed = Callable[[int, int], tuple[int, int]]

#: Photos with more pixels or a longer side are refused before decoding; the limit is about 0.7 GB
#: of memory. Pillow has the same limit for an error.
MAX_PIXELS = 178_956_970
MAX_SIDE = 65_535

# A file with more than _SPARE_PIXELS plus this many pixels per byte counts as damaged or as a
# decompression bomb: no format compresses more, and even a blank PNG has at most 8256.
_PIXELS_PER_BYTE = 10_000
_SPARE_PIXELS = 1 << 24

# The maximum to read from a stream of unknown size, such as a pipe.
_MAX_STREAM_BYTES = 1 << 28

# Files up to this size are read at once. Pillow reads in dozens of small pieces, and each system
# call passes the GIL back and forth between threads.
_AT_ONCE = 1 << 24

# Formats whose modules are imported directly: Image.open imports five or all of them, which takes
# longer than decoding a photo.
_DIRECT = (
    (b"\xff\xd8\xff", "JpegImagePlugin", "JpegImageFile"),
    (b"\x89PNG\r\n\x1a\n", "PngImagePlugin", "PngImageFile"),
)

# Not images but programs: Pillow would start another program to draw them.
_REFUSED_FORMATS = ("EPS", "WMF")

_KEEP = {"L": 1, "RGB": 3, "RGBA": 4, "RGBX": 4}
# For a pixel of several bytes: the index of the byte with bits 8 to 15, and the number of bytes.
_HIGH_BYTE = {
    "I;16": (1, 2),
    "I;16L": (1, 2),
    "I;16B": (0, 2),
    "I;16N": (1, 2) if sys.byteorder == "little" else (0, 2),
    "I": (1, 4) if sys.byteorder == "little" else (2, 4),
}
_ORIENTATION_TAG = 0x0112


class Pixels:
    """A decoded photo.

    data: uint8 through the buffer protocol: height x width x channels with any strides (height x
        width for gray), or the same bytes flat and contiguous; or a Yuv420 with 3 channels.
    channels: 1 is gray, 3 is RGB, 4 is RGB and an ignored byte.
    bgr: the channel order is blue, green, red.
    """

    def __init__(
        self, data: Any, height: int, width: int, channels: int, bgr: bool = False
    ) -> None:
        self.data = data
        self.height = height
        self.width = width
        self.channels = channels
        self.bgr = bgr


def decode(image: ImageLike, needed: Needed | None = None) -> Pixels:
    """Decodes an image and applies its EXIF orientation.

    image: a path; the bytes of an image file; a binary file object, which is read from its current
        position and left open; a PIL image (its current frame); a uint8 array H x W, H x W x 1,
        H x W x 3 (RGB) or H x W x 4 (RGBA) with any strides; or a `sqznet.Frame`.
    needed: allows the decoder of a JPEG file to scale it down to a half, a quarter or an eighth, as
        long as no side gets shorter than this. Ignored for anything else.

    Raises ImageError, naming the image, what was found and what was expected. A truncated file
    gives no partial image.
    """
    if isinstance(image, Pixels):
        return image
    # If another thread is importing it now, the module exists, but maybe not yet the class.
    pil_image = getattr(sys.modules.get("PIL.Image"), "Image", None)
    if pil_image is not None and isinstance(image, pil_image):
        result: Pixels = guarded(_from_pil, image, describe(image))
        return result
    if isinstance(image, (str, os.PathLike)):
        return _from_path(image, needed)
    if isinstance(image, (bytes, bytearray)) or (isinstance(image, memoryview) and image.ndim == 1):
        return _from_stream(BytesIO(image), memoryview(image).nbytes, needed, describe(image))
    if hasattr(image, "read"):
        return _from_file_object(image, needed)
    return _from_array(image)


def prepare() -> None:
    """Imports the JPEG reader in advance, which takes as long as several photos."""
    __import__("PIL.JpegImagePlugin")


def describe(image: Any) -> str:
    """A short one-line name of an image for error messages."""
    if isinstance(image, (str, os.PathLike)):
        name = os.fsdecode(image)
    elif isinstance(image, (bytes, bytearray)):
        name = f"<{len(image)} bytes>"
    elif hasattr(image, "read") and isinstance(getattr(image, "name", None), str):
        name = image.name
    else:
        name = getattr(image, "filename", "")  # a PIL image read from a file
        if not isinstance(name, str) or not name:
            name = f"<{type(image).__module__}.{type(image).__qualname__}>"
            name = name.replace("<builtins.", "<")
    return printable(name)


# --- Files -------------------------------------------------------------------------------------


def _from_path(path: str | os.PathLike[str] | os.PathLike[bytes], needed: Needed | None) -> Pixels:
    name = describe(path)
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > _AT_ONCE:
                with BufferedReader(file) as buffered:
                    return _from_stream(buffered, status.st_size, needed, name)
            data = _read_all(file, name, max(status.st_size + 1, 1 << 16))
    except OSError as error:
        raise ImageError(f"{name}: {_os_reason(error)}") from None
    except ImageError:
        raise
    except ValueError as error:  # a NUL character in the name
        raise ImageError(f"{name}: {error}") from None
    return _from_stream(BytesIO(data), len(data), needed, name)


def _from_file_object(file: Any, needed: Needed | None) -> Pixels:
    name = describe(file)
    data = guarded(_read_all, file, name)
    return _from_stream(BytesIO(data), len(data), needed, name)


def _read_all(file: Any, name: str, piece: int = 1 << 20) -> bytes:
    data = bytearray()
    while True:
        chunk = file.read(piece)
        if isinstance(chunk, str):
            raise ImageError(f"{name}: a file opened for text, expected one opened with 'rb'")
        if not chunk:
            return bytes(data)
        data += chunk
        if len(data) > _MAX_STREAM_BYTES:
            raise ImageError(
                f"{name}: more than {_MAX_STREAM_BYTES >> 20} MiB, too much for an image"
            )


def _os_reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a directory, expected an image file"
    if isinstance(error, PermissionError):
        return "permission denied"
    return reason(error)


def _from_stream(file: BinaryIO, size: int, needed: Needed | None, name: str) -> Pixels:
    if size == 0:
        raise ImageError(f"{name}: an empty file, expected an image")
    result: Pixels = guarded(_decode_stream, file, size, needed, name)
    return result


def _decode_stream(file: BinaryIO, size: int, needed: Needed | None, name: str) -> Pixels:
    image = _open(file, name)
    try:
        width, height = image.size
        _check_size(width, height, name)
        if width * height > _SPARE_PIXELS + _PIXELS_PER_BYTE * size:
            raise ImageError(
                f"{name}: {width} x {height} pixels in {size} bytes, "
                "a truncated file or a decompression bomb"
            )
        if needed is not None and image.format == "JPEG":
            _draft(image, needed)
        return _from_pil(image, name)
    finally:
        image.close()


def _draft(image: Image, needed: Needed) -> None:
    """Sets a JPEG file to decode smaller if both sides stay long enough."""
    width, height = image.size
    if _orientation(image) >= 5:  # its sides are swapped later
        least_w, least_h = needed(width, height)
    else:
        least_h, least_w = needed(height, width)
    image.draft(None, (least_w, least_h))  # None keeps the mode


def _open(file: BinaryIO, name: str) -> Image:
    head = file.read(16)
    file.seek(0)
    for magic, module, factory in _DIRECT:
        if head.startswith(magic):
            plugin = __import__(f"PIL.{module}", fromlist=(factory,))
            opened: Image = getattr(plugin, factory)(file)
            return opened

    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(file)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: no image format that Pillow reads, it begins with {ascii(head[:8])[1:]}"
        ) from None
    if image.format in _REFUSED_FORMATS:
        image.close()
        raise ImageError(f"{name}: {image.format} is a vector format, expected pixels")
    return image


# --- PIL images --------------------------------------------------------------------------------


def _from_pil(image: Image, name: str) -> Pixels:
    _check_size(*image.size, name)
    if image.mode == "F":
        raise ImageError(
            f"{name}: floating-point pixels (mode F), expected 8-bit ones: scale them to 0..255 "
            'and call image.convert("L")'
        )
    image.load()
    image = _upright(image)
    width, height = image.size
    if image.mode in _HIGH_BYTE:
        return Pixels(_upper_bytes(image, name), height, width, 1)
    if image.mode not in _KEEP:
        image = _converted(image)
    return _pixels_of(image, height, width)


def _check_size(width: int, height: int, name: str) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} x {height} pixels, expected at least one")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width} x {height} pixels, expected at most {MAX_PIXELS} in all "
            f"and {MAX_SIDE} a side"
        )


def _orientation(image: Image) -> int:
    """1 to 8; 1 is upright, from 5 on, width and height are swapped."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a damaged tag does not affect the pixels
        return 1
    return int(orientation) if orientation in range(2, 9) else 1


def _upright(image: Image) -> Image:
    if hasattr(image, "tag_v2"):  # Pillow rotates a TIFF when loading it, and 9.4 keeps the tag
        return image
    orientation = _orientation(image)
    if orientation == 1:
        return image
    from PIL.Image import Transpose

    return image.transpose(
        (
            Transpose.FLIP_LEFT_RIGHT,
            Transpose.ROTATE_180,
            Transpose.FLIP_TOP_BOTTOM,
            Transpose.TRANSPOSE,
            Transpose.ROTATE_270,
            Transpose.TRANSVERSE,
            Transpose.ROTATE_90,
        )[orientation - 2]
    )


def _converted(image: Image) -> Image:
    if image.mode in ("1", "LA", "La"):
        return image.convert("LA").getchannel(0) if image.mode == "La" else image.convert("L")
    if image.mode in ("RGBa", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def _upper_bytes(image: Image, name: str) -> bytes:
    if image.mode == "I":
        low, high = image.getextrema()
        if low < 0 or high > 65535:  # type: ignore[operator]
            raise ImageError(
                f"{name}: gray levels from {low} to {high} (mode I), expected 0 to 65535"
            )
    first, step = _HIGH_BYTE[image.mode]
    return image.tobytes()[first::step]


def _pixels_of(image: Image, height: int, width: int) -> Pixels:
    """Pillow's own memory (four bytes per color pixel) if it can be shared, else a copy."""
    channels = _KEEP[image.mode]
    stored = 1 if channels == 1 else 4
    try:
        # Since Pillow 11.2; large images are in several blocks and raise ValueError.
        lent = ArrowPixels(image.__arrow_c_array__(), height * width, stored)
    except (AttributeError, ValueError):
        return Pixels(image.tobytes(), height, width, channels)
    return Pixels(lent, height, width, stored)


# --- Arrays ------------------------------------------------------------------------------------

_EXPECTED = "expected a uint8 array H x W, H x W x 3 or H x W x 4"
_HINTS = {
    "f": ": scale to 0..255 and call .astype('uint8')",
    "H": ": call (array >> 8).astype('uint8') if it holds 16-bit gray levels",
    "?": ": call array.astype('uint8') * 255",
}


def _from_array(image: Any) -> Pixels:
    name = describe(image)
    view = _view_of(image, name)
    if view.format != "B":
        kind = view.format.lstrip("<>=@!|")
        kind = "f" if kind in ("e", "f", "d", "g") else kind
        found = getattr(image, "dtype", f"format {view.format!r}")
        raise ImageError(f"{name}: found {found} elements, {_EXPECTED}{_HINTS.get(kind, '')}")
    shape = view.shape or ()
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        hint = ": the channels come last" if len(shape) == 3 and shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{name}: found the shape {shape}, {_EXPECTED}{hint}")
    _check_size(shape[1], shape[0], name)
    return Pixels(view, shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def _view_of(image: Any, name: str) -> memoryview:
    try:
        return memoryview(image)
    except Exception:
        pass
    try:  # a tensor of another library that converts to NumPy arrays
        return memoryview(image.__array__())
    except Exception:
        raise ImageError(
            f"{name}: not an image, expected a path, the bytes of an image file, a binary file "
            "object, a PIL image or a uint8 array"
        ) from None
