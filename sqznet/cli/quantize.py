"""`sqznet quantize`: makes 8-bit integers of a network."""

from __future__ import annotations

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
    import argparse

    from sqznet.cli.common import Commands
    from sqznet.errors import ImageError


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "quantize",
        help="make 8-bit integers of a network",
        description="Make 8-bit integers of a network's weights and activations, with photos of "
        "the kind that it will see; 80 are enough, and no labels are needed. A quarter of them is "
        "kept apart, to measure what the integers cost.",
        examples=(
            "sqznet quantize model.pth photos/ -o int8.safetensors",
            "sqznet classify photo.jpg --model int8.safetensors --precision int8",
        ),
    )
    add_model_options(parser, required=True)
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="photos, folders or patterns")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="the .safetensors file to write; an old one is replaced",
    )
    parser.add_argument(
        "--keep-weights",
        action="store_true",
        help="leave the weights as they are and only add scales, for use in float32 and int8",
    )


def run(args: argparse.Namespace) -> int:
    from sqznet.calibration.quantizing import quantize, steps
    from sqznet.images.finding import expand

    if os.path.splitext(args.output)[1].lower() != ".safetensors":
        complain("expected a name that ends in .safetensors for the result", args.output)
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
    try:
        with progress(steps(model, len(photos))) as bar:

            def report(error: ImageError) -> None:
                nonlocal status
                status = EXIT_UNREADABLE
                bar.clear()
                complain(error)

            done = quantize(model, photos, args.keep_weights, bar.advance, report)
        done.save(args.output)
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    except OSError as error:
        complain(f"cannot be written: {reason_of(error)}", args.output)
        return EXIT_UNREADABLE
    say(
        f"{args.output}: {os.path.getsize(args.output)} bytes, calibrated with "
        f"{done.calibrated} photos"
    )
    say(
        f"on {done.judged} other photos: {100 * done.agreement:.1f} % have the same best class "
        f"as in float32, KL divergence {done.divergence:.4f}"
    )
    return status
