"""`sqznet evaluate --detector FILE`: measures a detector on photos with known boxes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.cli.alignment import aligned
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    complain,
    load_detector,
    notice,
    say,
)
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sqznet.detection.evaluation import Detected, DetectionEvaluation


def measure(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from sqznet.detection.accuracy import true_photos
    from sqznet.detection.evaluation import evaluate

    detector = load_detector(args, args.detector)
    if isinstance(detector, int):
        return detector
    try:
        photos = true_photos(args.folder, detector.labels, args.photos, notice)
        with progress(len(photos)) as bar:

            def seen(photo: Detected) -> None:
                if photo.error is not None:
                    bar.clear()
                    complain(photo.error, photo.path)
                bar.advance()

            evaluation = evaluate(detector, photos, seen)
        _print(evaluation, args.format)
        if args.output is not None:
            from sqznet.detection.curves import draw

            picture.write(draw(evaluation), args.output)
            if args.format == "table":
                say("")
                say(f"{args.output}: precision over recall, at an overlap of 0.5")
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    return EXIT_UNREADABLE if evaluation.unreadable else EXIT_OK


def _print(evaluation: DetectionEvaluation, format_name: str) -> None:
    if format_name == "json":
        import json

        print(json.dumps(evaluation.to_dict(), indent=2))
    elif format_name == "csv":
        import csv

        from sqznet.detection.evaluation import ClassAccuracy

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(ClassAccuracy._fields)
        for row in evaluation.figures():
            writer.writerow(printable(v) if isinstance(v, str) else v for v in row)
    else:
        for line in lines(evaluation):
            print(line)


def lines(evaluation: DetectionEvaluation) -> Iterator[str]:
    """The overall figures, those of each threshold, then those of each class."""
    from sqznet.detection.evaluation import THRESHOLDS

    rows = evaluation.figures()
    things = sum(row.things for row in rows)
    photos = f"{evaluation.photos} photo{'' if evaluation.photos == 1 else 's'}"
    yield f"{photos}, {things} thing{'' if things == 1 else 's'}"
    if evaluation.left_out:
        count = sum(evaluation.left_out.values())
        few = ", ".join(printable(label) for label in list(evaluation.left_out)[:3])
        more = ", ..." if len(evaluation.left_out) > 3 else ""
        boxes = f"{count} box{'' if count == 1 else 'es'}"
        yield f"left out: {boxes} of classes that the detector does not know ({few}{more})"
    sizes = [f"{area} {_percent(evaluation.ap_of(area))}" for area in ("small", "medium", "large")]
    overall = [
        ("AP, overlaps 0.5 to 0.95", _percent(evaluation.ap), f"({', '.join(sizes)})"),
        ("AP50, overlap 0.5", _percent(evaluation.ap50), ""),
        ("AP75, overlap 0.75", _percent(evaluation.ap75), ""),
        ("AP50 as VOC's, area", _percent(evaluation.ap50_area), ""),
    ]
    yield from aligned(overall, left=(0, 2))
    thresholds = [("threshold", "boxes", "precision", "recall")]
    for counts in map(evaluation.counts, THRESHOLDS):
        right, found = _percent(counts.precision), _percent(counts.recall)
        thresholds.append((f"{counts.threshold:g}", f"{counts.detections}", right, found))
    yield ""
    yield from aligned(thresholds, left=())
    classes = [["class", "things", "AP", "AP50", "AP75", "AP50 as VOC's"]]
    for row in rows:
        averages = map(_percent, (row.ap, row.ap50, row.ap75, row.ap50_area))
        classes.append([printable(row.label), f"{row.things}", *averages])
    yield ""
    yield from aligned(classes, left=(0,))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
