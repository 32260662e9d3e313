"""One training from the folder to the file: decode, fit the head, train, write, report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor

from sqznet.errors import path_for_messages
from sqznet.images.preprocessing import Preprocessing
from sqznet.training import seeding
from sqznet.training.augmentation import Augmentation, Normalization, Strength
from sqznet.training.classification import Classification, Examples, one_hot
from sqznet.training.distillation import Distillation, answers, unlabeled
from sqznet.training.head import features, fit_head
from sqznet.training.photos import Labeled, divided, readable, shared_by
from sqznet.training.report import write_report
from sqznet.training.result import Judged
from sqznet.training.running import (
    decoded,
    finish,
    fit_within,
    make_folder,
    provenance,
    working,
    write,
)
from sqznet.training.settings import Settings, Trained, TrainingProgress
from sqznet.training.start import HEAD, Start, mirrors_agree, start_from
from sqznet.training.store import Store
from sqznet.training.teacher import Teacher, teacher_named
from sqznet.training.twin import Twin, twin_of, weights_of
from sqznet.weights.labels import for_network
from sqznet.weights.strict_json import compact

# Without a limit, about so many photos are seen, in so many epochs at least and at most.
_SEEN, _LEAST, _MOST = 20_000, 8, 40

# The photos are stored larger than the network's input by this factor, to be cropped.
_MARGIN = 256 / 224

# Augmented views of each photo that a new head is fitted to; it draws at random for purposes that
# are no number of an epoch.
_VIEWS = 2
_HEAD_PURPOSE = 1 << 32


class _Photos(NamedTuple):
    """A store, the paths of its photos, and the share of each class in each, float32 (N, classes);
    (N, 0) where nobody has said it yet."""

    store: Store
    paths: list[str]
    targets: Tensor

    @property
    def levels(self) -> Tensor:
        return torch.from_numpy(self.store.pixels)

    @property
    def classes(self) -> list[int]:
        found: list[int] = self.targets.argmax(1).tolist() if self.targets.shape[1] else []
        return found

    def examples(self, device: torch.device) -> Examples:
        return Examples(self.levels, self.targets).to(device)


def run(settings: Settings) -> Trained:
    """See `sqznet.training.training.train`."""
    with working(settings) as device:
        return _run(settings, device)


def _run(settings: Settings, device: torch.device) -> Trained:
    began = time.monotonic()
    teacher = _teacher(settings)
    labels, training, validation = _chosen(settings, teacher)
    start = start_from(settings.from_, labels)
    make_folder(settings)
    pre = start.design.preprocessing
    photos = _decoded(settings, "training", training, _roomy(pre), labels)
    judging = _decoded(settings, "validation", validation, pre, labels)
    if teacher is not None:
        judging = judging._replace(targets=_asked(settings, teacher, judging))
    if both := shared_by(photos.store, judging.store):
        settings.report(
            f"{both} of the validation photos are among those to train with: their accuracy "
            "promises too much"
        )
    twin = twin_of(start.design.network, start.weights, start.new)
    twin.to(device, memory_format=torch.channels_last)
    task = _task(settings, start, twin, photos, judging, teacher)
    if start.new and not settings.resume:
        _fit_head(settings, twin, task)
    data = _digest(photos, judging)
    about = [data, start.sha256, *labels]
    default = min(max(_SEEN // len(photos.store), _LEAST), _MOST)
    fitted = fit_within(settings, task, about, default, time.monotonic() - began)
    settings.progress(TrainingProgress("result", 0.0))
    judged = Judged(settings.path, start.design, weights_of(twin), judging.store.pixels)
    hits = judged.scores.argmax(axis=1) == judging.classes
    trained = Trained(
        path=settings.path,
        labels=labels,
        photos=len(photos.store),
        validated=len(judging.store),
        accuracy=float(hits.mean()),
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        seconds=time.monotonic() - began,
        report=None,
    )
    made = provenance(
        settings,
        start.checkpoint,
        start.sha256,
        device,
        data=data,
        photos=trained.photos,
        validated=trained.validated,
        accuracy=trained.accuracy,
        epochs=trained.epochs,
        best_epoch=trained.best_epoch,
        teacher=None if settings.teacher is None else os.path.basename(settings.teacher),
    )
    write(settings, judged.encoded(made))
    finish(settings, fitted)
    notes = {"made by": settings.command, "stopped by": fitted.stopped}
    if settings.teacher is not None:
        notes["true classes"] = f"what {os.path.basename(settings.teacher)} says"
    page = write_report(
        settings.page_folder,
        fitted.history,
        judged.scores,
        judging.classes,
        labels,
        judging.paths,
        notes,
    )
    return replace(trained, report=page)


def _teacher(settings: Settings) -> Teacher | None:
    if settings.teacher is None:
        return None
    return teacher_named(settings.teacher, settings.teacher_preprocessing)


def _chosen(
    settings: Settings, teacher: Teacher | None
) -> tuple[tuple[str, ...], Labeled, Labeled]:
    """The labels, and the photos to train with and to validate with; without classes if there is a
    teacher."""
    if teacher is None:
        return divided(settings.folder, settings.val, settings.seed, settings.report)
    name = path_for_messages(settings.teacher or "")
    labels = for_network(settings.labels, teacher.labels, teacher.classes, name)
    parts = unlabeled(settings.folder, settings.val, settings.seed, settings.report)
    training, validation = (Labeled(paths, []) for paths in parts)
    return labels, training, validation


def _decoded(
    settings: Settings, name: str, photos: Labeled, pre: Preprocessing, labels: tuple[str, ...]
) -> _Photos:
    """The photos that can be read, of this size, with their classes if they are known."""
    store = decoded(settings, name, photos.paths, pre)
    targets = torch.empty(len(store), 0)
    if photos.classes:
        targets = one_hot(readable(photos, store, labels), len(labels))
    return _Photos(store, [photos.paths[index] for index in store.kept], targets)


def _asked(settings: Settings, teacher: Teacher, photos: _Photos) -> Tensor:
    """What the teacher says of photos, float32 (N, classes)."""

    def advance(done: float) -> None:
        settings.progress(TrainingProgress("teacher", done))

    return answers(teacher, photos.levels, advance)


def _roomy(pre: Preprocessing) -> Preprocessing:
    """Photos with some room around the network's input, of which training sees a part."""
    height, width = (round(_MARGIN * side) for side in pre.size)
    covered = height, width
    if pre.fit == "crop":
        covered = max(height, pre.resized[0]), max(width, pre.resized[1])
    return pre._replace(size=(height, width), resize=covered)


