"""The one family of errors that sqznet raises for bad input."""

from __future__ import annotations


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
