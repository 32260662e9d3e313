"""Paths as callers write them, and as files of results hold them."""

from __future__ import annotations

import os


def expanded(path: str | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """The path as text, with a leading ``~`` replaced by the user's home folder, as a shell does.

    A file whose name begins with ``~`` is itself.
    """
    name = os.fsdecode(path)
    if not name.startswith("~"):
        return name
    try:
        return name if os.path.lexists(name) else os.path.expanduser(name)
    except ValueError:  # a zero byte, which is reported where the file is opened
        return name


def stored_text(text: str) -> str:
    """A path or a label with backslash escapes for what is not text, such as bytes of a file name
    that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
