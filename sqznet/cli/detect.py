"""`sqznet detect`: finds people and animals on photos."""

from __future__ import annotations

import argparse
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from sqznet.batch.photos import answered
from sqznet.cli.coco_results import CocoResults, Numbers, numbers_of, own_numbers
from sqznet.cli.common import (
    EXIT_USAGE,
    add_engine_options,
    add_size,
    complain,
    load_classifier,
    load_detector,
    notice,
    positive,
    threshold,
)
from sqznet.cli.forms import Boxes
from sqznet.cli.output import FORMATS, chosen_format
from sqznet.cli.photos import (
    Work,
    add_output_options,
    add_paths,
    add_speed_options,
    check_output,
    chosen,
    prepare,
    write_answers,
)
from sqznet.cli.yolo_folder import YoloFolder
from sqznet.detection.thresholds import DEFAULT, by_class
from sqznet.errors import SqznetError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from sqznet import Detection, Detector, Model
    from sqznet.cli.common import Commands
    from sqznet.images.finding import Found


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "detect",
        help="find people and animals in photos",
        description="Find people, cats, dogs, horses, cows and sheep in photos (or the classes of "
        "another detector), and print the label, score and box in pixels of each, best first.",
        epilog="Folders are searched recursively; hidden ones are skipped.",
        examples=(
            "sqznet detect photo.jpg",
            "sqznet detect photos/ --draw drawn/",
            "sqznet detect photo.jpg --classify squeezenet1_1",
            "sqznet detect photos/ -o boxes.csv --resume --threshold person=0.5,dog=0.3",
            "sqznet detect val2017/ --threshold 0.01 --format coco -o results.json",
            "sqznet detect photos/ --format yolo -o labels/",
        ),
    )
    add_paths(parser)
    parser.add_argument(
        "--threshold",
        type=threshold,
        default=DEFAULT,
        metavar="T",
        help="the lowest score to report, from 0 to 1; or one for some of the labels, such as "
        f"person=0.5,dog=0.3 (default: {DEFAULT:g})",
    )
    parser.add_argument(
        "--top",
        type=positive,
        default=100,
        metavar="N",
        help="the largest number of boxes of a photo (default: 100)",
    )
    parser.add_argument(
        "--classify",
        metavar="FILE",
        help="classify what is in each box with this classifier or recognizer (squeezenet1_1 is "
        "the bundled one), as in 'dog: beagle'",
    )
    add_output_options(
        parser,
        (*FORMATS, "coco", "yolo"),
        "where to write (default: stdout); with --format yolo a folder, for a file of each photo",
    )
    parser.add_argument(
        "--annotations",
        metavar="FILE",
        help="with --format coco: the COCO annotation file from which to take image_id and "
        "category_id",
    )
    parser.add_argument(
        "--scores", action="store_true", help="with --format yolo: write the score after each box"
    )
    parser.add_argument(
        "--draw", metavar="FOLDER", help="also write each photo into FOLDER, with its boxes"
    )
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="the detector, a file or a name to download (default: the bundled one)",
    )
    add_size(parser)
    add_engine_options(parser)
    add_speed_options(parser, "boxes and scores")


def run(args: argparse.Namespace) -> int:
    try:
        format_name = chosen_format(args.format, args.output)
        _check_format(args, format_name)
        check_output(args, format_name)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    prepare(args.threads)
    detector = load_detector(args, args.model)
    if isinstance(detector, int):
        return detector
    try:
        by_class(args.threshold, detector.labels)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    namer = None if args.classify is None else load_classifier(args, args.classify)
    if isinstance(namer, int):
        return namer
    found = chosen(args)
    if isinstance(found, int):
        return found
    made_by = "" if format_name == "table" else detector.fingerprint
    if made_by and namer is not None:
        made_by += f"+{namer.fingerprint}"
    try:
        if namer is not None:
            namer.checked_top(1)  # it may have no classes
        formats = {}
        if format_name == "coco":
            formats["coco"] = partial(CocoResults, _numbers(args, found, detector.labels))
        folder = None
        if format_name == "yolo":
            folder = YoloFolder(args.output, found, detector.labels, args.scores)
    except SqznetError as error:
        complain(error)
        return EXIT_USAGE
    work = Work(partial(_detected, detector, namer, args), Boxes(formats), made_by, _draw)
    return write_answers(work, args, found, format_name, folder)


def _numbers(args: argparse.Namespace, found: Sequence[Found], labels: Sequence[str]) -> Numbers:
    paths = [photo.path for photo in found if photo.error is None]
    if args.annotations is not None:
        return numbers_of(args.annotations, paths, labels)
    numbers = own_numbers(paths, labels)
    if numbers.in_order:
        notice(
            "image_id is the number of the photo, from 1, since not all names are numbers as those "
            "of COCO's photos; --annotations FILE takes them from a file"
        )
    return numbers


def _detected(
    detector: Detector, namer: Model | None, args: argparse.Namespace, found: Sequence[Found]
) -> Generator[tuple[str, Any], None, None]:
    ask = (args.threshold, args.top, args.fast_decode)
    own = None if namer is None else namer.alone()

    def answer(model: Detector, images: Sequence[Any]) -> list[list[Detection] | SqznetError]:
        if own is None:
            return model.detect_each(images, *ask)
        return [named(model, image) for image in images]

    def named(model: Detector, image: Any) -> list[Detection] | SqznetError:
        try:
            return model.detect(image, *ask, classify=own)
        except SqznetError as error:
            return error

    with closing(answered(detector, found, answer, args.batch)) as results:
        yield from results


def _draw(photo: npt.NDArray[np.uint8], answer: Sequence[Detection]) -> Image.Image:
    from PIL import Image

    from sqznet.detection.drawing import draw

    return draw(Image.fromarray(photo), answer)


def _check_format(args: argparse.Namespace, format_name: str) -> None:
    if format_name == "yolo" and args.output is None:
        raise SqznetError("--format yolo writes a file for each photo: name a folder with -o")
    if args.annotations is not None and format_name != "coco":
        raise SqznetError(f"--annotations is for the format coco, not for {format_name}")
    if args.scores and format_name != "yolo":
        raise SqznetError(f"--scores is for the format yolo, {format_name} always has scores")
