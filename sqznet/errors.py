"""The family of errors that sqznet raises for bad input."""

from __future__ import annotations


class SqznetError(ValueError):
    """The base of every error that sqznet raises on purpose."""


class ImageError(SqznetError):
    """An image could not be read."""


class WeightsError(SqznetError):
    """A weights file is damaged, unsafe, or not a SqueezeNet."""


class UnsupportedIsaError(SqznetError):
    """The requested instruction set is unknown or cannot run on this CPU."""


def printable(text: str) -> str:
    """A file name for use in messages: line breaks, terminal escapes and lone surrogates become
    backslash escapes, so that it stays on one line and cannot affect a terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
