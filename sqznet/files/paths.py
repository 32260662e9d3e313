"""Paths as callers write them."""

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
