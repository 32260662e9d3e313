"""Finds photos: expands files, folders, patterns and lists to single paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from sqznet.errors import ImageError, printable, reason_of

#: The suffixes of photos in folders. A file that is named explicitly may have any.
ENDINGS = tuple(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "heic", "heif", "jfif", "jp2", "jpe", "jpeg", "jpg"),
        *("pbm", "pgm", "png", "pnm", "ppm", "tga", "tif", "tiff", "webp"),
    )
)


class Found(NamedTuple):
    """The path of a photo, or a name with the error why there is none."""

    path: str
    error: ImageError | None = None


def has_photo_suffix(name: str) -> bool:
    """Whether a file name has the suffix of a photo, in lower or upper case."""
    return os.path.splitext(name)[1].lower() in ENDINGS


def expand(
    named: Iterable[str | os.PathLike[str]], leave_out: Iterable[str] = ()
) -> Iterator[Found]:
    """Yields the photos that these names stand for, in order.

    A folder stands for the photos in it and in its sub-folders, sorted by name; the photos of a
    folder come before those of its sub-folders. Hidden files and folders (with a leading dot) are
    skipped, and links to folders are not followed. A name that does not exist but contains ``*``,
    ``?`` or ``[`` is a pattern; ``**`` matches any folders. Anything else is a photo.

    A file is repeated as often as it is named; folders and patterns add no file a second time.
    ``leave_out``: paths of files that are never photos, such as the output.

    An empty folder, an unreadable folder and a pattern without a match give an ImageError.
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
    """The paths in a stream: one per line or, as from `find -print0`, each terminated by NUL."""
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
            if not name.startswith(".") and has_photo_suffix(name):
                empty = False
                yield Found(os.path.join(place, name))
    for error in failed:
        yield _nothing(os.fsdecode(error.filename), f"cannot be listed: {reason_of(error)}")
    if empty and not failed:
        yield _nothing(folder, "a folder without photos, expected files such as photo.jpg in it")


def _matching(pattern: str) -> Iterator[Found]:
    from glob import glob

    empty = True
    for match in sorted(glob(pattern, recursive=True)):
        for photo in _in_folder(match) if os.path.isdir(match) else [Found(match)]:
            # "**" matches every folder; those without photos are not an error.
            if photo.path != match or photo.error is None:
                empty = False
                yield photo
    if empty:
        yield _nothing(pattern, "no file matches this pattern")


def _nothing(name: str, reason: str) -> Found:
    return Found(name, ImageError(f"{printable(name)}: {reason}"))
