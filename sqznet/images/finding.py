"""From what a person names to single photos: files, folders, patterns and lists of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from sqznet.errors import ImageError, printable

#: The endings by which photos are found in folders. A file that is named itself may have any.
ENDINGS = tuple(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "pnm", "ppm", "tga", "tif", "tiff", "webp"),
    )
)


class Found(NamedTuple):
    """A path to read a photo from, or, with an error, something named that gives none."""

    path: str
    error: ImageError | None = None


def has_photo_ending(name: str) -> bool:
    """Whether a file's name ends as a photo's does, be it in upper case."""
    return os.path.splitext(name)[1].lower() in ENDINGS


def expand(
    named: Iterable[str | os.PathLike[str]], leave_out: Iterable[str] = ()
) -> Iterator[Found]:
    """The photos that these names stand for, in their order.

    A folder stands for the photos in it and in the folders below, sorted by name, those of a folder
    before those of its sub-folders. Hidden files and folders, whose names begin with a dot, are
    passed over, and links to folders are not followed. A name that is no file but holds ``*``,
    ``?`` or ``[`` is a pattern, ``**`` matching any folders. Anything else is a photo.

    A file comes as often as it is named; folders and patterns add no file that came already.
    ``leave_out``: paths of files that are never photos, such as the output.

    An empty folder, a folder that cannot be listed and a pattern without a match come with an
    ImageError.
    """
    outputs = {os.path.abspath(path) for path in leave_out}
    seen = set(outputs)
    for given in named:
        name = os.fsdecode(given)
        if os.path.isdir(name):
            found = _in_folder(name)
        elif _is_pattern(name) and not os.path.lexists(name):
            found = _matching(name)
        else:
            full = os.path.abspath(name)
            if full not in outputs:
                seen.add(full)
                yield Found(name)
            continue
        for photo in found:
            full = os.path.abspath(photo.path)
            if photo.error is not None:
                yield photo
            elif full not in seen:
                seen.add(full)
                yield photo


def read_list(stream: BinaryIO) -> list[str]:
    """The paths that a stream lists: one a line or, as `find -print0` has it, each ended by NUL."""
    content = stream.read()
    if b"\0" in content:
        parts = content.split(b"\0")
    else:
        parts = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part.strip()]


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def _in_folder(folder: str) -> Iterator[Found]:
    failed: list[OSError] = []
    empty = True
    for place, folders, files in os.walk(folder, onerror=failed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and has_photo_ending(name):
                empty = False
                yield Found(os.path.join(place, name))
    for error in failed:
        yield _nothing(os.fsdecode(error.filename), f"cannot be listed: {error.strerror}")
    if empty and not failed:
        yield _nothing(folder, "a folder without photos, expected files such as photo.jpg in it")


def _matching(pattern: str) -> Iterator[Found]:
    from glob import glob

    empty = True
    for match in sorted(glob(pattern, recursive=True)):
        for photo in _in_folder(match) if os.path.isdir(match) else [Found(match)]:
            # "**" names every folder below, and those without photos do not matter.
            if photo.path != match or photo.error is None:
                empty = False
                yield photo
    if empty:
        yield _nothing(pattern, "no file matches this pattern")


def _nothing(name: str, reason: str) -> Found:
    return Found(name, ImageError(f"{printable(name)}: {reason}"))
