"""Finds photos: expands files, folders, patterns and lists to single paths."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import BinaryIO, NamedTuple

from sqznet.errors import ImageError, path_for_messages, reason_of
from sqznet.files.paths import expanded
from sqznet.images.passed_over import PassedOver
from sqznet.images.texts import is_address

#: The suffixes of photos in folders. A file that is named explicitly may have any, or none.
ENDINGS = tuple(
    f".{name}"
    for name in (
        *("apng", "avif", "avifs", "bmp", "dib", "gif", "heic", "heics", "heif", "heifs", "hif"),
        *("ico", "j2c", "j2k", "jfif", "jp2", "jpc", "jpe", "jpeg", "jpf", "jpg", "jpx", "jxl"),
        *("mpo", "pbm", "pgm", "png", "pnm", "ppm", "psd", "qoi", "tga", "tif", "tiff", "webp"),
    )
)

#: Called with a line about something that is passed over.
Notice = Callable[[str], None]


class Found(NamedTuple):
    """The path of a photo, or a name with the error why there is none.

    ``content``: the photo itself where it is no file; then the path is only its name.
    """

    path: str
    error: ImageError | None = None
    content: bytes | None = None

    @property
    def image(self) -> str | BinaryIO:
        """What decodes to the photo."""
        return self.path if self.content is None else _Named(self.content, self.path)


class _Named(BytesIO):
    """Bytes with the name that messages call them."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def has_photo_suffix(name: str) -> bool:
    """Whether a file name has the suffix of a photo, in lower or upper case."""
    return os.path.splitext(name)[1].lower() in ENDINGS


def natural(name: str) -> tuple[list[tuple[str, int, str]], str]:
    """A key that sorts names like text, but numbers in them by their value: s2 before s10."""
    numbers_and_characters = re.findall("[0-9]+|[^0-9]", name)
    return [
        # Without leading zeros, the longer number is the larger one.
        ("0", len(part.lstrip("0")), part.lstrip("0")) if part[0] in "0123456789" else (part, 0, "")
        for part in numbers_and_characters
    ], name


def log(line: str) -> None:
    """A warning of the logger ``sqznet``."""
    import logging

    logging.getLogger("sqznet").warning(line)


def expand(
    named: Iterable[str | os.PathLike[str] | Found],
    leave_out: Iterable[str] = (),
    notice: Notice = log,
) -> Iterator[Found]:
    """Yields the photos that these names stand for, in order.

    A folder stands for the photos in it and in its sub-folders, sorted by name, numbers in names by
    their value; the photos of a folder come before those of its sub-folders. Hidden files and
    folders (with a leading dot) are skipped, and links to folders are not followed. A name that
    does not exist but contains ``*``, ``?`` or ``[`` is a pattern; ``**`` matches any folders.
    Anything else is a photo. A leading ``~`` is the user's home folder. A Found stays as it is.

    A file is repeated as often as it is named; folders and patterns add no file a second time.
    ``leave_out``: paths of files that are never photos, such as the output. ``notice``: called with
    a line about what folders and patterns have that is no photo: files of other kinds, FIFOs,
    sockets, devices, and links to folders. Nothing of it is opened.

    An empty folder, an unreadable folder and a pattern without a match give an ImageError.
    """
    outputs = {os.path.abspath(path) for path in leave_out}
    seen = set(outputs)
    for given in named:
        if isinstance(given, Found):
            yield given
            continue
        name = expanded(given)
        passed = PassedOver(outputs)
        if os.path.isdir(name):
            reason = "a folder without photos, expected files such as photo.jpg in it"
            found = _or_nothing(name, _in_folder(name, passed), reason)
        elif _is_pattern(name) and not os.path.lexists(name):
            found = _or_nothing(name, _matching(name, passed), "no file matches this pattern")
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
        for line in passed.lines():
            notice(f"{path_for_messages(name)}: {line}")


def read_stream(stream: BinaryIO, name: str) -> list[str] | list[Found]:
    """The photo in a stream, called ``name``, or the paths: one per line or, as from `find
    -print0`, each terminated by NUL."""
    from sqznet.images.formats import is_image_file  # not needed for photos that are files

    content = stream.read()
    if is_image_file(content):
        return [Found(name, content=content)]
    if b"\0" in content:
        parts = content.split(b"\0")
    else:
        parts = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part.strip()]


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[") and not is_address(name)


def _in_folder(folder: str, passed: PassedOver) -> Iterator[Found]:
    failed: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=failed.append):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural)
        for path in (os.path.join(place, name) for name in folders):
            if os.path.islink(path):
                passed.link(path)
        for name in sorted(files, key=natural):
            path = os.path.join(place, name)
            if not name.startswith(".") and passed.is_photo(path, has_photo_suffix(name)):
                yield Found(path)
    for error in failed:
        yield _nothing(os.fsdecode(error.filename), f"cannot be listed: {reason_of(error)}")


def _matching(pattern: str, passed: PassedOver) -> Iterator[Found]:
    from glob import glob

    for match in sorted(glob(pattern, recursive=True), key=natural):
        if os.path.isdir(match):
            yield from _in_folder(match, passed)
        elif passed.is_photo(match, True):
            yield Found(match)


def _or_nothing(name: str, found: Iterator[Found], reason: str) -> Iterator[Found]:
    """What was found, or an error with this reason if it is nothing."""
    empty = True
    for photo in found:
        empty = False
        yield photo
    if empty:
        yield _nothing(name, reason)


def _nothing(name: str, reason: str) -> Found:
    return Found(name, ImageError(f"{path_for_messages(name)}: {reason}"))
