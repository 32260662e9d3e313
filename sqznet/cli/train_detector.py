"""`sqznet train-detector`: trains a detector of your own classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import add_size, is_quiet
from sqznet.cli.detector_accuracy import lines
from sqznet.cli.training import add_run_options, followed, run_options, say_file, validation

if TYPE_CHECKING:
    import argparse

    from sqznet import TrainedDetector
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "train-detector",
        help="train a detector of your own classes",
        description="Train all layers of a detector on photos with known boxes. DATA is a folder "
        "of photos with .xml files of Pascal VOC or .txt files of YOLO, or a COCO annotation file; "
        "of several, each may have other classes. Needs torch: pip install torch.",
        examples=(
            "sqznet train-detector mugs/ -o mugs.safetensors",
            "sqznet train-detector train.json -o mugs.safetensors --val val.json --minutes 30",
            "sqznet detect photo.jpg --model mugs.safetensors",
        ),
    )
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="a folder of photos and files of boxes, or a COCO annotation file (.json)",
    )
    parser.add_argument(
        "--val",
        type=validation,
        default=0.2,
        metavar="PHOTOS|SHARE",
        help="photos to validate with: a folder or file like DATA, or the share of the photos that "
        "is kept apart for it (default: 0.2)",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="the photos of a COCO annotation file (default: the file's folder, images in it, or "
        "COCO's own folders)",
    )
    parser.add_argument(
        "--classes",
        type=_names,
        metavar="NAME,...",
        help="the classes to learn, in this order; also the names of the numbers in YOLO's files, "
        "if no classes.txt or data.yaml says them (default: all that have a box)",
    )
    add_size(parser)
    parser.add_argument(
        "--no-mirror",
        dest="mirror",
        action="store_false",
        help="do not train with mirror images, for classes that differ in left and right",
    )
    add_run_options(parser, "the bundled detector", "10 to 100")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def run(args: argparse.Namespace) -> int:
    work = partial(
        sqznet.train_detector,
        args.data,
        val=args.val,
        photos=args.photos,
        classes=args.classes,
        size=args.size,
        mirror=args.mirror,
        **run_options(args),
    )
    return followed(work, _summarize, "AP", "AP50")


def _summarize(trained: TrainedDetector) -> None:
    say_file(trained.path, trained.labels, trained.seconds)
    if not is_quiet():
        for line in lines(trained.evaluation):
            print(line)
