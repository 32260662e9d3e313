"""Arrays and tensors as images: NumPy's, those of the buffer protocol, torch's."""

from __future__ import annotations

import sys
from typing import Any

from sqznet.errors import ImageError
from sqznet.images.pixels import Pixels, check_size

_EXPECTED = "expected a uint8 array H x W, H x W x 3 or H x W x 4"
_HINTS = {
    "f": ": scale to 0..255 and call .astype('uint8')",
    "H": ": call (array >> 8).astype('uint8') if it holds 16-bit gray levels",
    "?": ": call array.astype('uint8') * 255",
}
_CHANNELS = (1, 3, 4)


def from_array(image: Any, name: str, bgr: bool) -> Pixels:
    """The pixels of an array, not copied. ``bgr``: its channel order is blue, green, red.

    A tensor of torch may also have its channels first, as torchvision gives it.
    Raises ImageError, beginning with ``name``, for anything else.
    """
    view = _view_of(image, name)
    if view.format != "B":
        kind = view.format.lstrip("<>=@!|")
        kind = "f" if kind in ("e", "f", "d", "g") else kind
        found = getattr(image, "dtype", f"format {view.format!r}")
        raise ImageError(f"{name}: found {found} elements, {_EXPECTED}{_HINTS.get(kind, '')}")
    shape = view.shape or ()
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in _CHANNELS):
        hint = ": the channels come last" if len(shape) == 3 and shape[0] in _CHANNELS else ""
        raise ImageError(f"{name}: found the shape {shape}, {_EXPECTED}{hint}")
    check_size(shape[1], shape[0], name)
    return Pixels(view, shape[0], shape[1], shape[2] if len(shape) == 3 else 1, bgr)


def _view_of(image: Any, name: str) -> memoryview:
    try:
        return memoryview(image)
    except Exception:
        pass
    try:  # a tensor of another library that converts to NumPy arrays
        array = image.__array__()
        return memoryview(_channels_last(array) if _is_torch(image) else array)
    except Exception:
        device = getattr(image, "device", None)
        if _is_torch(image) and getattr(device, "type", "cpu") != "cpu":
            raise ImageError(f"{name}: a tensor on {device}, {_EXPECTED}: call .cpu()") from None
        raise ImageError(
            f"{name}: not an image, expected a path, the bytes of an image file, a binary file "
            "object, a PIL image or a uint8 array"
        ) from None


def _is_torch(image: Any) -> bool:
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return isinstance(tensor, type) and isinstance(image, tensor)


def _channels_last(array: Any) -> Any:
    """An array C x H x W as H x W x C. One that could be either is C x H x W, as torch has it."""
    is_first = array.ndim == 3 and array.shape[0] in _CHANNELS
    return array.transpose(1, 2, 0) if is_first else array
