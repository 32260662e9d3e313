"""SqueezeNet for CPUs: ``sqznet.classify("photo.jpg")`` classifies a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.answers import Prediction
from sqznet.api import classify, evaluate, identify, load
from sqznet.errors import ImageError, SqznetError, UnsupportedIsaError, WeightsError
from sqznet.images.preprocessing import Preprocessing
from sqznet.model import Model

if TYPE_CHECKING:
    from sqznet.compression.compressing import Compressed, compress
    from sqznet.images.frame import Frame
    from sqznet.insight.evaluation import Evaluation
    from sqznet.learning.identity import RecognizerIdentity
    from sqznet.learning.recognizer import Recognizer, learn
    from sqznet.watching.loop import Sighting, watch
    from sqznet.weights.conversion import Converted, convert
    from sqznet.weights.identity import Identity

__version__ = "0.1.0"

__all__ = [
    "Compressed",
    "Converted",
    "Evaluation",
    "Frame",
    "Identity",
    "ImageError",
    "Model",
    "Prediction",
    "Preprocessing",
    "Recognizer",
    "RecognizerIdentity",
    "Sighting",
    "SqznetError",
    "UnsupportedIsaError",
    "WeightsError",
    "classify",
    "compress",
    "convert",
    "evaluate",
    "identify",
    "learn",
    "load",
    "watch",
]

# Not needed to classify a photo; each name is imported from its module on demand.
_ON_DEMAND = {
    "Compressed": "sqznet.compression.compressing",
    "Converted": "sqznet.weights.conversion",
    "Evaluation": "sqznet.insight.evaluation",
    "Frame": "sqznet.images.frame",
    "Identity": "sqznet.weights.identity",
    "Sighting": "sqznet.watching.loop",
    "Recognizer": "sqznet.learning.recognizer",
    "RecognizerIdentity": "sqznet.learning.identity",
    "compress": "sqznet.compression.compressing",
    "convert": "sqznet.weights.conversion",
    "learn": "sqznet.learning.recognizer",
    "watch": "sqznet.watching.loop",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'sqznet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)


def __dir__() -> list[str]:
    return list(__all__)  # not the sub-modules, which come and go with what was imported
