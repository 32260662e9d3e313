"""The public function: trains a detector of the user's own classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqznet.errors import ImageError
from sqznet.training.detectors.settings import DetectorSettings, TrainedDetector
from sqznet.training.library import torch_library
from sqznet.training.settings import TrainingProgress, silent, warn

if TYPE_CHECKING:
    from sqznet.training.detectors.settings import Path
    from sqznet.weights.locate import WeightsLike


def train_detector(
    data: Path | Sequence[Path],
    output: Path,
    *,
    val: Path | float = 0.2,
    photos: Path | None = None,
    classes: Sequence[str] | None = None,
    size: int | tuple[int, int] | None = None,
    mirror: bool = True,
    from_: WeightsLike = None,
    epochs: int | None = None,
    minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    seed: int = 0,
    report: Callable[[str | ImageError], None] = warn,
    progress: Callable[[TrainingProgress], None] = silent,
) -> TrainedDetector:
    """Trains a detector of your own classes, all layers of it, on photos with known boxes.

    ``data``: a folder of photos with Pascal VOC's ``.xml`` or YOLO's ``.txt`` files, or a COCO
    annotation file, as for `evaluate_detector`; or several of these. On the photos of each, the
    classes that have a box on one of them have boxes on all; of other classes nothing is known
    there, so that sets with different classes can be put together. Boxes that are crowds or
    difficult are places of which nothing is known.
    ``output``: the .safetensors file to write, which `sqznet.load_detector` and all commands for
    detectors read; an old one is replaced when the new one is complete. It has the labels, the
    preprocessing, scales for the precision int8, and, in the metadata's "training", how it was
    made.

    ``val``: the share of the photos that is kept apart to validate with, or others: a folder or a
    COCO annotation file. The weights with the best average precision on them are kept.
    ``photos``: the folder with the photos of COCO's files; default: as for `evaluate_detector`.
    ``classes``: those to learn, in this order; boxes of others are left out. Default: all that have
    a box, sorted. They are also the names of the numbers in YOLO's files, if no file says them.
    ``size``: (height, width) in pixels, or one number for both, to which photos are squashed: from
    128 up, multiples of 32; default: that of the weights to begin with.
    ``mirror``: whether mirror images are trained with, too; not where left and right are classes.
    ``from_``: the weights to begin with: a detector, or a classifier, which gets a new head;
    default: the bundled detector. What a detector knows of classes with these names is kept.
    ``epochs``: how often all photos are seen; default: by the number of photos, 10 to 100.
    ``minutes``, ``device``, ``resume``, ``seed``, ``report``, ``progress``: as for `train`.

    An interrupt (Ctrl-C) while epochs are trained leaves the best weights so far in ``output``, and
    is then raised.

    Needs torch (``pip install torch``). Raises SqznetError, also for a full disk, and
    WeightsError as `sqznet.load_detector` does.
    """
    torch_library()
    settings = DetectorSettings(
        data=data,
        output=output,
        val=val,
        photos=photos,
        classes=classes,
        size=size,
        mirror=mirror,
        from_=from_,
        epochs=epochs,
        minutes=minutes,
        device=device,
        resume=resume,
        seed=seed,
        report=report,
        progress=progress,
    )
    from sqznet.training.detectors import session

    return session.run(settings)
