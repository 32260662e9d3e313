"""`sqznet evaluate`: measures the accuracy of a model on photos with known classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqznet.cli import picture
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_model,
)
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sqznet.batch.photos import FileResult
    from sqznet.cli.common import Commands
    from sqznet.insight.evaluation import Evaluation


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure the accuracy of a model",
        description="Classify photos with known classes: DIR has a sub-folder for each class, "
        "named by its label. Photos of other classes should be 'unknown'.",
        examples=(
            "sqznet evaluate test/",
            "sqznet evaluate test/ --model mugs.sqz -o confusion.png",
        ),
    )
    parser.add_argument("folder", metavar="DIR", help="a folder with a sub-folder for each class")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"an image of the confusion matrix ({picture.ENDINGS})",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    from sqznet.insight.evaluation import evaluate
    from sqznet.learning.folder import classes_in

    try:
        if args.output is not None:
            picture.check_name(args.output)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    model = load_model(args)
    if isinstance(model, int):
        return model
    try:
        classes = classes_in(args.folder, complain)
        with progress(sum(map(len, classes.values()))) as bar:

            def seen(result: FileResult) -> None:
                if result.error is not None:
                    bar.clear()
                    complain(result.error, result.path)
                bar.advance()

            evaluation = evaluate(model, classes, seen)
        for line in lines(evaluation):
            print(line)
        if args.output is not None:
            from sqznet.insight.confusion import draw

            picture.write(draw(evaluation), args.output)
            shown = printable(args.output)
            print(f"\n{shown}: rows are true classes, columns are answers")
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    return EXIT_UNREADABLE if evaluation.unreadable else EXIT_OK


def lines(evaluation: Evaluation) -> Iterator[str]:
    """The overall figures, then those of each class."""
    total = evaluation.total
    yield f"{evaluation.correct} of {total} correct: {_percent(evaluation.correct, total)}"
    found, unknown = evaluation.found_unknown()
    if unknown:
        share = _percent(found, unknown)
        yield f"{found} of {unknown} photos of other classes called unknown: {share}"
    rows = [("class", "photos", "recall", "precision", "mostly confused with")]
    for label, counter in evaluation.counts.items():
        precision = evaluation.precision(label)
        wrong = [(count, name) for name, count in counter.items() if name != label]
        count, name = max(wrong, default=(0, ""), key=lambda item: item[0])
        rows.append(
            (
                printable(label),
                f"{counter.total()}",
                f"{100 * evaluation.recall(label):.1f} %",
                "-" if precision is None else f"{100 * precision:.1f} %",
                f"{printable(name)} ({count})" if count else "",
            )
        )
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
