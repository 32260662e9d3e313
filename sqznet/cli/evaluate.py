"""`sqznet evaluate`: measures the accuracy of a model on photos with known classes."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_json_format,
    add_model_options,
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


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure the accuracy of a model",
        description="Classify photos with known classes: DIR has a sub-folder for each class, "
        "named by its label or, as ImageNet's, by WordNet's number (n01484850). Photos of other "
        "classes should be 'unknown'.",
        examples=(
            "sqznet evaluate test/",
            "sqznet evaluate test/ --model mugs.sqz -o confusion.png",
        ),
    )
    parser.add_argument("folder", metavar="DIR", help="a folder with a sub-folder for each class")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="what to print: a readable table, a row for each class, or all figures and counts "
        "(default: table)",
    )
    add_json_format(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"an image of the confusion matrix ({picture.ENDINGS}), or what --format prints "
        f"({', '.join(_DATA)})",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    from sqznet.insight.evaluation import evaluate
    from sqznet.learning.folder import classes_in

    try:
        if args.output is not None and not _is_data(args.output):
            picture.check_name(args.output, also=_DATA)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield ""
    for row in rows:
        cells = [
            cell.ljust(width) if i in (0, 4) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _percent(count: int, total: int) -> str:
    return f"{100 * count / max(total, 1):.1f} %"
