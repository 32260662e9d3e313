"""`sqznet watch`: classifies the frames of a camera, a video or a folder as they arrive."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import sqznet
from sqznet.answers import score_text
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_model,
    notice,
    positive,
)
from sqznet.cli.interrupts import heard_once, undisturbed
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
        "--format",
        choices=("text", "jsonl"),
        default="text",
        help="text: a live view, or a line for each new label if the output is not a terminal; "
        "jsonl: a JSON object for each frame (default: text)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the frames with their labels as a video: .mp4, .mov, .mkv or .avi",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    model = load_model(args)
    if isinstance(model, int):
        return model
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
            notice=notice,
        )
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    if isinstance(source, str) and os.path.isdir(source):
        notice(f"waiting for new images in {source}")
    try:
        return _watch(sightings, args)
    except OSError as error:
        if error.filename is None:  # standard output failed
            raise
        complain(error, args.output)
        return EXIT_UNREADABLE


def _watch(sightings: Generator[Sighting, None, None], args: argparse.Namespace) -> int:
    with ExitStack() as ends:
        ends.callback(sightings.close)
        takers: list[Show] = []
        if args.output is not None:
            try:
                takers.append(ends.enter_context(_annotated(args.output)))
            except sqznet.SqznetError as error:
                complain(error)
                return EXIT_USAGE
        takers.append(ends.enter_context(_shown(args)))
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
def _annotated(path: str) -> Iterator[Show]:
    """The function that writes sightings into a video, which is complete when the block is left,
    also by Ctrl-C or SIGTERM."""
    from sqznet.watching.annotate import AnnotatedVideo

    def add(sighting: Sighting) -> None:
        with undisturbed():
            video.add(sighting)

    def complete() -> None:
        with undisturbed():
            video.close()

    # If a signal comes just before `complete` holds it back, the video is closed behind it.
    with ExitStack() as ends:
        ends.enter_context(heard_once())
        with undisturbed():
            video = ends.enter_context(AnnotatedVideo(path))
        ends.callback(complete)
        yield add


@contextmanager
def _shown(args: argparse.Namespace) -> Iterator[Show]:
    """The function that shows sightings in the requested format."""
    if args.format == "jsonl":
        yield _print_json
        return
    if sys.stdout is not None and sys.stdout.isatty():
        try:
            from sqznet.watching.terminal import View
        except ImportError:  # without rich, plain lines are printed
            pass
        else:
            with View(args.source) as view:
                yield view.show
            return
    yield _Lines().show


def _print_json(sighting: Sighting) -> None:
    fields = {
        "time": round(sighting.time, 4),
        "label": sighting.shown.label,
        "score": round(sighting.shown.score, 6),
        "predictions": [
            {"label": p.label, "score": round(p.score, 6), "index": p.index}
            for p in sighting.predictions
        ],
        "latency_ms": round(1000 * sighting.latency, 2),
        "dropped": sighting.dropped,
    }
    if sighting.path is not None:
        fields["path"] = sighting.path
    print(json.dumps(fields), flush=True)


class _Lines:
    """Prints a line when the shown label changes, and for each file of a folder."""

    def __init__(self) -> None:
        self._shown: int | None = None

    def show(self, sighting: Sighting) -> None:
        shown = sighting.shown
        if shown.index != self._shown or sighting.path is not None:
            self._shown = shown.index
            path = "" if sighting.path is None else f"  {sighting.path}"
            score = f"{score_text(shown.score, sighting.activation):>8}"
            line = f"{clock(sighting.time)}  {score}  {shown.label}{path}"
            print(printable(line), flush=True)


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths, and hours if there are any."""
    tenths = math.floor(10 * seconds + 0.5)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{f'{hours}:' if hours else ''}{minutes:02}:{tenths / 10:04.1f}"


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


def _number(text: str) -> float:
    """A finite number, or NaN, which fails every comparison."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
