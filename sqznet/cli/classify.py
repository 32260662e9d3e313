"""`sqznet classify`: classifies photos."""

from __future__ import annotations

import argparse
import math
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.answers import Predictions, summed
from sqznet.batch.photos import classify_files
from sqznet.cli.columns import Columns, OneRow, RowEach
from sqznet.cli.common import (
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    fits,
    load_model,
    positive,
    score,
)
from sqznet.cli.forms import Labels
from sqznet.cli.output import FORMATS, chosen_format
from sqznet.cli.photos import (
    Work,
    add_output_options,
    add_paths,
    add_speed_options,
    check_output,
    chosen,
    prepare,
    write_answers,
)
from sqznet.errors import SqznetError
from sqznet.images.finding import Found

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from sqznet import Model
    from sqznet.cli.common import Commands


class _Asked(NamedTuple):
    """What classifies the photos, and how. ``names``: the coarse name of each class, if --coarse
    asks for them."""

    model: Model
    args: argparse.Namespace
    names: tuple[str, ...] | None

    def classified(self, found: Iterable[Found]) -> Generator[tuple[str, Any], None, None]:
        """Yields the path of each photo, in order, with its predictions or its error."""
        model, args, names = self
        least = -math.inf if args.min_score is None else args.min_score
        top = len(names) if names else args.top
        with closing(classify_files(model, found, top, args.fast_decode, args.batch)) as results:
            for path, predictions, error in results:
                if names and error is None:
                    predictions = summed(predictions, names, args.top)
                kept = (p for p in predictions if p.score >= least)
                yield path, error or Predictions(kept, model.activation)


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "classify",
        help="classify photos",
        description="Classify photos, and print the most likely classes of each, best first.",
        epilog="Folders are searched recursively; hidden ones are skipped.",
        examples=(
            "sqznet classify photo.jpg",
            "sqznet classify photos/ -o answers.csv --resume",
            "sqznet classify photo.jpg --coarse",
            "sqznet classify s3://bucket/photos --ray auto -o answers/",
            "cat photo.jpg | sqznet classify -",
            "find . -name '*.jpg' | sqznet classify - --top 1 --json",
        ),
    )
    add_paths(parser)
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="number of classes to print (default: 5)",
    )
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="S",
        help="leave out classes with a lower score, from 0 to 1 (with no activation, any number)",
    )
    parser.add_argument(
        "--coarse",
        action="store_true",
        help="add up the scores of ImageNet's classes under each coarse name, such as cat (see "
        "'sqznet classes --coarse')",
    )
    add_output_options(parser, FORMATS)
    parser.add_argument(
        "--columns",
        choices=("row-each", "one-row"),
        help="for csv and parquet: a row for each prediction (row-each), or one row for each "
        "photo, with columns such as label_1 and score_1 (one-row) (default: row-each)",
    )
    parser.add_argument(
        "--draw",
        metavar="FOLDER",
        help="also write each photo into FOLDER, with its labels at the bottom",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="do it on a Ray cluster (auto, host:6379, ray://host:10001, or local for this machine "
        "alone): photos of folders that all nodes share, s3:// or gs://, into a folder of Parquet "
        "files, with -o",
    )
    parser.add_argument(
        "--partition",
        type=positive,
        metavar="N",
        help="with --ray: photos of each file (default: by the numbers of photos and cores)",
    )
    add_model_options(parser, recognizer=True)
    add_speed_options(parser, "scores")


def run(args: argparse.Namespace) -> int:
    if args.ray is not None:
        return _on_a_cluster(args)
    try:
        if args.partition is not None:
            raise SqznetError("--partition is for --ray")
        format_name = chosen_format(args.format, args.output)
        if args.columns is not None and format_name not in ("csv", "parquet"):
            raise SqznetError(f"--columns is for csv and parquet, not for {format_name}")
        check_output(args, format_name)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    prepare(args.threads)
    asked = _asked(args)
    if isinstance(asked, int):
        return asked
    found = chosen(args)
    if isinstance(found, int):
        return found
    made_by = "" if format_name == "table" else _made_by(asked)
    try:
        work = Work(asked.classified, Labels(_columns(asked)), made_by, _draw)
    except SqznetError as error:  # weights without a classifier
        complain(error)
        return EXIT_UNREADABLE
    return write_answers(work, args, found, format_name)


def _on_a_cluster(args: argparse.Namespace) -> int:
    from sqznet.cli.cluster import ParquetWork, WithErrors, check, write_partitions

    try:
        check(args)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    args.threads = 1  # of each core's process
    asked = _asked(args)
    if isinstance(asked, int):
        return asked
    try:
        form = Labels(WithErrors(_columns(asked)))
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    settings = {
        "model": _made_by(asked),
        "top": args.top,
        "min-score": args.min_score,
        "columns": args.columns or "row-each",
        "fast-decode": args.fast_decode,
    }
    return write_partitions(args, ParquetWork(asked.classified, form, settings["model"]), settings)


def _asked(args: argparse.Namespace) -> _Asked | int:
    """What the options ask for, or the exit code after reporting why they cannot be met."""
    model = load_model(args)
    if isinstance(model, int):
        return model
    if not fits(args.min_score, model):
        return EXIT_USAGE
    try:
        return _Asked(model, args, model.coarse_labels if args.coarse else None)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE


def _made_by(asked: _Asked) -> str:
    return asked.model.fingerprint + ("-coarse" if asked.names else "")


def _draw(photo: npt.NDArray[np.uint8], answer: Predictions) -> Image.Image:
    from sqznet.insight.labeling import labeled

    return labeled(photo, answer, answer.activation)


def _columns(asked: _Asked) -> Columns:
    if asked.args.columns != "one-row":
        return RowEach()
    most = asked.model.checked_top(asked.args.top)
    return OneRow(min(most, len(set(asked.names))) if asked.names else most)
