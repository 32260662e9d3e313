"""`sqznet classify`: classifies photos."""

from __future__ import annotations

import argparse
import math
import sys
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from sqznet.answers import Predictions, summed
from sqznet.batch.photos import classify_files
from sqznet.cli.columns import Columns, OneRow, RowEach, stored_text
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_json_format,
    add_model_options,
    complain,
    fits,
    load_model,
    notice,
    positive,
    say,
    score,
)
from sqznet.cli.drawing import Drawings, without_drawings
from sqznet.cli.output import FORMATS, Output, ResultFile, chosen_format, on_stdout
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, reason_of
from sqznet.images import decoding
from sqznet.images.finding import Found, expand, has_photo_suffix, read_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqznet import Model
    from sqznet.cli.common import Commands


class _Work(NamedTuple):
    """What classifies the photos, and how.

    ``names``: the coarse name of each class, if --coarse asks for them; ``drawings``: what draws
    labels into photos, if --draw asks for it.
    """

    model: Model
    args: argparse.Namespace
    names: tuple[str, ...] | None
    drawings: Drawings | None


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "classify",
        help="classify photos",
        description="Classify photos; prints the most likely classes of each, best first.",
        epilog="Folders are searched recursively; hidden ones are skipped.",
        examples=(
            "sqznet classify photo.jpg",
            "sqznet classify photos/ -o answers.csv --resume",
            "sqznet classify photo.jpg --coarse",
            "cat photo.jpg | sqznet classify -",
            "find . -name '*.jpg' | sqznet classify - --top 1 --json",
        ),
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
        "--coarse",
        action="store_true",
        help="sum the scores of ImageNet's classes below each coarse name, such as cat (see "
        "'sqznet classes --coarse')",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="default: by the suffix of FILE, else a readable table"
    )
    add_json_format(parser)
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
        help="a photo, a folder, a pattern such as 'photos/**/*.jpg', or - for a photo or "
        "a list of paths on standard input",
    )


def photos(paths: list[str], output: str | None) -> list[Found]:
    """The photos that the arguments name, without the output file and its part file."""
    outputs = [output, f"{output}.part"] if output else []
    return list(expand(_with_lists(paths), outputs, notice))


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
    try:
        names = model.coarse_labels if args.coarse else None
    except SqznetError as error:
        complain(error)
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
        made_by += "-coarse" if made_by and names else ""
        work = _Work(model, args, names, drawings)
        if args.output is None:
            return _classify(work, found, on_stdout(format_name, made_by, _columns(work)))
        return _to_file(work, found, format_name, made_by)
    except SqznetError as error:  # a missing library, or a file that cannot be continued
        complain(error)
        return EXIT_UNREADABLE


def _to_file(work: _Work, found: list[Found], format_name: str, made_by: str) -> int:
    args = work.args
    file: ResultFile | None = None
    continues = "" if format_name == "table" else "; --resume continues"
    try:
        file = ResultFile(args.output, format_name, args.resume, made_by, _columns(work))
        if file.done:
            found = _not_done(found, file)
        return _classify(work, found, file)
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


def _classify(work: _Work, found: list[Found], output: Output) -> int:
    status, count, args = EXIT_OK, 0, work.args
    # Results printed to a terminal show the progress themselves.
    wanted = args.output is not None or sys.stdout is None or not sys.stdout.isatty()
    top = len(work.names) if work.names else args.top
    results = classify_files(work.model, found, top, args.fast_decode, args.batch)
    with progress(len(found), wanted) as bar, closing(results):
        try:
            for path, predictions, error in results:
                if error is not None:
                    bar.clear()
                    complain(error, path)
                    status = EXIT_UNREADABLE
                else:
                    least = -math.inf if args.min_score is None else args.min_score
                    if work.names:
                        predictions = summed(predictions, work.names, args.top)
                    kept = (p for p in predictions if p.score >= least)
                    answer = Predictions(kept, work.model.activation)
                    output.write(path, answer)
                    count += 1
                    if work.drawings is not None and not _drawn(work.drawings, path, answer):
                        status = EXIT_UNREADABLE
                bar.advance()
        except KeyboardInterrupt:
            if args.output is None:
                output.finish()
            raise
    output.finish()
    if args.output is not None:
        added = " added" if args.resume else ""
        say(f"{args.output}: {count} photo{'s' if count != 1 else ''}{added}")
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


def _with_lists(paths: list[str]) -> Iterator[str | Found]:
    for path in paths:
        if path != "-":
            yield path
        elif sys.stdin is not None:
            yield from read_stream(sys.stdin.buffer, path)


def _columns(work: _Work) -> Columns:
    if work.args.columns != "one-row":
        return RowEach()
    most = work.model.checked_top(work.args.top)
    return OneRow(min(most, len(set(work.names))) if work.names else most)


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
