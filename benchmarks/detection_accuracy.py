"""The accuracy of the bundled detector: python -m benchmarks.detection_accuracy [SIZE ...]

The photos of the shared folder that the training has not seen, with people and animals, at each
input size (default: 256). "AP50, area" is Pascal VOC's average precision, the area below the curve
of precision over recall at an overlap of 0.5, "AP50" and "AP" are COCO's, at 101 recalls; AP is the
mean over overlaps of 0.5 to 0.95. Difficult boxes are neither right nor wrong. Photos on which only
some things are boxed are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import sqznet
from benchmarks import machine, report
from benchmarks.material import SHARED, MissingError
from sqznet.detection.evaluation import THRESHOLDS, DetectionEvaluation, evaluate
from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto
from sqznet.images.finding import Found

#: Pascal VOC's numbers of its classes.
CLASSES = {7: "cat", 9: "cow", 11: "dog", 12: "horse", 14: "person", 16: "sheep"}


def held_out(shared: Path) -> Iterator[TruePhoto]:
    """The photos with their boxes. Raises MissingError if they are not there."""
    folder = shared / "detection"
    try:
        with np.load(folder / "photos.npz") as stored:
            known = dict(stored)
        content = np.memmap(folder / "photos.bin", mode="r")
    except FileNotFoundError as error:
        raise MissingError(f"no photos to measure with: {error.filename} is missing") from None
    ends = np.cumsum(known["nbox"])
    for photo in np.flatnonzero((known["split"] == 1) & (known["mask"] == 0)):
        rows = known["boxes"][ends[photo] - known["nbox"][photo] : ends[photo]].tolist()
        boxes = [
            TrueBox(x0, y0, x1, y1, CLASSES[int(number)], may_be_missed=bool(difficult))
            for x0, y0, x1, y1, number, difficult in rows
            if int(number) in CLASSES
        ]
        start, end = known["off"][photo : photo + 2].tolist()
        found = Found(str(known["names"][photo]), content=content[start:end].tobytes())
        yield TruePhoto(found, boxes, in_parts=True)


def average_rows(size: str, evaluation: DetectionEvaluation) -> Iterator[tuple[str, ...]]:
    """The rows of the table of average precision."""
    means = ("mean", evaluation.ap50_area, evaluation.ap50, evaluation.ap)
    for row in evaluation.figures():
        figures = (row.ap50_area, row.ap50, row.ap)
        yield (size, row.label, str(row.things), *map(_shown, figures))
    things = sum(row.things for row in evaluation.figures())
    yield (size, means[0], str(things), *(_shown(value) for value in means[1:]))


def threshold_rows(size: str, evaluation: DetectionEvaluation) -> Iterator[tuple[str, ...]]:
    """The rows of the table of thresholds."""
    for threshold in THRESHOLDS:
        for label in (*evaluation.labels, None):
            counts = evaluation.counts(threshold, label)
            figures = (_shown(counts.precision), _shown(counts.recall))
            yield (size, f"{threshold:g}", label or "all", *figures)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(arguments: Sequence[str] = ()) -> int:
    """Returns exit code 0, or 1 if there is nothing to measure with."""
    sizes = [int(argument) for argument in arguments] or [256]
    try:
        photos = list(held_out(SHARED))
    except MissingError as error:
        print(error)
        return 1
    print(report.machine(machine.describe(("sqznet",))), end="\n\n")
    averages: list[Sequence[str]] = [("size", "class", "things", "AP50, area", "AP50", "AP")]
    thresholds: list[Sequence[str]] = [("size", "threshold", "class", "precision", "recall")]
    for size in sizes:
        evaluation = evaluate(sqznet.load_detector(size=size), photos, lambda _: None)
        averages += average_rows(str(size), evaluation)
        thresholds += threshold_rows(str(size), evaluation)
    print(report.table(averages, right=range(2, 6)))
    print()
    print(report.table(thresholds, right=range(3, 5)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
