"""The one family of errors that sqznet raises for bad input, and the checks and the ways to show a
value that all of its parts share."""

from __future__ import annotations

from operator import index
from typing import Any


class SqznetError(ValueError):
    """Base of every error that sqznet raises on purpose."""


class ImageError(SqznetError):
    """Something given as an image could not be read as one."""


class WeightsError(SqznetError):
    """A weights file is damaged, unsafe, or not a SqueezeNet."""


class UnsupportedIsaError(SqznetError):
    """The instruction set asked for is unknown or cannot run on this CPU."""


def printable(text: str) -> str:
    """A file's name as messages show it: line breaks, terminal escapes and lone surrogates as
    backslash escapes, so that it stays on one line and does nothing to a terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def whole_number(value: Any) -> int:
    """The value of an integer of any library's type, 0 for anything else, True and False too."""
    try:
        return 0 if isinstance(value, bool) else index(value)
    except TypeError:
        return 0


def checked_count(name: str, value: Any, most: int | None = None) -> int:
    """The value of an argument that counts something.

    Raises SqznetError, naming the argument, for anything but a whole number from 1 to ``most``.
    """
    count = whole_number(value)
    if count < 1 or (most is not None and count > most):
        upper = "up" if most is None else f"to {most}"
        raise SqznetError(f"{name} must be a whole number from 1 {upper}, not {value!r}")
    return count
