"""Shared by the commands for many photos: their arguments, and the way from photos to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_json_format,
    complain,
    notice,
    positive,
    say,
)
from sqznet.cli.drawing import Drawings, without_drawings
from sqznet.cli.output import Output, ResultFile, on_stdout
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, reason_of
from sqznet.files.paths import stored_text
from sqznet.images import decoding
from sqznet.images.finding import Found, expand, has_photo_suffix, read_stream

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Parser
    from sqznet.cli.drawing import Draw
    from sqznet.cli.forms import Form


class Work(NamedTuple):
    """What a command does with photos.

    ``answers``: yields the path of each photo, in order, with its answers or its error; ``form``:
    how they are written; ``made_by``: says which model makes them; ``draw``: see `Drawings`.
    """

    answers: Callable[[Sequence[Found]], Generator[tuple[str, Any], None, None]]
    form: Form
    made_by: str
    draw: Draw


# --- Arguments -----------------------------------------------------------------------------------


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that `photos` reads."""
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a photo, a folder, a pattern such as 'photos/**/*.jpg', or - for a photo or "
        "a list of paths on standard input",
    )


def add_output_options(
    parser: Parser, formats: Sequence[str], output: str = "where to write (default: stdout)"
) -> None:
    """Adds the options that say what is written where; ``output``: the help of -o."""
    parser.add_argument(
        "--format",
        choices=formats,
        help="the format of the output (default: by the suffix of FILE, else a readable table)",
    )
    add_json_format(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help=output)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue FILE: process only the photos that are not in it yet",
    )


def add_speed_options(parser: Parser, changes: str) -> None:
    """Adds --batch and --fast-decode; ``changes``: what the latter changes a little."""
    parser.add_argument(
        "--batch",
        type=positive,
        default=1,
        metavar="N",
        help="number of photos that each thread passes to the network at once (default: 1)",
    )
    parser.add_argument(
        "--fast-decode",
        action="store_true",
        help=f"scale large JPEG files down while decoding: faster, {changes} change a little",
    )


def check_output(args: argparse.Namespace, format_name: str) -> None:
    """Raises SqznetError for options that do not go together."""
    if args.output is None:
        if args.resume:
            raise SqznetError("--resume needs the file to continue: name it with -o")
        if format_name == "parquet":
            raise SqznetError("Parquet is not text for a terminal: name a file with -o")
        return
    if has_photo_suffix(args.output):
        raise SqznetError(f"{args.output} has the name of a photo, which would be replaced")
    if args.resume and format_name not in _RESUMED:
        name = "a table" if format_name == "table" else f"the format {format_name}"
        raise SqznetError(f"--resume needs a csv, json, jsonl or parquet file, not {name}")


_RESUMED = ("csv", "json", "jsonl", "parquet")


# --- Photos --------------------------------------------------------------------------------------


def prepare(threads: int | None) -> None:
    """Imports what decodes photos while the weights are packed, if there are cores for both."""
    if threads != 1:
        Thread(target=decoding.prepare).start()


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


def chosen(args: argparse.Namespace) -> list[Found] | int:
    """The photos of the arguments, without drawings of an earlier run; the exit code, after
    reporting why, if there are none."""
    found = photos(args.paths, args.output)
    if args.draw is not None:
        found = without_drawings(found, args.draw, args.paths)
    if any(photo.error is None for photo in found):
        return found
    return nothing_found(found)  # and the output stays unchanged


def _with_lists(paths: list[str]) -> Iterator[str | Found]:
    for path in paths:
        if path != "-":
            yield path
        elif sys.stdin is not None:
            yield from read_stream(sys.stdin.buffer, path)


# --- Answers -------------------------------------------------------------------------------------


def write_answers(
    work: Work,
    args: argparse.Namespace,
    found: list[Found],
    format_name: str,
    output: Output | None = None,
) -> int:
    """Answers for the photos into the file of the arguments, on stdout, or to ``output``; returns
    the exit code."""
    try:
        drawings = None if args.draw is None else Drawings(args.draw, found, work.draw)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    try:
        if output is None and args.output is None:
            output = on_stdout(format_name, work.made_by, work.form)
        if output is None:
            return _to_file(work, args, found, format_name, drawings)
        return _answer(work, args, found, output, drawings)
    except SqznetError as error:  # a missing library, or a file that cannot be continued
        complain(error)
        return EXIT_UNREADABLE


def _to_file(
    work: Work,
    args: argparse.Namespace,
    found: list[Found],
    format_name: str,
    drawings: Drawings | None,
) -> int:
    file: ResultFile | None = None
    continues = "; --resume continues" if format_name in _RESUMED else ""
    try:
        made_by = "" if format_name == "table" else work.made_by
        file = ResultFile(args.output, format_name, args.resume, made_by, work.form)
        if file.done:
            found = _not_done(found, file)
        return _answer(work, args, found, file, drawings)
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


def _answer(
    work: Work,
    args: argparse.Namespace,
    found: list[Found],
    output: Output,
    drawings: Drawings | None,
) -> int:
    status, count = EXIT_OK, 0
    # Results printed to a terminal show the progress themselves.
    wanted = args.output is not None or sys.stdout is None or not sys.stdout.isatty()
    with progress(len(found), wanted) as bar, closing(work.answers(found)) as results:
        try:
            for path, answers in results:
                if isinstance(answers, SqznetError):
                    bar.clear()
                    complain(answers, path)
                    status = EXIT_UNREADABLE
                else:
                    output.write(path, answers)
                    count += 1
                    if drawings is not None and not _drawn(drawings, path, answers):
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


def _drawn(drawings: Drawings, path: str, answers: Any) -> bool:
    """Whether the photo was drawn; if not, that is reported."""
    try:
        drawings.add(path, answers)
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
