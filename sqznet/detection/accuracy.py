"""Measures a detector's accuracy on files: ``evaluate_detector``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from sqznet.detection.coco import coco_photos
from sqznet.detection.detector import Detector
from sqznet.detection.evaluation import Detected, DetectionEvaluation, evaluate
from sqznet.detection.folders import photos_in
from sqznet.detection.loading import BUNDLED, load_detector
from sqznet.detection.true_photo import TruePhoto
from sqznet.errors import ImageError, SqznetError
from sqznet.files.paths import expanded
from sqznet.images.decoding import describe

Report = Callable[[str | ImageError], None]


def evaluate_detector(
    photos: str | os.PathLike[str],
    *,
    detector: Any = None,
    folder: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> DetectionEvaluation:
    """Measures the accuracy of a detector on photos with known boxes.

    ``photos``: a folder of photos with Pascal VOC's ``.xml`` files or YOLO's ``.txt`` files, see
    ``sqznet.detection.folders``; or the path of a COCO annotation file, ``.json``, whose photos are
    in ``folder``, default: beside it, in ``images`` there, or where COCO has them.
    ``detector``: a Detector, or what ``load_detector`` takes; default: the bundled one.
    ``report``: called with a line of text or an ImageError for everything that is left out;
    default: `warnings.warn`.

    Raises SqznetError if the boxes cannot be read or none is of a class that the detector knows,
    and WeightsError as ``load_detector`` does.
    """
    report = report or _warn
    if detector is None:
        detector = BUNDLED()
    elif not isinstance(detector, Detector):
        detector = load_detector(detector)
    true = true_photos(photos, detector.labels, folder, report)

    def seen(photo: Detected) -> None:
        if isinstance(photo.error, ImageError):
            report(photo.error)

    return evaluate(detector, true, seen)


def true_photos(
    photos: str | os.PathLike[str],
    labels: Sequence[str],
    folder: str | os.PathLike[str] | None,
    report: Report,
) -> list[TruePhoto]:
    """The photos with their boxes; see `evaluate_detector`. ``labels``: see
    `sqznet.detection.folders.photos_in`."""
    if not isinstance(photos, str | os.PathLike):
        found = type(photos).__name__
        raise SqznetError(f"expected a folder or a COCO annotation file, found a {found}")
    place = expanded(photos)
    if os.path.isdir(place):
        if folder is not None:
            raise SqznetError("a folder of photos is for a COCO annotation file")
        return photos_in(photos, labels, report)
    if not os.path.exists(place):
        raise SqznetError(f"{describe(photos)}: no such file or folder")
    return coco_photos(photos, folder, report)


def _warn(message: str | ImageError) -> None:
    warnings.warn(str(message), stacklevel=4)
