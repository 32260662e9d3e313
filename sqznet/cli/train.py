"""`sqznet train`: trains a whole network on your own classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import say
from sqznet.cli.training import add_run_options, followed, run_options, say_file, validation

if TYPE_CHECKING:
    import argparse

    from sqznet import Trained
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a whole network on your own classes",
        description="Train all layers of a classifier on photos of your own classes: DIR has a "
        "sub-folder for each class, named by its label. A few hundred photos take minutes on a "
        "laptop. Needs torch: pip install torch. For a handful of photos of each class, "
        "see 'sqznet learn', which needs nothing.",
        examples=(
            "sqznet train signs/ -o signs.safetensors",
            "sqznet train signs/ -o signs.safetensors --val others/ --minutes 10",
            "sqznet train photos/ -o small.safetensors --teacher resnet50.onnx",
            "sqznet classify photo.jpg --model signs.safetensors",
        ),
    )
    parser.add_argument("folder", metavar="DIR", help="a folder with a sub-folder for each class")
    parser.add_argument(
        "--val",
        type=validation,
        default=0.2,
        metavar="PHOTOS|SHARE",
        help="photos to validate with: a folder like DIR, or the share of each class that is kept "
        "apart for it (default: 0.2)",
    )
    add_run_options(parser, "the bundled SqueezeNet 1.1", "8 to 40")
    parser.add_argument(
        "--teacher",
        metavar="WEIGHTS",
        help="a network that says what photos show, so that DIR needs no order: any SqueezeNet, "
        "or another classifier in ONNX, which needs onnxruntime",
    )
    parser.add_argument(
        "--teacher-preprocessing",
        metavar="NAME",
        help="how the teacher wants photos: torchvision, caffe, keras, ... (default: as its file "
        "says, torchvision for other networks)",
    )
    parser.add_argument(
        "--labels", metavar="FILE", help="the teacher's class names, text or JSON, if it has none"
    )
    parser.add_argument(
        "--report",
        metavar="FOLDER",
        help="where the report is written: curves, confusion, the hardest photos (default: "
        "FILE's name with _report)",
    )


def run(args: argparse.Namespace) -> int:
    work = partial(
        sqznet.train,
        args.folder,
        val=args.val,
        teacher=args.teacher,
        teacher_preprocessing=args.teacher_preprocessing,
        labels=args.labels,
        report_folder=args.report,
        **run_options(args),
    )
    return followed(work, _summarize, "accuracy")


def _summarize(trained: Trained) -> None:
    say_file(trained.path, trained.labels, trained.seconds)
    say(
        f"accuracy {trained.accuracy:.3f} on {trained.validated} photos kept apart, "
        f"{trained.photos} trained"
    )
    say(f"report: {trained.report}")
