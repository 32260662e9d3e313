"""Decodes anything that counts as an image to upright 8-bit gray, RGB or RGBX pixels.

Pillow decodes; it is imported with the first file. NumPy is never imported here: arrays are read
through the buffer protocol.

Special cases: of an animation, the first frame is used; transparency is dropped, as by Pillow's
`convert("RGB")`; Pillow converts CMYK, YCbCr, LAB, HSV and palettes; of 16-bit levels, the upper 8
bits are kept (mode "I" counts as 16-bit gray), unless they are all dark; floating-point pixels are
refused, since their range is unknown.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from sqznet._pixels import ArrowPixels
from sqznet.errors import ImageError, path_for_messages
from sqznet.images.pillow import guarded, plug_in, reason
from sqznet.images.pixels import Pixels, check_size

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
        | Pixels
    )
else:
    ImageLike = Any

#: Maps a photo's upright (height, width) to the smallest (height, width) that may be decoded.
Needed = Callable[[int, int], tuple[int, int]]

# A file with more than _SPARE_PIXELS plus this many pixels per byte counts as damaged or as a
# decompression bomb: no format compresses more, and even a blank PNG has at most 8256.
_PIXELS_PER_BYTE = 10_000
_SPARE_PIXELS = 1 << 24

# Files up to this size are read at once. Pillow reads in dozens of small pieces, and each system
# call passes the GIL back and forth between threads.
_AT_ONCE = 1 << 24

# Formats whose modules are imported directly: Image.open imports five or all of them, which takes
# longer than decoding a photo.
_DIRECT = (
    (b"\xff\xd8\xff", "JpegImagePlugin", "JpegImageFile"),
    (b"\x89PNG\r\n\x1a\n", "PngImagePlugin", "PngImageFile"),
)
_JPEG_LS = b"\xff\xd8\xff\xf7"  # begins like a JPEG file, but needs a plug-in
_TIFF = (b"II", b"MM")

# Not images but programs: Pillow would start another program to draw them.
_REFUSED_FORMATS = ("EPS", "WMF")
# Formats that Pillow identifies, but does not read.
_UNREADABLE = ("BUFR", "GRIB", "HDF5", "MPEG")

_KEEP = {"L": 1, "RGB": 3, "RGBA": 4, "RGBX": 4}
_ORIENTATION_TAG = 0x0112


def decode(
    image: ImageLike, needed: Needed | None = None, bgr: bool = False, allow_urls: bool = False
) -> Pixels:
    """Decodes an image and applies its EXIF orientation.

    image: a path; the bytes of an image file; a binary file object, which is read from its current
        position and left open; a PIL image (its current frame); a uint8 array H x W, H x W x 1,
        H x W x 3 (RGB) or H x W x 4 (RGBA) with any strides; a uint8 tensor of torch, which may
        also be C x H x W; or a `sqznet.Frame`.
    needed: allows the decoder of a JPEG file to scale it down to a half, a quarter or an eighth, as
        long as no side gets shorter than this. Ignored for anything else.
    bgr: arrays are BGR or BGRA, as OpenCV has them. Everything else knows its own order.
    allow_urls: fetches text that begins with http:// or https://.

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
    if allow_urls and isinstance(image, str):
        from sqznet.images.texts import is_web_address

        if is_web_address(image):
            return _from_web(image, needed)
    if isinstance(image, (str, os.PathLike)):
        return _from_path(image, needed)
    if isinstance(image, (bytes, bytearray)) or (isinstance(image, memoryview) and image.ndim == 1):
        return _from_stream(BytesIO(image), memoryview(image).nbytes, needed, describe(image))
    if hasattr(image, "read"):
        return _from_file_object(image, needed)
    from sqznet.images.arrays import from_array

    return from_array(image, describe(image), bgr)


def prepare() -> None:
    """Imports the JPEG reader in advance, which takes as long as several photos."""
    __import__("PIL.JpegImagePlugin")


def describe(image: Any) -> str:
    """A short one-line name of an image for error messages."""
    if isinstance(image, (str, os.PathLike)):
        return path_for_messages(image)
    if isinstance(image, (bytes, bytearray)):
        name = f"<{len(image)} bytes>"
    elif hasattr(image, "read") and isinstance(getattr(image, "name", None), str):
        name = image.name
    else:
        name = getattr(image, "filename", "")  # a PIL image read from a file
        if not isinstance(name, str) or not name:
            name = f"<{type(image).__module__}.{type(image).__qualname__}>"
            name = name.replace("<builtins.", "<")
    return path_for_messages(name)


# --- Files -------------------------------------------------------------------------------------


