"""Which photos train, and which validate."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sqznet.errors import ImageError, SqznetError, listed, shown
from sqznet.learning.folder import classes_in
from sqznet.learning.labels import check_labels
from sqznet.training.store import Store

Report = Callable[[str | ImageError], None]
Folder = str | os.PathLike[str]
Classes = Mapping[str, Sequence[str]]
Photos = Sequence[str | os.PathLike[str]]


class Labeled(NamedTuple):
    """Paths of photos, and for each the index of its class."""

    paths: list[str]
    classes: list[int]


def divided(
    folder: Folder | Classes | Photos,
    val: Folder | Classes | Photos | float,
    seed: int,
    report: Report,
) -> tuple[tuple[str, ...], Labeled, Labeled]:
    """The labels, and the photos to train with and to validate with.

    ``folder``: a folder with a sub-folder for each class, or a mapping from labels to paths.
    ``val``: the same for validation, or the share of each class's photos that is kept apart for it;
    which ones depends on ``seed``. ``report``: called with a line for everything that is left out.
    Raises SqznetError if there are fewer than two classes, or no photos to validate with.
    """
    found = _classes(folder, report)
    labels = tuple(found)
    check_labels(labels, ())
    if len(labels) < 2:
        raise SqznetError(
            f"one class alone, {shown(labels[0])}: training tells classes apart, so it needs two; "
            "sqznet.learn can tell one class from the unknown"
        )
    if isinstance(val, (bool, int, float)):
        return labels, *_apart(found, checked_share(val), seed)
    judging = _classes(val, report)
    unknown = [label for label in judging if label not in found]
    if unknown:
        report(f"validation: no photos to train with are of {listed(unknown)}: left out")
    missing = [label for label in labels if label not in judging]
    if len(missing) == len(labels):
        raise SqznetError(
            f"none of the classes of the validation photos, {listed(unknown)}, is among those to "
            f"train, {listed(labels)}; expected sub-folders of the same names"
        )
    if missing:
        report(f"validation: no photos of {listed(missing)}")
    return labels, _labeled(labels, found), _labeled(labels, judging)


def readable(photos: Labeled, store: Store, labels: Sequence[str]) -> list[int]:
    """The class of each photo in a store of these photos.

    Raises SqznetError for a class of which none could be read.
    """
    classes = [photos.classes[index] for index in store.kept]
    lost = sorted(set(photos.classes) - set(classes))
    if lost:
        raise SqznetError(
            f"none of the photos of {listed([labels[i] for i in lost])} could be read"
        )
    return classes


def shared_by(training: Store, validation: Store) -> int:
    """How many validation photos are among those to train with, byte for byte."""
    known = set(training.hashes)
    return sum(one in known for one in validation.hashes)


def _classes(given: Folder | Classes | Photos, report: Report) -> dict[str, list[str]]:
    if isinstance(given, Mapping):
        found = {label: list(map(os.fspath, paths)) for label, paths in given.items()}
        return {label: paths for label, paths in found.items() if paths}
    if not isinstance(given, (str, os.PathLike)):
        raise SqznetError(
            f"expected a folder or a mapping from labels to image files, found a "
            f"{type(given).__name__}"
        )
    return classes_in(given, report)


def checked_share(val: float) -> float:
    """The share of the photos that validate. Raises SqznetError unless it is between 0 and 1."""
    if not 0 < val < 1:
        raise SqznetError(
            f"val is {shown(val)}, expected a share between 0 and 1, such as 0.2, or a folder"
        )
    return float(val)


def _apart(classes: Classes, share: float, seed: int) -> tuple[Labeled, Labeled]:
    """At least one photo of each class trains, and one validates if there are two."""
    training: dict[str, list[str]] = {}
    judging: dict[str, list[str]] = {}
    for number, (label, paths) in enumerate(classes.items()):
        count = min(max(round(share * len(paths)), 1), len(paths) - 1)
        order = np.random.default_rng([seed, number]).permutation(len(paths))
        apart = set(order[:count].tolist())
        training[label] = [path for i, path in enumerate(paths) if i not in apart]
        judging[label] = [path for i, path in enumerate(paths) if i in apart]
    if not any(judging.values()):
        raise SqznetError(
            "each class has one photo, so none is left to validate with; expected two or more of a "
            "class, or a folder of others for val"
        )
    return _labeled(tuple(classes), training), _labeled(tuple(classes), judging)


def _labeled(labels: Sequence[str], classes: Classes) -> Labeled:
    pairs = [(path, index) for index, label in enumerate(labels) for path in classes.get(label, ())]
    return Labeled([path for path, _ in pairs], [index for _, index in pairs])
