"""`sqznet watch`: classifies the frames of a camera, a video or a folder as they arrive."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import sqznet
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    add_size,
    complain,
    fits,
    load_detector,
    load_model,
    notice,
    number,
    positive,
    score,
    threshold,
)
from sqznet.cli.interrupts import heard_once
from sqznet.cli.keeping import kept
from sqznet.cli.outputs import FORMATS, Show, Telling, shown, targets, written
from sqznet.cli.scenes import Scenes, logged
from sqznet.cli.sightings import Sightings
from sqznet.detection.thresholds import DEFAULT, by_class
from sqznet.watching.tracks import CONFIRM, PATIENCE
from sqznet.watching.zones import Zone, checked_zones

if TYPE_CHECKING:
    from sqznet import Scene, Sighting
    from sqznet.cli.common import Commands, Parser
    from sqznet.watching.shot import Seen

_STDIN = "/dev/stdin"
_TOP = 5  # classes to show

# Options for labels, and those for objects.
_LABELS = (
    *(
        "coarse",
        "top",
        "smoothing",
        "hysteresis",
        "min_score",
        "labels",
        "preprocessing",
        "activation",
    ),
    *("conv10_relu", "prefix", "backbone"),
)
_OBJECTS = (
    *("size", "threshold", "only", "zone", "confirm", "patience"),
    *("events", "save", "clip"),
)


def add_parser(commands: Commands) -> None:
    parser: Parser = commands.add_parser(
        "watch",
        help="classify the frames of a camera, a video or a folder, or follow what is in them",
        description="Classify the frames of a camera, a video or a folder; or, with --detect, find "
        "the people and animals in a camera or a video and follow each. Ctrl-C ends it.",
        examples=(
            "sqznet watch 0",
            "sqznet watch video.mp4 -o labeled.mp4",
            "sqznet watch rtsp://camera.local/stream --fps 2 --format jsonl",
            "sqznet watch 0 --detect --zone gate=0.5,0,0.5,1 --events seen.jsonl",
        ),
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a camera number, a video file, an rtsp:// or http:// address, a folder (each image "
        "that is added from now on), or - for a video on standard input",
    )
    parser.add_argument(
        "--fps", type=_rate, metavar="N", help="the maximum number of frames per second"
    )
    parser.add_argument(
        "--every",
        type=positive,
        default=1,
        metavar="N",
        help="for a file or a folder: classify only every N-th frame or image (default: all)",
    )
    parser.add_argument(
        "--top", type=positive, metavar="N", help=f"number of classes to show (default: {_TOP})"
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
        help="the label changes when its score falls by more than this share below the best one, "
        "from 0 to 1 (default: 0.3, for a folder 0)",
    )
    parser.add_argument(
        "--min-score",
        type=score,
        metavar="S",
        help="show no label while its score is below S, from 0 to 1 (with no activation, any "
        "number)",
    )
    parser.add_argument(
        "--coarse",
        action="store_true",
        default=None,
        help="add up the scores of ImageNet's classes under each coarse name, such as cat",
    )
    parser.add_argument(
        "--rotate",
        type=int,
        choices=(90, 180, 270),
        default=0,
        help="rotate the frames clockwise by so many degrees",
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
        help="write the frames with their labels or boxes as a video (.mp4, .mov, .mkv or .avi), "
        "or a row (.csv) or a JSON object (.jsonl) for each; may be given several times; for "
        "another suffix --format decides",
    )
    _add_objects(parser)
    add_model_options(parser, recognizer=True)


def _add_objects(parser: Parser) -> None:
    parser.add_argument(
        "--detect",
        action="store_true",
        help="find people and animals and follow each, as 'person 3'; --model is then a detector",
    )
    parser.add_argument(
        "--threshold",
        type=threshold,
        metavar="T",
        help="with --detect: the lowest score of a new thing; or one for some of the labels, such"
        f" as person=0.5,dog=0.3 (default: {DEFAULT:g})",
    )
    add_size(parser)
    parser.add_argument(
        "--only",
        action="append",
        metavar="LABEL",
        help="with --detect: follow only this class; may be given several times",
    )
    parser.add_argument(
        "--zone",
        type=_zone,
        action="append",
        metavar="NAME=X,Y,X,Y[,X,Y...]",
        help="with --detect: a line (two points) that things cross, or an area (three corners or "
        "more) that they enter and exit, in pixels or, if no number is above 1, as shares of the "
        "frame; may be given several times",
    )
    parser.add_argument(
        "--confirm",
        type=positive,
        metavar="N",
        help="with --detect: how many frames in a row must show a thing before it appears "
        f"(default: {CONFIRM})",
    )
    parser.add_argument(
        "--patience",
        type=_seconds,
        metavar="SECONDS",
        help="with --detect: how long a thing that is not found keeps its number (default: "
        f"{PATIENCE})",
    )
    parser.add_argument(
        "--events",
        metavar="FILE",
        help="with --detect: write a JSON object for each event: a thing appears, leaves, crosses, "
        "enters or exits",
    )
    parser.add_argument(
        "--save",
        metavar="FOLDER",
        help="with --detect: save a photo when a thing crosses a line or enters an area; without "
        "--zone, when it appears",
    )
    parser.add_argument(
        "--clip",
        type=_rate,
        metavar="SECONDS",
        help="with --save: instead of a photo, save a video with this time before and after the "
        "event",
    )


def run(args: argparse.Namespace) -> int:
    if wrong := _misplaced(args):
        complain(wrong)
        return EXIT_USAGE
    model: Any = load_detector(args, args.model) if args.detect else load_model(args)
    if isinstance(model, int):
        return model
    if not args.detect and not fits(args.min_score, model):
        return EXIT_USAGE
    try:
        files = targets(args.output or (), args.format, args.events)
        zones = checked_zones(args.zone)
        if args.detect and args.threshold is not None:
            by_class(args.threshold, model.labels)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_USAGE
    source: int | str = _STDIN if args.source == "-" else args.source
    if args.source.isascii() and args.source.isdigit():
        source = int(args.source)
    telling: Telling = Scenes(zones) if args.detect else Sightings()
    try:
        seen = _scenes(source, model, args) if args.detect else _sightings(source, model, args)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    if isinstance(source, str) and os.path.isdir(source):
        notice(f"waiting for new images in {source}")
    try:
        return _tell(seen, telling, files, args)
    except OSError as error:
        if error.filename is None:  # standard output failed
            raise
        complain(error, error.filename)
        return EXIT_UNREADABLE


def _sightings(
    source: int | str, model: Any, args: argparse.Namespace
) -> Generator[Sighting, None, None]:
    return sqznet.watch(
        source,
        model=model,
        fps=args.fps,
        every=args.every,
        top=args.top or _TOP,
        smoothing=args.smoothing,
        hysteresis=args.hysteresis,
        min_score=args.min_score,
        rotate=args.rotate,
        roi=args.roi,
        coarse=bool(args.coarse),
        notice=notice,
    )


def _scenes(
    source: int | str, detector: Any, args: argparse.Namespace
) -> Generator[Scene, None, None]:
    names = ("threshold", "confirm", "patience")
    stated = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return sqznet.watch_objects(
        source,
        detector=detector,
        only=args.only,
        zones=args.zone,
        fps=args.fps,
        every=args.every,
        rotate=args.rotate,
        roi=args.roi,
        notice=notice,
        **stated,
    )


def _misplaced(args: argparse.Namespace) -> str:
    """What is wrong with the options that only go with --detect or without it, if anything is."""
    names: tuple[str, ...] = _OBJECTS
    why = "needs --detect"
    if args.detect:
        names, why = _LABELS, "is for labels, not for --detect"
    given = next((name for name in names if getattr(args, name) is not None), None)
    if given:
        return f"--{given.replace('_', '-')} {why}"
    if args.clip is not None and args.save is None:
        return "--clip needs --save, the folder for the clips"
    return ""


def _tell(
    stream: Generator[Seen, None, None],
    telling: Telling,
    files: Sequence[tuple[str, str]],
    args: argparse.Namespace,
) -> int:
    with ExitStack() as ends:
        if files or args.events or args.save:
            ends.enter_context(heard_once())
        ends.callback(stream.close)
        takers: list[Show] = []
        try:
            for path, kind in files:
                takers.append(ends.enter_context(written(path, kind, telling)))
            if isinstance(telling, Scenes):
                takers += [ends.enter_context(context) for context in _on_events(telling, args)]
        except sqznet.SqznetError as error:  # PyAV is not installed
            complain(error)
            return EXIT_USAGE
        # Records of a format go to its file, if there is one.
        printed = "text" if args.format in [kind for _, kind in files] else args.format
        takers.append(ends.enter_context(shown(args.source, printed, telling)))
        try:
            for seen in stream:
                for take in takers:
                    take(seen)
        except sqznet.SqznetError as error:  # after the readable frames
            ends.close()  # ends the live view before the line is printed below it
            complain(error)
            return EXIT_UNREADABLE
    return EXIT_OK


def _on_events(telling: Scenes, args: argparse.Namespace) -> Iterator[AbstractContextManager[Show]]:
    """What --events and --save ask for."""
    if args.events:
        yield logged(args.events)
    if args.save:
        kinds = ("crosses", "enters") if args.zone else ("appears",)
        yield kept(args.save, args.clip, kinds, telling.picture)


def _rate(text: str) -> float:
    value = number(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def _seconds(text: str) -> float:
    value = number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"expected seconds, 0 or more, got {text!r}")
    return value


def _share(text: str) -> float:
    value = number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, below 1, got {text!r}")
    return value


def _region(text: str) -> tuple[float, ...]:
    from sqznet.watching.framing import Framing

    sides = tuple(map(number, text.split(",")))
    if len(sides) != 4 or any(map(math.isnan, sides)):
        raise argparse.ArgumentTypeError(f"expected X,Y,WIDTH,HEIGHT, got {text!r}")
    try:
        Framing(roi=sides)
    except sqznet.SqznetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return sides


def _zone(text: str) -> Zone:
    name, _, numbers = text.rpartition("=")
    sides = list(map(number, numbers.split(",")))
    if not name or len(sides) % 2 or any(map(math.isnan, sides)):
        raise argparse.ArgumentTypeError(f"expected NAME=X,Y,X,Y and more points, got {text!r}")
    try:
        return Zone(name, list(zip(sides[::2], sides[1::2], strict=True)))
    except sqznet.SqznetError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
