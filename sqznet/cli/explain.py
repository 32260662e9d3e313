"""`sqznet explain`: draws an image that explains the answer for a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqznet
from sqznet.answers import score_text
from sqznet.cli import picture
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_model,
    positive,
    say,
)
from sqznet.files.part_file import is_same_file

if TYPE_CHECKING:
    import argparse

    from sqznet import Model, Recognizer
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "explain",
        help="draw which parts of a photo support a class",
        description="Write a picture of the photo with the heat map of a class, a box around the "
        "hottest part, and the scores of the most likely classes.",
        examples=(
            "sqznet explain photo.jpg -o why.png",
            "sqznet explain photo.jpg -o why.png --label tabby",
        ),
    )
    parser.add_argument("photo", metavar="PHOTO", help="an image file")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help=f"the image to write; an old one is replaced ({picture.ENDINGS})",
    )
    parser.add_argument(
        "--label",
        metavar="NAME",
        help="the class to explain, by name or index (default: the most likely)",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=5,
        metavar="N",
        help="number of classes with a bar (default: 5)",
    )
    add_model_options(parser, recognizer=True)


def run(args: argparse.Namespace) -> int:
    try:
        picture.check_name(args.output)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_USAGE
    if is_same_file(args.photo, args.output):
        complain("is the photo itself, expected another name for the output", args.output)
        return EXIT_USAGE
    model = load_model(args)
    if isinstance(model, int):
        return model
    return _explain(model, args)


def _explain(model: Model | Recognizer, args: argparse.Namespace) -> int:
    from sqznet.insight.explain import draw

    label = args.label
    if label is not None and label not in model.labels and label.isascii() and label.isdigit():
        label = int(label[:9])
    try:
        drawn, box = draw(model, args.photo, label, args.top)
    except (sqznet.ImageError, OSError) as error:
        complain(error, args.photo)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # an invalid label or number of bars
        complain(error)
        return EXIT_USAGE
    try:
        picture.write(drawn, args.output)
    except sqznet.SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    where = "no box" if box is None else f"columns {box.x0} to {box.x1}, rows {box.y0} to {box.y1}"
    score = "" if box is None else score_text(box.score, model.activation)
    named = "" if box is None else f"{box.label} {score}, "
    say(f"{args.output}: {named}{where}")
    return EXIT_OK
