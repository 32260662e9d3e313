"""SqueezeNet for CPUs: ``sqznet.classify("photo.jpg")`` names what is in a photo."""

from sqznet.api import Model, Prediction, classify, load
from sqznet.errors import ImageError, SqznetError, UnsupportedIsaError, WeightsError
from sqznet.preprocessing import Preprocessing

__version__ = "0.1.0"

__all__ = [
    "ImageError",
    "Model",
    "Prediction",
    "Preprocessing",
    "SqznetError",
    "UnsupportedIsaError",
    "WeightsError",
    "classify",
    "load",
]
