"""What a training is asked for, how it tells of its progress, and what it returns."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from sqznet.errors import (
    ImageError,
    SqznetError,
    checked_count,
    path_for_messages,
    reason_of,
    shown,
)
from sqznet.files.part_file import PartFile
from sqznet.files.paths import expanded
from sqznet.images.preprocessing import Preprocessing
from sqznet.training.photos import Classes, Folder, Photos
from sqznet.weights.labels import Labels
from sqznet.weights.locate import WeightsLike

SUFFIX = ".safetensors"


Preset = str | Preprocessing | Mapping[str, Any]


class TrainingProgress(NamedTuple):
    """How far a training has come.

    stage: "photos" while they are decoded, "teacher" while it is asked about those that validate,
    "head" while a new one is fitted, "epochs" while the network is trained, "result" while the file
    is made. done: the share of the stage, 0..1. left: the seconds that the stage still takes, None
    while that is not known. measures: after an epoch, its line of the history: "epoch", "loss",
    "accuracy" and so on; else empty.
    """

    stage: str
    done: float
    left: float | None = None
    measures: Mapping[str, float] = MappingProxyType({})


def warn(message: str | ImageError) -> None:
    """What reports without a ``report`` of the caller become."""
    warnings.warn(str(message), stacklevel=2)


def silent(progress: TrainingProgress) -> None:
    """What becomes of progress that the caller does not ask for."""


@dataclass(frozen=True)
class Trained:
    """The result of `train`.

    path: the file. labels: the names of its classes. photos, validated: how many trained, and how
    many validated. accuracy: the share of the latter that the file's network names right, 0..1.
    epochs: how many were trained; best_epoch: after how many the file's weights were reached.
    seconds: how long it took. report: the path of the report's page, None if there is none.
    """

    path: str
    labels: tuple[str, ...]
    photos: int
    validated: int
    accuracy: float
    epochs: int
    best_epoch: int
    seconds: float
    report: str | None


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The arguments that `train` and `train_detector` share; see there. Raises SqznetError for
    those that are out of range."""

    output: Folder
    from_: WeightsLike
    epochs: int | None
    minutes: float | None
    device: str
    resume: bool
    seed: int
    report: Callable[[str | ImageError], None]
    progress: Callable[[TrainingProgress], None]

    def __post_init__(self) -> None:
        if self.epochs is not None:
            checked_count("epochs", self.epochs)
        minutes = self.minutes
        if minutes is not None and not (
            isinstance(minutes, (int, float)) and math.isfinite(minutes) and minutes > 0
        ):
            raise SqznetError(f"minutes is {shown(minutes)}, expected a number above 0")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise SqznetError(f"seed is {shown(self.seed)}, expected a whole number from 0 up")
        if os.path.splitext(self.path)[1].lower() != SUFFIX:
            raise SqznetError(
                f"{path_for_messages(self.path)}: expected a name that ends in {SUFFIX} for the "
                "result; sqznet.convert makes other formats of it"
            )
        try:
            os.stat(os.path.dirname(PartFile(self.path).target))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            raise SqznetError(
                f"{path_for_messages(self.path)}: cannot be written: {reason_of(error)}"
            ) from None

    @property
    def path(self) -> str:
        """The file that is made."""
        return expanded(self.output)

    @property
    def work(self) -> str:
        """The folder of decoded photos and of the checkpoint, until the training is complete."""
        return f"{self.path}.training"

    @property
    def checkpoint(self) -> str:
        """The file in it that a stopped run goes on from."""
        return os.path.join(self.work, "checkpoint")

    @property
    def command(self) -> str:
        """The command line that asks for the same, for the file's provenance."""
        raise NotImplementedError

    @property
    def options(self) -> list[str]:
        """The words of a command line that ask for the same, for the file's provenance."""
        words = ["-o", os.fspath(self.output)]
        if self.from_ is not None:
            words += ["--from", os.fspath(self.from_)]
        for name in ("epochs", "minutes", "seed"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name}", f"{value}"]
        return words


@dataclass(frozen=True, kw_only=True)
class Settings(RunSettings):
    """The arguments of `train`."""

    folder: Folder | Classes | Photos
    val: Folder | Classes | Photos | float
    teacher: Folder | None
    teacher_preprocessing: Preset | None
    labels: Labels | None
    report_folder: Folder | None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("teacher_preprocessing", "labels"):
            if self.teacher is None and getattr(self, name) is not None:
                raise SqznetError(f"{name} is about a teacher, but there is none")

    @property
    def page_folder(self) -> str:
        """The folder of the report."""
        if self.report_folder is not None:
            return expanded(self.report_folder)
        return f"{os.path.splitext(self.path)[0]}_report"

    @property
    def command(self) -> str:
        if not isinstance(self.folder, (str, os.PathLike)):
            return "sqznet.train"
        words = ["sqznet train", os.fspath(self.folder)]
        for name in ("val", "teacher", "teacher_preprocessing", "labels"):
            value = getattr(self, name)
            if isinstance(value, (str, os.PathLike, float)):
                words += [f"--{name.replace('_', '-')}", str(value)]
        return " ".join([*words, *self.options])
