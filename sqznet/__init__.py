"""SqueezeNet for CPUs: ``sqznet.classify("photo.jpg")`` classifies a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.answers import Prediction
from sqznet.api import classify, evaluate, identify, load
from sqznet.errors import ImageError, SqznetError, UnsupportedIsaError, WeightsError
from sqznet.images.preprocessing import Preprocessing
from sqznet.model import Model

if TYPE_CHECKING:
    from sqznet.boxes import Box, Detection
    from sqznet.compression.compressing import Compressed, compress
    from sqznet.detection.accuracy import evaluate_detector
    from sqznet.detection.detector import Detector
    from sqznet.detection.evaluation import DetectionEvaluation
    from sqznet.detection.loading import detect, load_detector
    from sqznet.images.frame import Frame
    from sqznet.insight.evaluation import Evaluation
    from sqznet.learning.identity import RecognizerIdentity
    from sqznet.learning.recognizer import Recognizer, learn
    from sqznet.training.detectors.settings import TrainedDetector
    from sqznet.training.detectors.training import train_detector
    from sqznet.training.settings import Trained, TrainingProgress
    from sqznet.training.training import train
    from sqznet.watching.events import Event
    from sqznet.watching.loop import Sighting, watch
    from sqznet.watching.objects import Scene, watch_objects
    from sqznet.watching.tracks import Track
    from sqznet.weights.conversion import Converted, convert
    from sqznet.weights.identity import Identity

__version__ = "0.1.0"

__all__ = [
    "Box",
    "Compressed",
    "Converted",
    "Detection",
    "DetectionEvaluation",
    "Detector",
    "Evaluation",
    "Event",
    "Frame",
    "Identity",
    "ImageError",
    "Model",
    "Prediction",
    "Preprocessing",
    "Recognizer",
    "RecognizerIdentity",
    "Scene",
    "Sighting",
    "SqznetError",
    "Track",
    "Trained",
    "TrainedDetector",
    "TrainingProgress",
    "UnsupportedIsaError",
    "WeightsError",
    "classify",
    "compress",
    "convert",
    "detect",
    "evaluate",
    "evaluate_detector",
    "identify",
    "learn",
    "load",
    "load_detector",
    "train",
    "train_detector",
    "watch",
    "watch_objects",
]

# Not needed to classify a photo; each name is imported from its module on demand.
_ON_DEMAND = {
    "Box": "sqznet.boxes",
    "Compressed": "sqznet.compression.compressing",
    "Converted": "sqznet.weights.conversion",
    "Detection": "sqznet.boxes",
    "DetectionEvaluation": "sqznet.detection.evaluation",
    "Detector": "sqznet.detection.detector",
    "Evaluation": "sqznet.insight.evaluation",
    "Event": "sqznet.watching.events",
    "Frame": "sqznet.images.frame",
    "Identity": "sqznet.weights.identity",
    "Scene": "sqznet.watching.objects",
    "Sighting": "sqznet.watching.loop",
    "Track": "sqznet.watching.tracks",
    "Trained": "sqznet.training.settings",
    "TrainedDetector": "sqznet.training.detectors.settings",
    "TrainingProgress": "sqznet.training.settings",
    "Recognizer": "sqznet.learning.recognizer",
    "RecognizerIdentity": "sqznet.learning.identity",
    "compress": "sqznet.compression.compressing",
    "convert": "sqznet.weights.conversion",
    "detect": "sqznet.detection.loading",
    "learn": "sqznet.learning.recognizer",
    "evaluate_detector": "sqznet.detection.accuracy",
    "load_detector": "sqznet.detection.loading",
    "train": "sqznet.training.training",
    "train_detector": "sqznet.training.detectors.training",
    "watch": "sqznet.watching.loop",
    "watch_objects": "sqznet.watching.objects",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module 'sqznet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)


def __dir__() -> list[str]:
    return list(__all__)  # not the sub-modules, which come and go with what was imported
