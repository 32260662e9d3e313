"""`sqznet classify`: name what is in each photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqznet
from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    add_model_options,
    complain,
    load_model,
    positive,
)
from sqznet.errors import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from sqznet import Prediction
    from sqznet.cli.common import Commands


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "classify",
        help="name what is in each photo",
        description="Name what is in each photo, the likeliest class first.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="an image file")
    parser.add_argument(
        "--top", type=positive, default=5, metavar="N", help="classes to print (default: 5)"
    )
    add_model_options(parser)
    parser.add_argument(
        "--fast-decode",
        action="store_true",
        help="scale large JPEG files down while decoding: quicker, scores change a little",
    )


def run(args: argparse.Namespace) -> int:
    model = load_model(args)
    if isinstance(model, int):
        return model
    status = EXIT_OK
    separator = ""
    for path in args.paths:
        try:
            predictions = model.classify(
                path, top=min(args.top, model.num_classes), fast_decode=args.fast_decode
            )
        except (sqznet.SqznetError, OSError) as error:
            complain(error, path)
            status = EXIT_UNREADABLE
            continue
        print(f"{separator}{printable(path)}")
        for line in format_predictions(predictions):
            print(line)
        separator = "\n"
    return status


def format_predictions(predictions: Sequence[Prediction]) -> Iterable[str]:
    """One aligned line a prediction: rank, label, score in percent."""
    rank_width = len(str(len(predictions)))
    label_width = max((len(p.label) for p in predictions), default=0)
    for rank, prediction in enumerate(predictions, start=1):
        yield (
            f"  {rank:>{rank_width}}  {prediction.label:<{label_width}}"
            f"  {100 * prediction.score:6.2f} %"
        )
