"""`sqznet classify`: classifies photos."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING

from sqznet.answers import Predictions
from sqznet.batch.photos import classify_files
from sqznet.cli.columns import Columns, OneRow, RowEach, stored_text
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    fits,
    load_model,
    positive,
    score,
)
from sqznet.cli.drawing import Drawings, without_drawings
from sqznet.cli.output import FORMATS, Output, ResultFile, chosen_format, on_stdout
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, reason_of
from sqznet.images import decoding
from sqznet.images.finding import Found, expand, has_photo_suffix, read_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqznet import Model
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "classify",
        help="classify photos",
        description="Classify photos; prints the most likely classes of each, best first.",
        epilog="Folders are searched recursively; hidden ones are skipped.",
    )
    add_paths(parser)
    parser.add_argument(
        "--top", type=positive, default=5, metavar="N", help="classes to print (default: 5)"
    )
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="S",
        help="leave out classes with a lower score, from 0 to 1 (with no activation, any number)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="default: by the suffix of FILE, else a readable table"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")
    parser.add_argument(
        "--columns",
        choices=("row-each", "one-row"),
        help="of csv and parquet: a row for each prediction, or one for each photo, with columns "
        "such as label_1 and score_1 (default: row-each)",
    )
    parser.add_argument(
        "--draw",
        metavar="FOLDER",
        help="also write each photo into FOLDER, with its labels at the bottom",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue FILE: classify the photos not in it yet"
    )
    add_model_options(parser, recognizer=True)
    parser.add_argument(
        "--batch",
        type=positive,
        default=1,
        metavar="N",
        help="photos that each thread passes to the network at once (default: 1)",
    )
    parser.add_argument(
        "--fast-decode",
        action="store_true",
        help="scale large JPEG files down while decoding: faster, scores change a little",
    )


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that `photos` reads."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a photo, a folder, a pattern such as 'photos/**/*.jpg', or - for a list on stdin",
    )


def photos(paths: list[str], output: str | None) -> list[Found]:
    """The photos that the arguments name, without the output file and its part file."""
    outputs = [output, f"{output}.part"] if output else []
    return list(expand(_with_lists(paths), outputs, complain))


def nothing_found(found: list[Found]) -> int:
    """Reports why there is nothing to do; returns the exit code."""
    for photo in found:
        if photo.error is not None:
            complain(photo.error, photo.path)
    if not found:
        complain("no photos: the list is empty or names only the output")
    return EXIT_UNREADABLE


def run(args: argparse.Namespace) -> int:
    try:
        format_name = chosen_format(args.format, args.output)
        _check_output(args, format_name)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    if args.threads != 1:
        Thread(target=decoding.prepare).start()  # runs while the weights are packed
    model = load_model(args)
    if isinstance(model, int):
        return model
    if not fits(args.min_score, model):
        return EXIT_USAGE
    found = photos(args.paths, args.output)
    if args.draw is not None:
        found = without_drawings(found, args.draw, args.paths)
    if not any(photo.error is None for photo in found):
        return nothing_found(found)  # and the output stays unchanged
    try:
        drawings = None if args.draw is None else Drawings(args.draw, found)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    try:
        made_by = "" if format_name == "table" else model.fingerprint
        if args.output is None:
            return _classify(
                model, found, on_stdout(format_name, made_by, _columns(model, args)), args, drawings
            )
        return _to_file(model, found, format_name, made_by, args, drawings)
    except SqznetError as error:  # a missing library, or a file that cannot be continued
        complain(error)
        return EXIT_UNREADABLE


def _to_file(
    model: Model,
    found: list[Found],
    format_name: str,
    made_by: str,
    args: argparse.Namespace,
    drawings: Drawings | None,
) -> int:
    file: ResultFile | None = None
    continues = "" if format_name == "table" else "; --resume continues"
    try:
        file = ResultFile(args.output, format_name, args.resume, made_by, _columns(model, args))
        if file.done:
            found = _not_done(found, file)
        return _classify(model, found, file, args, drawings)
    except KeyboardInterrupt:
        if file is not None and (kept := file.suspend()):
            complain(f"interrupted: {kept} holds the photos done so far{continues}", args.output)
        raise
    except OSError as error:
        reason = f"cannot be written: {reason_of(error)}"
        if file is not None and (kept := file.kept()):
            reason += f"; {kept} holds the photos done so far{continues}"
        complain(reason, args.output)
        return EXIT_UNREADABLE


def _classify(
    model: Model,
    found: list[Found],
    output: Output,
    args: argparse.Namespace,
    drawings: Drawings | None,
) -> int:
    status = EXIT_OK
    # Results printed to a terminal show the progress themselves.
    wanted = args.output is not None or sys.stdout is None or not sys.stdout.isatty()
    results = classify_files(model, found, args.top, args.fast_decode, args.batch)
    with progress(len(found), wanted) as bar, closing(results):
        try:
            for path, predictions, error in results:
                if error is not None:
                    bar.clear()
                    complain(error, path)
                    status = EXIT_UNREADABLE
                else:
                    least = -math.inf if args.min_score is None else args.min_score
                    kept = (p for p in predictions if p.score >= least)
                    answer = Predictions(kept, model.activation)
                    output.write(path, answer)
                    if drawings is not None and not _drawn(drawings, path, answer):
                        status = EXIT_UNREADABLE
                bar.advance()
        except KeyboardInterrupt:
            if args.output is None:
                output.finish()
            raise
    output.finish()
    return status


def _drawn(drawings: Drawings, path: str, answer: Predictions) -> bool:
    """Whether the photo was drawn; if not, that is reported."""
    try:
        drawings.add(path, answer)
    except SqznetError as error:
        complain(error)
        return False
    return True


def _not_done(found: list[Found], file: ResultFile) -> list[Found]:
    left = []
    for photo in found:
        name = stored_text(photo.path)
        if photo.error is None and file.done[name]:
            file.done[name] -= 1
        else:
            left.append(photo)
    return left


def _with_lists(paths: list[str]) -> Iterator[str]:
    for path in paths:
        if path != "-":
            yield path
        elif sys.stdin is not None:
            yield from read_list(sys.stdin.buffer)


def _columns(model: Model, args: argparse.Namespace) -> Columns:
    return OneRow(model.checked_top(args.top)) if args.columns == "one-row" else RowEach()


def _check_output(args: argparse.Namespace, format_name: str) -> None:
    if args.columns is not None and format_name not in ("csv", "parquet"):
        raise SqznetError(f"--columns is for csv and parquet, not for {format_name}")
    if args.output is None:
        if args.resume:
            raise SqznetError("--resume needs the file to continue: name it with -o")
        if format_name == "parquet":
            raise SqznetError("Parquet is not text for a terminal: name a file with -o")
        return
    if has_photo_suffix(args.output):
        raise SqznetError(f"{args.output} has the name of a photo, which would be replaced")
    if args.resume and format_name == "table":
        raise SqznetError("--resume needs a csv, json, jsonl or parquet file, not a table")