def _from_path(path: str | os.PathLike[str] | os.PathLike[bytes], needed: Needed | None) -> Pixels:
    name = describe(path)
    try:
        with open(_expanded(os.fsdecode(path)), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            is_file = stat.S_ISREG(status.st_mode)
            if is_file and status.st_size > _AT_ONCE:
                with BufferedReader(file) as buffered:
                    return _from_stream(buffered, status.st_size, needed, name)
            data = file.read() if is_file else _read_pieces(file, name)
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise ImageError(f"{name}: {_no_file(os.fsdecode(path), error)}") from None
    return _from_stream(BytesIO(data), len(data), needed, name)


def _from_web(address: str, needed: Needed | None) -> Pixels:
    from sqznet.images.fetching import fetch

    name = describe(address)
    data = fetch(address, name)
    return _from_stream(BytesIO(data), len(data), needed, name)


def _from_file_object(file: Any, needed: Needed | None) -> Pixels:
    name = describe(file)
    data = guarded(_read_pieces, file, name)
    return _from_stream(BytesIO(data), len(data), needed, name)


def _read_pieces(file: Any, name: str) -> bytes:
    from sqznet.images.streams import read_all

    return read_all(file, name)


def _expanded(path: str) -> str:
    if not path.startswith("~"):
        return path
    from sqznet.files.paths import expanded

    return expanded(path)


def _no_file(path: str, error: OSError | ValueError) -> str:
    """Why there is no file of this path."""
    from sqznet.images.texts import advice

    if said := advice(path):
        return said
    if isinstance(error, FileNotFoundError):
        return "a link to a file that does not exist" if os.path.islink(path) else "no such file"
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
    try:
        return _decode_content(file, size, needed, name)
    except ImageError:
        raise
    except Exception:
        repaired = _without_metadata(file)
        if repaired is None:
            raise
    return _decode_content(repaired, size, needed, name)


def _decode_content(file: BinaryIO, size: int, needed: Needed | None, name: str) -> Pixels:
    image = _open(file, name)
    width, height = image.size
    check_size(width, height, name)
    if width * height > _SPARE_PIXELS + _PIXELS_PER_BYTE * size:
        raise ImageError(
            f"{name}: {width} x {height} pixels in {size} bytes, "
            "a truncated file or a decompression bomb"
        )
    if needed is not None and image.format == "JPEG":
        _draft(image, needed)
    is_smaller = image.size != (width, height)
    pixels = _from_pil(image, name)
    if is_smaller:
        swapped = _orientation(image) >= 5
        pixels.whole = (width, height) if swapped else (height, width)
    image.close()
    return pixels


def _without_metadata(file: BinaryIO) -> BinaryIO | None:
    """A PNG file without what its pixels do not need; None for anything else."""
    from sqznet.images import png
    from sqznet.images.streams import MAX_STREAM_BYTES

    file.seek(0)
    data = file.read(len(png.MAGIC))
    if data != png.MAGIC:
        return None
    kept = png.without_metadata(data + file.read(MAX_STREAM_BYTES))
    return None if kept is None else BytesIO(kept)


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
        if head.startswith(magic) and not head.startswith(_JPEG_LS):
            opened: Image = getattr(plug_in(module), factory)(file)
            return opened
    if head.startswith(_TIFF):
        from sqznet.images import tiff

        if head.startswith(tiff.MAGICS):
            return tiff.open_tiff(file, name)

    from PIL import UnidentifiedImageError

    image: Image | None = None
    with suppress(UnidentifiedImageError):
        image = plug_in("Image").open(file)
    if image is None or image.format in _UNREADABLE:
        from sqznet.images.formats import open_otherwise

        return open_otherwise(file, name)
    if image.format in _REFUSED_FORMATS:
        raise ImageError(f"{name}: {image.format} is a vector format, expected pixels")
    return image


# --- PIL images --------------------------------------------------------------------------------


def _from_pil(image: Image, name: str) -> Pixels:
    check_size(*image.size, name)
    if image.mode == "F":
        raise ImageError(
            f"{name}: floating-point pixels (mode F), expected 8-bit ones: scale them to 0..255 "
            'and call image.convert("L")'
        )
    tiles: Any = getattr(image, "tile", None)  # what is to be read of a file
    is_deep = bool(tiles) and ";16" in str(tiles[0]) and image.mode.startswith("RGB")
    if tiles and hasattr(image, "tag_v2"):
        from sqznet.images import tiff

        tiff.mend(image, name)
    image.load()
    image = _upright(image)
    width, height = image.size
    if image.mode.startswith("I"):
        from sqznet.images import gray

        return Pixels(gray.levels(image, name), height, width, 1)
    if is_deep:
        _require_bright(image, name)
    if image.mode not in _KEEP:
        image = _converted(image)
    return _pixels_of(image, height, width)


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


def _require_bright(image: Image, name: str) -> None:
    """Refuses colors of 12 bits in a file of 16 bits, of which Pillow keeps the upper 8."""
    from sqznet.images import gray

    colors: Any = image.getextrema()
    if all(high < gray.DARK for _, high in colors[:3]):
        raise gray.too_dark(name)


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
