"""`sqznet quantize`: makes 8-bit integers of a network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqznet.cli.calibrated import add_arguments, write_result

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands


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
    add_arguments(parser, ".safetensors")
    parser.add_argument(
        "--keep-weights",
        action="store_true",
        help="keep the weights and only add scales, so that the file can be used in float32 and "
        "int8",
    )


def run(args: argparse.Namespace) -> int:
    from sqznet.calibration.quantizing import Quantized, quantize, steps

    def cost(done: Quantized) -> str:
        return f"in float32, KL divergence {done.divergence:.4f}"

    make = partial(quantize, keep_weights=args.keep_weights)
    return write_result(args, ".safetensors", make, steps, cost)
