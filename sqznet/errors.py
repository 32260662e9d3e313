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
