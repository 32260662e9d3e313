"""One training of a detector from the photos to the file: read, decode, train, measure, write."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from sqznet.calibration.quantizing import CALIBRATED, evenly, gray_levels, readable, with_integers
from sqznet.detection.detector import Detector
from sqznet.detection.evaluation import Detected, DetectionEvaluation, evaluate
from sqznet.errors import ImageError, SqznetError
from sqznet.images.preprocessing import Preprocessing
from sqznet.training.detectors.sets import (
    check_training,
    check_validation,
    divided,
    labels_of,
    of_classes,
    read_sets,
)
from sqznet.training.detectors.settings import DetectorSettings, TrainedDetector
from sqznet.training.detectors.start import Start, start
from sqznet.training.detectors.task import STEP, DetectionTask
from sqznet.training.detectors.truths import truths_of
from sqznet.training.result import TRAINING
from sqznet.training.running import (
    decoded,
    finish,
    fit_within,
    make_folder,
    provenance,
    working,
    write,
)
from sqznet.training.settings import TrainingProgress
from sqznet.training.store import Store
from sqznet.weights.checkpoint import Checkpoint
from sqznet.weights.fingerprint import fingerprint
from sqznet.weights.strict_json import compact
from sqznet.weights.writers import safetensors

if TYPE_CHECKING:
    from sqznet.detection.true_photo import TruePhoto

# Without a limit, about so many photos are seen, in so many epochs at least and at most.
_SEEN, _LEAST, _MOST = 20_000, 10, 100

# Photos of a step, by where it is trained; so few that an epoch has some steps, but no fewer than
# this.
_BATCH = {"cpu": 16, "cuda": 64}
_STEPS, _SMALL_BATCH = 8, 4

# The photos are stored larger than the network's input by this factor, so that zooming in shows
# more of them.
_MARGIN = 1.25


class _Photos(NamedTuple):
    """The classes, and the photos to train and to validate with."""

    labels: tuple[str, ...]
    training: list[TruePhoto]
    validation: list[TruePhoto]


def run(settings: DetectorSettings) -> TrainedDetector:
    """See `sqznet.training.detectors.training.train_detector`."""
    with working(settings) as device:
        return _run(settings, device)


def _run(settings: DetectorSettings, device: torch.device) -> TrainedDetector:
    began = time.monotonic()
    photos = _read(settings)
    begin = start(settings.from_, photos.labels, settings.size, settings.seed)
    _detector(settings, begin, begin.twin)  # a size that is impossible ends it here
    make_folder(settings)
    store = _decoded(settings, photos.training, begin.preprocessing)
    training = [photos.training[index] for index in store.kept]
    check_training(training, photos.labels)
    task = DetectionTask(
        begin,
        store.pixels,
        truths_of(training, photos.labels),
        photos.validation,
        device=device,
        batch=min(_BATCH[device.type], max(len(training) // _STEPS, _SMALL_BATCH)),
        mirror=settings.mirror,
        seed=settings.seed,
    )
    data = _digest(store, training, photos.validation)
    origin = fingerprint(begin.origin)
    default = min(max(_SEEN // len(training), _LEAST), _MOST)
    about = [data, origin, *photos.labels, *begin.preprocessing.size, settings.mirror]
    fitted = fit_within(settings, task, about, default, time.monotonic() - began)
    settings.progress(TrainingProgress("result", 0.0))
    detector = _detector(settings, begin, task.module)
    evaluation = _evaluated(settings, detector, photos.validation)
    trained = TrainedDetector(
        path=settings.path,
        labels=photos.labels,
        photos=len(training),
        evaluation=evaluation,
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        seconds=time.monotonic() - began,
    )
    made = provenance(
        settings,
        begin.origin,
        origin,
        device,
        data=data,
        photos=trained.photos,
        validated=evaluation.photos,
        ap=evaluation.ap,
        ap50=evaluation.ap50,
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
    )
    write(settings, _encoded(detector, photos.validation, made))
    finish(settings, fitted)
    return trained


def _read(settings: DetectorSettings) -> _Photos:
    report, classes = settings.report, tuple(settings.classes or ())
    sets = read_sets(settings.places, settings.photos, classes, report)
    labels = classes or labels_of(sets)
    if not labels:
        raise SqznetError("no photo has a box, so there is nothing to learn")
    training = of_classes(sets, labels, report)
    if isinstance(settings.val, float | int):
        training, validation = divided(training, settings.val, settings.seed)
    else:
        judging = read_sets(settings.val, settings.photos, labels, report)
        validation = of_classes(judging, labels, report)
        known = {os.path.realpath(photo.found.path) for photo in training}
        if both := sum(os.path.realpath(photo.found.path) in known for photo in validation):
            report(
                f"{both} of the photos to validate with are among those to train with: what is "
                "measured on them promises too much"
            )
    check_training(training, labels)
    check_validation(validation, labels, report)
    return _Photos(labels, training, validation)


def _decoded(settings: DetectorSettings, photos: Sequence[TruePhoto], pre: Preprocessing) -> Store:
    height, width = (round(_MARGIN * side / STEP) * STEP for side in pre.size)
    larger = pre._replace(size=(height, width))
    return decoded(settings, "training", [photo.found.path for photo in photos], larger)


def _detector(settings: DetectorSettings, begin: Start, twin: torch.nn.Module) -> Detector:
    """A twin's weights, run by our own kernels."""
    return Detector(begin.checkpoint(twin, settings.path), precision="float32")


def _evaluated(
    settings: DetectorSettings, detector: Detector, photos: Sequence[TruePhoto]
) -> DetectionEvaluation:
    """What the result finds; says which photos cannot be read."""

    def seen(photo: Detected) -> None:
        if isinstance(photo.error, ImageError):
            settings.report(photo.error)

    return evaluate(detector, photos, seen)


def _digest(store: Store, training: Sequence[TruePhoto], validation: Sequence[TruePhoto]) -> str:
    """The SHA-256 of all that the training is a function of, in hex: the pixels, the boxes, and the
    names of the photos for validation."""
    parts = [
        store.hashes,
        [list(map(list, photo.boxes)) for photo in (*training, *validation)],
        [os.path.basename(photo.found.path) for photo in validation],
    ]
    return sha256(compact(parts).encode()).hexdigest()


def _encoded(detector: Detector, photos: Sequence[TruePhoto], made: Mapping[str, object]) -> bytes:
    """The content of the file. The scales of int8 come from some of the photos."""
    own: Checkpoint = detector.checkpoint
    stated = {**own.metadata, TRAINING: compact(made)}
    described = Detector(own._replace(metadata=stated), precision="float32")
    some = [photo.found.image for photo in evenly(photos, CALIBRATED)]

    def levels(image: Any) -> Any:
        return gray_levels(described, image)

    read = readable(levels, some, lambda: None, lambda error: None)
    checkpoint, _ = with_integers(described, read, True, lambda: None)
    return safetensors.encode(checkpoint, detector.executor.network)
