"""`sqznet quantize`: makes 8-bit integers of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqznet.cli.calibrated import add_arguments, write_result

if TYPE_CHECKING:
    import argparse

    from sqznet import Detector, Model
    from sqznet.calibration.quantizing import Quantized
    from sqznet.cli.common import Commands
    from sqznet.detection.quantizing import QuantizedDetector


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "quantize",
        help="make 8-bit integers of a classifier or a detector",
        description="Make 8-bit integers of the weights and activations of a classifier or a "
        "detector, with photos of the kind that it will see; 80 are enough, and no labels are "
        "needed. A quarter of them is kept apart, to measure what the integers cost.",
        examples=(
            "sqznet quantize model.pth photos/ -o int8.safetensors",
            "sqznet classify photo.jpg --model int8.safetensors --precision int8",
            "sqznet quantize detector.safetensors photos/ -o int8.safetensors",
            "sqznet detect photo.jpg --model int8.safetensors --precision int8",
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
    from sqznet.calibration.quantizing import steps

    def make(model: Model | Detector, photos: Sequence[Any], **calls: Any) -> Any:
        return _quantizer(model)(model, photos, keep_weights=args.keep_weights, **calls)

    return write_result(args, ".safetensors", make, steps, _cost)


def _quantizer(model: Model | Detector) -> Callable[..., Any]:
    """What makes integers of such a network."""
    import sqznet

    if isinstance(model, sqznet.Model):
        from sqznet.calibration.quantizing import quantize

        return quantize
    from sqznet.detection.quantizing import quantize as quantize_detector

    return quantize_detector


def _cost(done: Quantized | QuantizedDetector) -> str:
    from sqznet.calibration.quantizing import Quantized
    from sqznet.detection.quantizing import CLOSE

    if isinstance(done, Quantized):
        return f"have the same best class as in float32, KL divergence {done.divergence:.4f}"
    return f"of the boxes are as in float32, {100 * done.close:.1f} % with an overlap of {CLOSE}"