def _task(
    settings: Settings,
    start: Start,
    twin: Twin,
    photos: _Photos,
    judging: _Photos,
    teacher: Teacher | None,
) -> Classification:
    device, pre = next(twin.parameters()).device, start.design.preprocessing
    judged = judging.examples(device)
    if teacher is not None:
        return Distillation(twin, photos.levels, judged, teacher, pre, settings.seed)
    flip = mirrors_agree(start, photos.store.pixels, photos.classes)
    if not flip:
        settings.report("mirror images look like other classes, so none are trained with")
    normalization = Normalization(pre, device)
    return Classification(
        twin,
        photos.examples(device),
        judged,
        Augmentation(normalization, pre.size, Strength(flip=flip)),
        normalization,
        settings.seed,
    )


def _fit_head(settings: Settings, twin: Twin, task: Classification) -> None:
    def views() -> Iterator[tuple[Tensor, Tensor]]:
        for view in range(_VIEWS):
            settings.progress(TrainingProgress("head", view / _VIEWS))
            yield from task.views(seeding.generator(settings.seed, _HEAD_PURPOSE, view))

    fit_head(twin.convolutions[HEAD], *features(twin, views()), task.prior)


def _digest(photos: _Photos, judging: _Photos) -> str:
    """The SHA-256 of all photos and their classes, in hex."""
    parts = [[part.store.hashes, part.classes] for part in (photos, judging)]
    return sha256(compact(parts).encode()).hexdigest()
