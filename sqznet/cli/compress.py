"""`sqznet compress`: makes a small file of a network."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from sqznet.cli.calibrated import add_arguments, write_result

if TYPE_CHECKING:
    from sqznet.cli.common import Commands

_UNITS = {"mb": 1_000_000, "kb": 1_000, "mib": 1 << 20, "kib": 1 << 10, "b": 1, "": 1}


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "compress",
        help="make a small file of a classifier or a detector, with photos",
        description="Make a small file of a classifier or a detector: weights as integers of about "
        "four bits, chosen with photos of the kind that it will see; 250 or more are best, and no "
        "labels are needed. A quarter of them is kept apart, to measure what it costs.",
        examples=(
            "sqznet compress model.pth photos/ -o small.sqz",
            "sqznet compress model.pth photos/ -o small.sqz --size 0.47MB",
            "sqznet classify photo.jpg --model small.sqz",
            "sqznet compress squeezenet1_1_detector photos/ -o detector.sqz --size 0.7MB",
        ),
    )
    add_arguments(parser, ".sqz")
    wanted = parser.add_mutually_exclusive_group()
    wanted.add_argument(
        "--size", type=size, metavar="BYTES", help="the largest size of the file, such as 0.65MB"
    )
    wanted.add_argument(
        "--quality",
        type=float,
        metavar="KL",
        help="the largest Kullback-Leibler divergence from the original network, such as 0.01",
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
    from sqznet.compression.compressing import Compressed, compress, steps

    def cost(done: Compressed) -> str:
        if done.top1 is None:
            return f"of the boxes are as before, KL divergence {done.divergence:.3f} a photo"
        return (
            f"have the same best class as before, KL divergence {done.divergence:.4f}, top-1 "
            f"{100 * done.top1:+.1f} % by the network's own probabilities"
        )

    make = partial(compress, size=args.size, quality=args.quality)
    known = partial(steps, size=args.size is not None, quality=args.quality is not None)
    return write_result(args, ".sqz", make, known, cost)
