"""Loads detectors: ``load_detector`` and ``detect``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, overload

from sqznet import weights
from sqznet.answers import Classifier
from sqznet.boxes import Detection
from sqznet.detection.detector import Detector
from sqznet.detection.thresholds import DEFAULT, Threshold
from sqznet.errors import WeightsError
from sqznet.forks import Once
from sqznet.images import decoding
from sqznet.weights.locate import WeightsLike, locate


def load_detector(
    source: WeightsLike = None,
    *,
    threads: int | None = None,
    isa: str | None = None,
    precision: str | None = None,
    size: int | tuple[int, int] | None = None,
) -> Detector:
    """Loads a detector.

    ``source``: None or ``"squeezenet1_1_detector"`` for the bundled one, which knows people, cats,
    dogs, horses, cows and sheep; or a path or a name to download, as for ``load``.
    ``threads``, ``isa``, ``precision``: as for ``load``.
    ``size``: (height, width) in pixels, or one number for both, to which photos are squashed: from
    128 up, multiples of 32; default: that of the file, 256 for the bundled one.

    Raises WeightsError, UnsupportedIsaError or SqznetError, saying what was found and expected.
    """
    path = weights.DETECTOR_PATH if source is None else locate(source)
    if weights.is_recognizer(path):
        raise WeightsError(
            f"{decoding.describe(path)}: is a recognizer, which sqznet.load opens; expected a "
            "detector"
        )
    checkpoint = weights.read(path)
    preprocessing = checkpoint.preprocessing
    if size is not None:
        given: Any = size  # checked there
        preprocessing = preprocessing._replace(size=given)
    return Detector(
        checkpoint,
        threads=threads,
        isa=isa,
        precision=precision,
        preprocessing=preprocessing,
    )


BUNDLED = Once(load_detector)


@overload
def detect(  # type: ignore[overload-overlap]
    images: decoding.ImageLike,
    threshold: Threshold = DEFAULT,
    top: int = 100,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    classify: Classifier | None = None,
) -> list[Detection]: ...


@overload
def detect(
    images: Iterable[Any],
    threshold: Threshold = DEFAULT,
    top: int = 100,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    classify: Classifier | None = None,
) -> list[list[Detection]]: ...


def detect(
    images: Any,
    threshold: Threshold = DEFAULT,
    top: int = 100,
    fast_decode: bool = False,
    *,
    channels: str = "rgb",
    allow_urls: bool = False,
    classify: Classifier | None = None,
) -> Any:
    """Finds people and animals on photos with the bundled detector; see ``Detector.detect``."""
    return BUNDLED().detect(
        images,
        threshold,
        top,
        fast_decode,
        channels=channels,
        allow_urls=allow_urls,
        classify=classify,
    )
