"""What callers hand in: one image or several, and how they are to be read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

from sqznet.errors import SqznetError, shown
from sqznet.images.decoding import decode
from sqznet.images.pixels import Pixels

Item = TypeVar("Item")

CHANNEL_ORDERS = ("rgb", "bgr")
_NUMBERS = ("b", "i", "u", "f", "c")


class Reading:
    """How images are read; the fields are explained in `Model.classify`."""

    def __init__(
        self, fast_decode: bool = False, channels: str = "rgb", allow_urls: bool = False
    ) -> None:
        self.fast_decode = fast_decode
        self.channels = channels
        self.allow_urls = allow_urls

    def decode(self, image: Any, needed: Any) -> Pixels:
        """See `decoding.decode`. ``needed`` counts for ``fast_decode`` only."""
        return decode(
            image, needed if self.fast_decode else None, self.channels == "bgr", self.allow_urls
        )


#: Exact, RGB, and nothing is fetched.
PLAIN = Reading()


def reading(fast_decode: bool, channels: str, allow_urls: bool) -> Reading:
    """Raises SqznetError for another order of channels."""
    if channels not in CHANNEL_ORDERS:
        raise SqznetError(f"channels is {shown(channels)}, expected 'rgb' or 'bgr'")
    return Reading(fast_decode, channels, allow_urls)


def several(images: Any) -> Iterable[Any] | None:
    """The images, if these are several; None for a single one.

    Several images are a list, a tuple, a set, a generator or another iterable, a Series of pandas,
    an array of paths, or an array or tensor of four dimensions, of which the first counts images.
    """
    if isinstance(images, (list, tuple)):
        return images
    single = (str, bytes, bytearray, memoryview, os.PathLike, Pixels, Mapping)
    if isinstance(images, single) or hasattr(images, "read"):
        return None
    shape = getattr(images, "shape", None)
    if isinstance(shape, tuple):
        kind = getattr(getattr(images, "dtype", None), "kind", None)
        is_several = len(shape) == 4 or (len(shape) == 1 and kind not in _NUMBERS)
    else:
        is_several = not hasattr(images, "__array__")
    return images if is_several and isinstance(images, Iterable) else None


def listed(images: Any) -> list[Any]:
    """One image or several as a list."""
    found = several(images)
    return [images] if found is None else list(found)


def grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of this size; the last may be shorter."""
    left = iter(items)
    while group := list(islice(left, size)):
        yield group
