"""SqueezeNet for CPUs: ``sqznet.classify("photo.jpg")`` names what is in a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.api import Model, Prediction, classify, load
from sqznet.errors import ImageError, SqznetError, UnsupportedIsaError, WeightsError
from sqznet.preprocessing import Preprocessing

if TYPE_CHECKING:
    from sqznet.conversion import Converted, convert
    from sqznet.identity import Identity, identify

__version__ = "0.1.0"

__all__ = [
    "Converted",
    "Identity",
    "ImageError",
    "Model",
    "Prediction",
    "Preprocessing",
    "SqznetError",
    "UnsupportedIsaError",
    "WeightsError",
    "classify",
    "convert",
    "identify",
    "load",
]

# What classifying a photo has no need of, and the module to import it from.
_ON_DEMAND = {
    "Converted": "sqznet.conversion",
    "Identity": "sqznet.identity",
    "convert": "sqznet.conversion",
    "identify": "sqznet.identity",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'sqznet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)
