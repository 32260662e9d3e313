"""Measures the accuracy of the bundled detector.

python -m benchmarks.detection_accuracy            print the tables
python -m benchmarks.detection_accuracy --write    and put them into docs/detection.md
python -m benchmarks.detection_accuracy --detector FILE    of another detector

Needs the shared folder's `detection`: photos with people and animals that the training has not
seen. Photos on which only some things are boxed are left out; difficult boxes are neither right nor
wrong.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import sqznet
from benchmarks.material import ROOT, SHARED, MissingError
from benchmarks.report_all import fill
from sqznet.detection.evaluation import THRESHOLDS, DetectionEvaluation, evaluate
from sqznet.detection.matching import TrueBox
from sqznet.detection.true_photo import TruePhoto
from sqznet.images.finding import Found

PAGE = ROOT / "docs" / "detection.md"
BEGIN, END = "<!-- accuracy:begin -->", "<!-- accuracy:end -->"

#: Sizes of the input, and types of numbers.
INPUTS = ((256, "float32"), (256, "int8"), (320, "float32"), (320, "int8"))

Input = tuple[int, str]

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


def averages(name: str, evaluation: DetectionEvaluation) -> Iterator[tuple[str, ...]]:
    """A row for each kind of average precision: of each class, and the mean."""
    figures = evaluation.figures()
    kinds = {
        "AP50, area": ([row.ap50_area for row in figures], evaluation.ap50_area),
        "AP50": ([row.ap50 for row in figures], evaluation.ap50),
        "AP": ([row.ap for row in figures], evaluation.ap),
    }
    for kind, (each, mean) in kinds.items():
        yield (name, kind, *map(_shown, each), f"**{_shown(mean)}**")


def counted(name: str, evaluation: DetectionEvaluation) -> Iterator[tuple[str, ...]]:
    """A row for each threshold: precision and recall of each class, and of all boxes together."""
    for threshold in THRESHOLDS:
        counts = [evaluation.counts(threshold, label) for label in (*evaluation.labels, None)]
        cells = [f"{_shown(one.precision)}, {_shown(one.recall)}" for one in counts]
        yield (name, f"{threshold:g}", *cells)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def block(evaluations: dict[Input, DetectionEvaluation]) -> str:
    """The tables in Markdown, and what they show."""
    first = next(iter(evaluations.values()))
    boxes = [row.things for row in first.figures()]
    classes = [f"{label} ({count})" for label, count in zip(first.labels, boxes, strict=True)]
    tables = (
        (["size", "average precision", *classes, f"mean ({sum(boxes)})"], averages),
        (["size", "threshold", *classes, f"all ({sum(boxes)})"], counted),
    )
    notes = (
        f"Average precision on {first.photos} photos that the training has not seen; in brackets "
        'how many boxes there are. "AP50, area" is Pascal VOC\'s: the area below the curve of '
        'precision over recall, at an overlap of 0.5. "AP50" and "AP" are COCO\'s, at 101 recalls; '
        "AP is the mean over overlaps of 0.5 to 0.95. Printed by `python -m "
        "benchmarks.detection_accuracy`.",
        "Precision and recall of what `detect` returns with a threshold, at an overlap of 0.5.",
    )
    parts = []
    for (head, made), note in zip(tables, notes, strict=True):
        rows = [
            row
            for (size, precision), evaluation in evaluations.items()
            for row in made(f"{size}{', int8' * (precision == 'int8')}", evaluation)
        ]
        lines = [head, ["--:"] + ["---"] + ["--:"] * (len(head) - 2), *rows]
        parts += [f"| {' | '.join(line)} |" for line in lines]
        parts += ["", *textwrap.wrap(note, 100), ""]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns exit code 0, or 1 if there is nothing to measure with."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection_accuracy")
    parser.add_argument("--write", action="store_true", help=f"fill the block of {PAGE.name}")
    parser.add_argument("--detector", metavar="FILE", help="another detector than the bundled one")
    options = parser.parse_args(arguments)
    try:
        photos = list(held_out(SHARED))
    except MissingError as error:
        print(error)
        return 1
    evaluations = {}
    for size, precision in INPUTS:
        detector = sqznet.load_detector(options.detector, size=size, precision=precision)
        evaluations[size, precision] = evaluate(detector, photos, lambda _: None)
    print(block(evaluations))
    if options.write:
        filled = fill(PAGE.read_text(encoding="utf-8"), block(evaluations), BEGIN, END)
        PAGE.write_text(filled, encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
