"""`sqznet identify`: describes weights files, and how that is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, complain, print_table
from sqznet.errors import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from sqznet import Identity, Preprocessing
    from sqznet.cli.common import Commands
    from sqznet.learning.identity import RecognizerIdentity


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "identify",
        help="describe weights files",
        description="Describe weights files: the network, the preprocessing, and how each is "
        "known. For a recognizer: its classes, and the network that it needs.",
        examples=(
            "sqznet identify model.pth",
            "sqznet identify model.onnx --json",
        ),
    )
    parser.add_argument("paths", nargs="+", metavar="FILE", help="a weights file or a recognizer")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object; for several files, a list of them",
    )


def run(args: argparse.Namespace) -> int:
    status = EXIT_OK
    found: list[Identity | RecognizerIdentity] = []
    for path in args.paths:
        try:
            identity = sqznet.identify(path)
        except sqznet.WeightsError as error:  # it names the file
            complain(error)
            status = EXIT_UNREADABLE
            continue
        if not args.json:
            print(("\n" if found else "") + printable(path))
            if isinstance(identity, sqznet.Identity):
                print_table(rows(identity))
            else:
                print_table(taught_rows(identity))
        found.append(identity)
    if args.json and found:
        listed = [identity.to_dict() for identity in found]
        print(json.dumps(listed if len(args.paths) > 1 else listed[0], indent=2))
    return status


def rows(identity: Identity) -> Iterator[tuple[str, str]]:
    """The lines for one file: names and values."""

    def because(value: object, field: str) -> str:
        reason = identity.reasons.get(field)
        return f"{value} ({reason})" if reason else f"{value}"

    pooling = "ceil" if identity.ceil_mode else "floor"
    yield "  format", f"{identity.format}, {identity.bytes:,} bytes"
    yield "  network", because(identity.variant, "variant")
    yield "  bypass", identity.bypass or "none"
    if identity.strides:
        strides = ", ".join(map(str, identity.strides))
        yield "  head", f"a detector with boxes every {strides} pixels: use it with sqznet detect"
    yield "  parameters", f"{identity.parameters:,}"
    yield "  classes", f"{identity.classes}"
    yield "  labels", identity.labels
    yield "  precision", because(identity.precision, "precision")
    if identity.int8:
        rounds = identity.precision.endswith("activations")
        yield "  int8", "yes, by default" if rounds else "yes, with --precision int8"
    yield "  conv1 padding", because(identity.conv1_padding, "conv1_padding")
    if not identity.strides:
        yield "  conv10 padding", because(identity.conv10_padding, "conv10_padding")
    yield "  pooling", because(pooling, "ceil_mode")
    if not identity.strides:
        yield from _classifier_rows(identity, because)
    yield "  preprocessing", because(identity.preset or "of its own", "preprocessing")
    for line in _described(identity.preprocessing):
        yield "", line
    yield "  sha256", identity.sha256
    yield "  known as", identity.known or "no known file"
    for warning in identity.warnings:
        yield "  warning", warning


def _classifier_rows(
    identity: Identity, because: Callable[[object, str], str]
) -> Iterator[tuple[str, str]]:
    yield "  softmax", because("yes" if identity.softmax else "no", "softmax")
    if not identity.conv10_relu:
        yield "  conv10 ReLU", because("no", "conv10_relu")
    if identity.activation != "softmax":
        yield "  activation", because(identity.activation, "activation")


def taught_rows(identity: RecognizerIdentity) -> Iterator[tuple[str, str]]:
    """The same for a recognizer."""
    images = sum(identity.images.values())
    mirrored = ", and their mirror images" if identity.mirror_images else ""
    yield "  format", f"{identity.format}, {identity.bytes:,} bytes"
    yield "  classes", f"{identity.classes}"
    for label, count in identity.images.items():
        yield "", f"{label} ({count} image{'' if count == 1 else 's'})"
    yield "  remembers", f"{images} image{'' if images == 1 else 's'}{mirrored}"
    needs = "the bundled one" if identity.bundled else "name it with --backbone"
    yield "  trained on", f"{identity.backbone}, weights {identity.backbone_sha256[:16]} ({needs})"
    yield "  network", identity.variant
    yield "  preprocessing", identity.preset or "of its own"
    for line in _described(identity.preprocessing):
        yield "", line
    yield "  sha256", identity.sha256


def _described(pre: Preprocessing) -> Iterator[str]:
    """The preprocessing of a photo, step by step."""

    def pixels(size: tuple[int, int]) -> str:
        return f"{size[0]} x {size[1]}"

    resized = pre.resized
    how = "squashed to" if pre.fit == "squash" else "resized to cover"
    crop = "" if resized == pre.size else f", center {pixels(pre.size)} cropped"
    yield f"the photo {how} {pixels(resized)}{crop}"
    mean, std = (", ".join(f"{level:g}" for level in levels) for levels in (pre.mean, pre.std))
    scaled = "" if set(pre.std) == {1.0} else f", divided by {std}"
    standardized = ", then mean 0 and deviation 1 for each photo" if pre.standardize else ""
    yield f"{pre.channel_order.upper()}, 0 to 255, minus {mean}{scaled}{standardized}"
