"""SqueezeNet for CPUs: ``sqznet.classify("photo.jpg")`` names what is in a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.api import classify, load
from sqznet.errors import ImageError, SqznetError, UnsupportedIsaError, WeightsError
from sqznet.model import Model, Prediction
from sqznet.preprocessing import Preprocessing

if TYPE_CHECKING:
    from sqznet.conversion import Converted, convert
    from sqznet.frame import Frame
    from sqznet.identity import Identity, identify
    from sqznet.learning.recognizer import Recognizer, learn
    from sqznet.watching.loop import Sighting, watch

__version__ = "0.1.0"

__all__ = [
    "Converted",
    "Frame",
    "Identity",
    "ImageError",
    "Model",
    "Prediction",
    "Preprocessing",
    "Recognizer",
    "Sighting",
    "SqznetError",
    "UnsupportedIsaError",
    "WeightsError",
    "classify",
    "convert",
    "identify",
    "learn",
    "load",
    "watch",
]

# What classifying a photo has no need of, and the module to import it from.
_ON_DEMAND = {
    "Converted": "sqznet.conversion",
    "Frame": "sqznet.frame",
    "Identity": "sqznet.identity",
    "Sighting": "sqznet.watching.loop",
    "Recognizer": "sqznet.learning.recognizer",
    "convert": "sqznet.conversion",
    "identify": "sqznet.identity",
    "learn": "sqznet.learning.recognizer",
    "watch": "sqznet.watching.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'sqznet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)
