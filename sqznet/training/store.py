"""Photos decoded once: a memory-mapped array of their gray levels, in a file.

The file has the pixels, photo after photo, then a JSON object, and its length in 8 bytes, little-
endian. A later run that wants the same of the same photos takes the file as it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sqznet import _pixels
from sqznet.batch.photos import in_order
from sqznet.engine import cpu
from sqznet.errors import ImageError, SqznetError, path_for_messages, reason_of
from sqznet.files.part_file import written
from sqznet.images.decoding import decode
from sqznet.images.preprocessing import Preprocessing, geometry
from sqznet.weights.strict_json import compact

Levels = npt.NDArray[np.uint8]

_LENGTH = 8


class Store:
    """The photos that could be read.

    pixels: uint8 (N, H, W, 3), RGB, memory-mapped; changes do not reach the file. kept: for each,
    its index among the photos that were asked for. hashes: for each, the SHA-256 of its file, in
    hex.
    """

    def __init__(self, pixels: Levels, kept: Sequence[int], hashes: Sequence[str]) -> None:
        self.pixels = pixels
        self.kept = list(kept)
        self.hashes = list(hashes)

    def __len__(self) -> int:
        return len(self.pixels)


def stored(
    path: str,
    photos: Sequence[str],
    pre: Preprocessing,
    report: Callable[[ImageError], None],
    advance: Callable[[], None] = lambda: None,
) -> Store:
    """Decodes photos into a file, or takes the file that an earlier call made of the same ones.

    ``path``: the file; an old one of other photos is replaced. ``photos``: paths of image files.
    ``pre``: how they are resized and cropped; its levels and order of channels do not matter.
    ``report``: called for a photo that cannot be read, which is left out. ``advance``: called after
    each photo. Raises SqznetError if the disk is full, or if no photo can be read.
    """
    key = _key(photos, pre)
    found = _read(path, pre, key)
    if found is None:
        _check_space(path, len(photos) * pre.size[0] * pre.size[1] * 3)
        try:
            with written(path) as part, open(part, "wb") as file:
                _write(file, photos, pre, key, advance)
        except OSError as error:
            raise SqznetError(
                f"{path_for_messages(path)}: the decoded photos cannot be written: "
                f"{reason_of(error)}"
            ) from None
        found = _read(path, pre, key)
        assert found is not None
    for message in found["unreadable"]:
        report(ImageError(message))
    if not found["kept"]:
        raise SqznetError("none of the photos could be read")
    shape = (len(found["kept"]), *pre.size, 3)
    pixels: Levels = np.memmap(path, np.uint8, "c", shape=shape)
    return Store(pixels, found["kept"], found["hashes"])


def _write(
    file: BinaryIO,
    photos: Sequence[str],
    pre: Preprocessing,
    key: str,
    advance: Callable[[], None],
) -> None:
    kept, hashes, unreadable = [], [], []
    work = partial(_levels, cpu.kernels().pixels.capsule(), pre)
    with closing(in_order(work, photos, cpu.thread_count())) as decoded:
        for index, found in enumerate(decoded):
            if isinstance(found, ImageError):
                unreadable.append(str(found))
            else:
                levels, digest = found
                file.write(levels.data)
                kept.append(index)
                hashes.append(digest)
            advance()
    about = {"key": key, "kept": kept, "hashes": hashes, "unreadable": unreadable}
    text = compact(about).encode("ascii")
    file.write(text + len(text).to_bytes(_LENGTH, "little"))


def _levels(kernels: object, pre: Preprocessing, photo: str) -> tuple[Levels, str] | ImageError:
    """The gray levels of a photo (1, H, W, 3) and the SHA-256 of its file, or why it cannot be
    read."""
    levels: Levels = np.empty((1, *pre.size, 3), np.uint8)
    try:
        pixels = decode(photo)
        with open(photo, "rb") as file:
            digest = sha256(file.read()).hexdigest()
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(f"{path_for_messages(photo)}: {reason_of(error)}")
    _pixels.resize_normalize(
        pixels.data,
        pixels.height,
        pixels.width,
        pixels.channels,
        *geometry(pre, pixels.height, pixels.width),
        levels,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        pixels.bgr,
        kernels,
    )
    return levels, digest


def _key(photos: Sequence[str], pre: Preprocessing) -> str:
    """Changes with the photos' names, sizes and times, and with how they are resized."""
    digest = sha256(compact([*pre.size, pre.fit, pre.rounding, *pre.resized]).encode())
    for photo in photos:
        state: tuple[int, ...] = ()
        with suppress(OSError):
            status = os.stat(photo)
            state = status.st_size, status.st_mtime_ns
        digest.update(f"{compact([photo, *state])}\n".encode())
    return digest.hexdigest()


def _read(path: str, pre: Preprocessing, key: str) -> dict[str, Any] | None:
    """What a file says of its photos; None if there is none with this key."""
    try:
        with open(path, "rb") as file:
            size = file.seek(-_LENGTH, os.SEEK_END)
            length = int.from_bytes(file.read(_LENGTH), "little")
            file.seek(size - length)
            about = json.loads(file.read(length))
        pixels = len(about["kept"]) * pre.size[0] * pre.size[1] * 3
        is_whole = size - length == pixels
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return about if is_whole and about["key"] == key else None


def _check_space(path: str, needed: int) -> None:
    """Raises SqznetError if the disk has no room for so many bytes."""
    folder = os.path.dirname(os.path.abspath(path))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SqznetError(
            f"{path_for_messages(folder)}: the decoded photos need {needed / 1e6:.0f} MB, "
            f"but {free / 1e6:.0f} MB are free"
        )
