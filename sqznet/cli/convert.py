"""`sqznet convert`: converts a weights file to another format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, EXIT_USAGE, complain, say
from sqznet.weights.conversion import convert

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "convert",
        help="convert a weights file to another format",
        description=(
            "Convert a weights file to another format, with its labels and preprocessing. The "
            "suffix of OUT selects the format: .safetensors, .npz, .pth or .pt (for torch), "
            ".onnx."
        ),
        examples=(
            "sqznet convert model.pth model.onnx",
            "sqznet convert torchvision/squeezenet1_1 weights.safetensors",
        ),
    )
    parser.add_argument(
        "source", metavar="IN", help="the weights to convert, a file or a name as for --model"
    )
    parser.add_argument("target", metavar="OUT", help="the file to write; an old one is replaced")


def run(args: argparse.Namespace) -> int:
    try:
        done = convert(args.source, args.target)
    except sqznet.WeightsError as error:
        complain(error)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # a target with an invalid name
        complain(error)
        return EXIT_USAGE
    say(
        f"{done.path}: {done.format}, {done.variant}, "
        f"{done.parameters} parameters, {done.nbytes} bytes"
    )
    for warning in done.warnings:
        complain(f"warning: {warning}", done.path)
    return EXIT_OK
