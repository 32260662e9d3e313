"""`sqznet compress`: makes a small file of a network."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_weights,
    notice,
    say,
)
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, reason_of

if TYPE_CHECKING:
    from sqznet.cli.common import Commands
    from sqznet.errors import ImageError

_UNITS = {"mb": 1_000_000, "kb": 1_000, "mib": 1 << 20, "kib": 1 << 10, "b": 1, "": 1}


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "compress",
        help="make a small file of a network, with photos",
        description="Make a small file of a network: weights as integers of about four bits, "
        "chosen with photos of the kind that it will see; 250 or more are best, and no labels are "
        "needed. A quarter of them is kept apart, to measure what it costs.",
        examples=(
            "sqznet compress model.pth photos/ -o small.sqz",
            "sqznet compress model.pth photos/ -o small.sqz --size 0.47MB",
            "sqznet classify photo.jpg --model small.sqz",
        ),
    )
    add_model_options(parser, required=True)
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="photos, folders or patterns")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="the .sqz file to write; an old one is replaced",
    )
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument(
        "--size", type=size, metavar="BYTES", help="the most bytes it may have, such as 0.65MB"
    )
    wanted.add_argument(
        "--quality",
        type=float,
        metavar="KL",
        help="the Kullback-Leibler divergence from the network that it may have, such as 0.01",
    )


def size(text: str) -> int:
    """Bytes, such as 500000, 0.65MB or 640KiB."""
    number = text.rstrip("bBiIkKmM ")
    unit = text[len(number) :].strip().lower()
    try:
        found = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 0.65MB, found {text!r}")
    return found


def run(args: argparse.Namespace) -> int:
    from sqznet.compression.compressing import compress, steps
    from sqznet.images.finding import expand

    if os.path.splitext(args.output)[1].lower() != ".sqz":
        complain("expected a name that ends in .sqz for the result", args.output)
        return EXIT_USAGE
    model = load_weights(args)
    if isinstance(model, int):
        return model
    status = EXIT_OK
    photos = []
    for found in expand(args.photos, notice=notice):
        if found.error is None:
            photos.append(found.path)
        else:
            complain(found.error, found.path)
            status = EXIT_UNREADABLE
    wanted = {"size": args.size, "quality": args.quality}
    asked = {name: value is not None for name, value in wanted.items()}
    try:
        with progress(steps(model, len(photos), **asked)) as bar:

            def report(error: ImageError) -> None:
                nonlocal status
                status = EXIT_UNREADABLE
                bar.clear()
                complain(error)

            done = compress(model, photos, **wanted, advance=bar.advance, report=report)
        done.save(args.output)
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    except OSError as error:
        complain(f"cannot be written: {reason_of(error)}", args.output)
        return EXIT_UNREADABLE
    say(f"{args.output}: {len(done.content)} bytes, made with {done.calibrated} photos")
    say(
        f"on {done.judged} other photos: {100 * done.agreement:.1f} % have the same best class as "
        f"before, KL divergence {done.divergence:.4f}, top-1 {100 * done.top1:+.1f} % by the "
        "network's own probabilities"
    )
    return status
