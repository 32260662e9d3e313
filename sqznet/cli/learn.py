"""`sqznet learn`: learns your own classes from a few photos."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_engine_options,
    complain,
    load_weights,
    notice,
    say,
)
from sqznet.cli.progress import Progress, progress
from sqznet.errors import ImageError, SqznetError, listed

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands

_MIRROR = {"auto": None, "yes": True, "no": False}


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "learn",
        help="learn your own classes from a few photos",
        description="Learn classes from photos: DIR has a sub-folder for each class, named by its "
        "label. 'sqznet classify --model FILE' then classifies photos, and answers 'unknown' for "
        "other things.",
        examples=(
            "sqznet learn mugs/ -o mugs.sqz",
            "sqznet classify photo.jpg --model mugs.sqz",
        ),
    )
    parser.add_argument("folder", metavar="DIR", help="a folder with a sub-folder for each class")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the file to write, such as mugs.sqz; an old one is replaced",
    )
    parser.add_argument(
        "--mirror",
        choices=_MIRROR,
        default="auto",
        help="also learn the mirror images (default: if they look like their class)",
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="the network that computes the features (default: the bundled one)",
    )
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    model = load_weights(args)
    if isinstance(model, int):
        return model
    status = EXIT_OK
    bars: list[Progress] = []

    def report(message: str | ImageError) -> None:
        nonlocal status
        for bar in bars:
            bar.clear()
        notice(message)
        if isinstance(message, ImageError):
            status = EXIT_UNREADABLE

    def seen(_: int, total: int) -> None:
        if not bars:  # only now is it known how many images there are
            bars.append(ends.enter_context(progress(total)))
        bars[0].advance()

    mirror = _MIRROR[args.mirror]
    try:
        with ExitStack() as ends:
            learned = sqznet.learn(
                args.folder, model=model, mirror=mirror, report=report, progress=seen
            )
        learned.save(args.output)
    except (SqznetError, OSError) as error:
        complain(error)
        return EXIT_UNREADABLE
    size = os.path.getsize(args.output) / 1e3
    named = listed(learned.labels)
    say(f"{args.output}: {learned.num_images} images of {named}, {size:.0f} kB")
    return status
