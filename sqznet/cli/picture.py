"""The image files that commands write: their suffixes, and writing them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError, printable, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
ENDINGS = ", ".join(_FORMATS)


def has_suffix(path: str) -> bool:
    """Whether the path has the suffix of an image that can be written."""
    return os.path.splitext(path)[1].lower() in _FORMATS


def check_name(path: str, also: Sequence[str] = ()) -> None:
    """Raises SqznetError, naming the path, unless it has the suffix of an image. ``also``: other
    suffixes that it might have."""
    if not has_suffix(path):
        ending = os.path.splitext(path)[1]
        found = f"ends in {ending}" if ending else "has no suffix"
        raise SqznetError(
            f"{printable(path)}: {found}, expected one of {', '.join((ENDINGS, *also))}"
        )


def write(picture: Image, path: str) -> None:
    """Writes an image completely or not at all. Raises SqznetError, naming the path, on failure."""
    from sqznet.files.part_file import write_file

    content = io.BytesIO()
    picture.save(content, _FORMATS[os.path.splitext(path)[1].lower()], quality=92)
    try:
        write_file(path, content.getvalue())
    except (OSError, ValueError) as error:
        raise SqznetError(f"{printable(path)}: cannot be written: {reason_of(error)}") from None
