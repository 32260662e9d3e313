"""What the training of a detector is asked for, and what it returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqznet.errors import SqznetError, shown
from sqznet.files.paths import expanded
from sqznet.training.settings import RunSettings

if TYPE_CHECKING:
    from sqznet.detection.evaluation import DetectionEvaluation

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class TrainedDetector:
    """The result of `train_detector`.

    path: the file. labels: the names of its classes. photos: how many trained. evaluation: what the
    file's detector finds on the photos that were kept apart. epochs: how many were trained;
    best_epoch: after how many the file's weights were reached. seconds: how long it took.
    """

    path: str
    labels: tuple[str, ...]
    photos: int
    evaluation: DetectionEvaluation
    epochs: int
    best_epoch: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DetectorSettings(RunSettings):
    """The arguments of `train_detector`; see there. Raises SqznetError for those that are out of
    range."""

    data: Path | Sequence[Path]
    val: Path | float
    photos: Path | None
    classes: Sequence[str] | None
    size: int | tuple[int, int] | None
    mirror: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.val, (bool, int, float)) and not 0 < self.val < 1:
            raise SqznetError(
                f"val is {shown(self.val)}, expected a share between 0 and 1, such as 0.2, or a "
                "folder or COCO annotation file"
            )
        names = self.classes
        if names is not None and (
            isinstance(names, str)
            or not names
            or not all(isinstance(name, str) and name for name in names)
            or len(set(names)) < len(names)
        ):
            raise SqznetError("classes: expected a list of different names")

    @property
    def places(self) -> list[Path]:
        """The sets to train with."""
        return [self.data] if isinstance(self.data, str | os.PathLike) else list(self.data)

    @property
    def command(self) -> str:
        places = [os.fspath(place) for place in self.places]
        words = ["sqznet train-detector", *places, "--val", str(self.val)]
        if self.photos is not None:
            words += ["--photos", expanded(self.photos)]
        if self.classes is not None:
            words += ["--classes", ",".join(self.classes)]
        if self.size is not None:
            sides = self.size if isinstance(self.size, tuple) else (self.size,)
            words += ["--size", "x".join(map(str, sides))]
        if not self.mirror:
            words.append("--no-mirror")
        return " ".join([*words, *self.options])
