"""`sqznet evaluate`: measures the accuracy of a model on photos with known classes or boxes."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.cli.alignment import aligned
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_json_format,
    add_model_options,
    add_size,
    complain,
    load_model,
    notice,
    say,
)
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, printable, reason_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sqznet.batch.photos import FileResult
    from sqznet.cli.common import Commands
    from sqznet.insight.evaluation import Evaluation

# The suffixes of outputs that are no image.
_DATA = (".csv", ".json")


_OF_CLASSIFIERS = (
    *("model", "labels", "preprocessing", "activation", "conv10_relu", "prefix", "backbone"),
)


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure the accuracy of a model",
        description="Measure the accuracy on photos with known classes. PLACE has a sub-folder for"
        " each class, named by its label or, as in ImageNet, by its WordNet number (n01484850). "
        "For photos of other classes, 'unknown' is the right answer. With --detector, compare "
        "boxes: PLACE holds photos with .xml files of Pascal VOC or .txt files of YOLO, or is a "
        "COCO annotation file.",
        examples=(
            "sqznet evaluate test/",
            "sqznet evaluate test/ --model mugs.sqz -o confusion.png",
            "sqznet evaluate --detector squeezenet1_1_detector photos/ -o curves.png",
            "sqznet evaluate --detector mine.safetensors instances_val2017.json --json",
        ),
    )
    parser.add_argument(
        "folder",
        metavar="PLACE",
        help="a folder with a sub-folder for each class; with --detector a folder of photos and "
        "files of boxes, or a COCO annotation file (.json)",
    )
    parser.add_argument(
        "--detector",
        metavar="FILE",
        help="measure this detector, a file or a name (squeezenet1_1_detector is the bundled one)",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="the photos of a COCO annotation file (default: the file's folder, images in it, or "
        "COCO's own folders)",
    )
    add_size(parser)
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="what to print: a readable table (table), a row for each class (csv), or all figures "
        "and counts (json) (default: table)",
    )
    add_json_format(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="an image of the confusion matrix, of a detector the curves of precision over recall "
        f"({picture.ENDINGS}); or, of a classifier, what --format prints ({', '.join(_DATA)})",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    from sqznet.insight.evaluation import evaluate
    from sqznet.learning.folder import classes_in

    try:
        _check_options(args)
        if args.output is not None and (args.detector is not None or not _is_data(args.output)):
            picture.check_name(args.output, also=() if args.detector else _DATA)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    if args.detector is not None:
        from sqznet.cli.detector_accuracy import measure

        return measure(args)
    model = load_model(args)
    if isinstance(model, int):
        return model
    try:
        classes = classes_in(args.folder, notice)
        with progress(sum(map(len, classes.values()))) as bar:

            def seen(result: FileResult) -> None:
                if result.error is not None:
                    bar.clear()
                    complain(result.error, result.path)
                bar.advance()

            evaluation = evaluate(model, classes, seen)
        print(_text(evaluation, args.format, len(model.labels)), end="")
        if args.output is not None:
            described = _write(evaluation, args.output, len(model.labels))
            if args.format == "table":
                say("")
                say(f"{args.output}: {described}")
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    return EXIT_UNREADABLE if evaluation.unreadable else EXIT_OK


def _check_options(args: argparse.Namespace) -> None:
    """Raises SqznetError for options of a classifier with a detector, and the other way round."""
    refused: tuple[str, ...]
    if args.detector is None:
        refused, suits = ("photos", "size"), "a detector: add --detector"
    else:
        refused, suits = _OF_CLASSIFIERS, "a classifier"
    for name in refused:
        if getattr(args, name) is not None:
            raise SqznetError(f"--{name.replace('_', '-')} is for {suits}")


def _is_data(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in _DATA


def _write(evaluation: Evaluation, path: str, classes: int) -> str:
    """Writes a file as its suffix says; what is in it, in words. Raises SqznetError, naming the
    path, on failure."""
    if not _is_data(path):
        from sqznet.insight.confusion import draw

        picture.write(draw(evaluation), path)
        return "rows are true classes, columns are answers"
    from sqznet.files.part_file import write_file

    format_name = os.path.splitext(path)[1][1:].lower()
    try:
        write_file(path, _text(evaluation, format_name, classes).encode())
    except (OSError, ValueError) as error:
        raise SqznetError(f"{printable(path)}: cannot be written: {reason_of(error)}") from None
    return "a row for each class" if format_name == "csv" else "all figures and counts"


def _text(evaluation: Evaluation, format_name: str, classes: int) -> str:
    """The result in a format. ``classes``: how many the model has."""
    if format_name == "json":
        import json

        return json.dumps(evaluation.to_dict(), indent=2) + "\n"
    if format_name == "csv":
        import csv

        from sqznet.insight.evaluation import ClassFigures

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(ClassFigures._fields)
        for row in evaluation.figures():
            writer.writerow(printable(v) if isinstance(v, str) else v for v in row)
        return text.getvalue()
    return "".join(f"{line}\n" for line in lines(evaluation, classes))


def lines(evaluation: Evaluation, classes: int) -> Iterator[str]:
    """The overall figures, then those of each class. ``classes``: how many the model has."""
    from sqznet.insight.evaluation import NEAR

    total = evaluation.total
    yield f"{evaluation.correct} of {total} correct: {_percent(evaluation.correct, total)}"
    if classes > NEAR:
        share = _percent(evaluation.near, total)
        yield f"{evaluation.near} of {total} among the best {NEAR} answers: {share}"
    found, unknown = evaluation.found_unknown()
    if unknown:
        share = _percent(found, unknown)
        yield f"{found} of {unknown} photos of other classes called unknown: {share}"
    rows = [("class", "photos", "recall", "precision", "mostly confused with")]
    rows += [
        (
            printable(row.label),
            f"{row.photos}",
            f"{100 * row.recall:.1f} %",
            "-" if row.precision is None else f"{100 * row.precision:.1f} %",
            f"{printable(row.confused_with)} ({row.confused})" if row.confused else "",
        )
        for row in evaluation.figures()
    ]
    yield ""
    yield from aligned(rows, left=(0, 4))


def _percent(count: int, total: int) -> str:
    return f"{100 * count / max(total, 1):.1f} %"
