"""`sqznet watch`: classifies the frames of a camera, a video or a folder as they arrive."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    fits,
    load_model,
    notice,
    positive,
    score,
)
from sqznet.cli.interrupts import heard_once, undisturbed
from sqznet.cli.sightings import FORMATS, Lines, RecordFile, Records, is_terminal
from sqznet.errors import printable

if TYPE_CHECKING:
    from sqznet import Sighting
    from sqznet.cli.common import Commands, Parser

_STDIN = "/dev/stdin"

# Shows one sighting to the user.
Show = Callable[["Sighting"], None]


def add_parser(commands: Commands) -> None:
    parser: Parser = commands.add_parser(
        "watch",
        help="classify the frames of a camera, a video or a folder",
        description="Classify the frames of a camera, a video or a folder. Ctrl-C ends it.",
        examples=(
            "sqznet watch 0",
            "sqznet watch video.mp4 -o labeled.mp4",
            "sqznet watch rtsp://camera.local/stream --fps 2 --format jsonl",
        ),
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a camera number, a video file, an rtsp:// or http:// address, a folder (each image "
        "that is written to it from now on), or - for a video on standard input",
    )
    parser.add_argument(
        "--fps", type=_rate, metavar="N", help="the maximum number of frames per second"
    )
    parser.add_argument(
        "--every",
        type=positive,
        default=1,
        metavar="N",
        help="for a file or a folder: classify only every N-th (default: all)",
    )
    parser.add_argument(
        "--top", type=positive, default=5, metavar="N", help="classes to show (default: 5)"
    )
    parser.add_argument(
        "--smoothing",
        type=_seconds,
        metavar="SECONDS",
        help="time over which scores are averaged, 0 for none (default: 0.5, for a folder 0)",
    )
    parser.add_argument(
        "--hysteresis",
        type=_share,
        metavar="H",
        help="how far the score of the shown label must fall below the best one before the label "
        "changes, from 0 to 1 (default: 0.3, for a folder 0)",
    )
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="S",
        help="show no label while its score is lower, from 0 to 1 (with no activation, any number)",
    )
    parser.add_argument(
        "--coarse",
        action="store_true",
        help="sum the scores of ImageNet's classes below each coarse name, such as cat",
    )
    parser.add_argument(
        "--rotate",
        type=int,
        choices=(90, 180, 270),
        default=0,
        help="turn the frames by these degrees, clockwise",
    )
    parser.add_argument(
        "--roi",
        type=_region,
        metavar="X,Y,W,H",
        help="classify only this region of the (turned) frames: left, top, width and height in "
        "pixels or, if none is above 1, as shares of the frame, such as 0,0.5,1,0.5",
    )
    parser.add_argument(
        "--format",
        choices=("text", *FORMATS),
        default="text",
        help="text: a live view, or a line for each new label if the output is not a terminal; "
        "csv, jsonl: a row or a JSON object for each frame (default: text)",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        metavar="FILE",
        help="write the frames with their labels as a video (.mp4, .mov, .mkv or .avi), or a row "
        "(.csv) or a JSON object (.jsonl) for each; may be given several times; for another suffix "
        "--format decides",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    model = load_model(args)
    if isinstance(model, int):
        return model
    if not fits(args.min_score, model):
        return EXIT_USAGE
    try:
        writers = _writers(args)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_USAGE
    source: int | str = _STDIN if args.source == "-" else args.source
    if args.source.isascii() and args.source.isdigit():
        source = int(args.source)
    try:
        sightings = sqznet.watch(
            source,
            model=model,
            fps=args.fps,
            every=args.every,
            top=args.top,
            smoothing=args.smoothing,
            hysteresis=args.hysteresis,
            min_score=args.min_score,
            rotate=args.rotate,
            roi=args.roi,
            coarse=args.coarse,
            notice=notice,
        )
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    if isinstance(source, str) and os.path.isdir(source):
        notice(f"waiting for new images in {source}")
    try:
        return _watch(sightings, writers, args)
    except OSError as error:
        if error.filename is None:  # standard output failed
            raise
        complain(error, error.filename)
        return EXIT_UNREADABLE


def _writers(args: argparse.Namespace) -> list[tuple[str, str]]:
    """The files to write, each with its format: "video" or one of `FORMATS`.

    Raises SqznetError for a suffix that means none of them.
    """
    from sqznet.watching.annotate import CONTAINERS

    found: list[tuple[str, str]] = []
    for path in args.output or ():
        suffix = os.path.splitext(path)[1].lower()
        if suffix in CONTAINERS:
            kind = "video"
        elif suffix.removeprefix(".") in FORMATS:
            kind = suffix.removeprefix(".")
        elif args.format in FORMATS:
            kind = args.format
        else:
            expected = ", ".join((*CONTAINERS, *(f".{name}" for name in FORMATS)))
            raise sqznet.SqznetError(
                f"{printable(path)}: expected a name that ends in one of {expected}"
            )
        if any(os.path.realpath(path) == os.path.realpath(other) for other, _ in found):
            raise sqznet.SqznetError(f"{printable(path)}: expected each output once")
        found.append((path, kind))
    return found


def _watch(
    sightings: Generator[Sighting, None, None],
    writers: list[tuple[str, str]],
    args: argparse.Namespace,
) -> int:
    with ExitStack() as ends:
        if writers:
            ends.enter_context(heard_once())
        ends.callback(sightings.close)
        takers: list[Show] = []
        for path, kind in writers:
            try:
                takers.append(ends.enter_context(_written(path, kind)))
            except sqznet.SqznetError as error:  # PyAV is not installed
                complain(error)
                return EXIT_USAGE
        # Records of a format go to its file, if there is one.
        kinds = [kind for _, kind in writers]
        takers.append(ends.enter_context(_shown(args, args.format not in kinds)))
        try:
            for sighting in sightings:
                for take in takers:
                    take(sighting)
        except sqznet.SqznetError as error:  # after the readable frames
            ends.close()  # ends the live view before the line is printed below it
            complain(error)
            return EXIT_UNREADABLE
    return EXIT_OK


@contextmanager
def _written(path: str, kind: str) -> Iterator[Show]:
    """The function that writes sightings into a file, which is complete when the block is left,
    also by Ctrl-C or SIGTERM."""
    if kind in FORMATS:
        with closing(RecordFile(path, kind)) as records:
            yield records.show
        return
    from sqznet.watching.annotate import AnnotatedVideo

    def add(sighting: Sighting) -> None:
        with undisturbed():
            video.add(sighting)

    def complete() -> None:
        with undisturbed():
            video.close()

    # If a signal comes just before `complete` holds it back, the video is closed behind it.
    with ExitStack() as ends:
        with undisturbed():
            video = ends.enter_context(AnnotatedVideo(path))
        ends.callback(complete)
        yield add


@contextmanager
def _shown(args: argparse.Namespace, records: bool) -> Iterator[Show]:
    """The function that shows sightings on standard output; ``records``: in the requested format,
    else as text."""
    if records and args.format in FORMATS:
        yield Records(args.format).show
        return
    if is_terminal():
        try:
            from sqznet.watching.terminal import View
        except ImportError:  # without rich, plain lines are printed
            pass
        else:
            with View(args.source) as view:
                yield view.show
            return
    yield Lines().show


def _rate(text: str) -> float:
    value = _number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _seconds(text: str) -> float:
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, below 1, got {text!r}")
    return value


def _region(text: str) -> tuple[float, ...]:
    from sqznet.watching.framing import Framing

    sides = tuple(map(_number, text.split(",")))
    if len(sides) != 4 or any(map(math.isnan, sides)):
        raise argparse.ArgumentTypeError(f"expected X,Y,WIDTH,HEIGHT, got {text!r}")
    try:
        Framing(roi=sides)
    except sqznet.SqznetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return sides


def _number(text: str) -> float:
    """A finite number, or NaN, which fails every comparison."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
