"""`sqznet train`: trains a whole network on your own classes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    complain,
    is_quiet,
    notice,
    number,
    positive,
    say,
)
from sqznet.cli.progress import duration
from sqznet.errors import ImageError, SqznetError

if TYPE_CHECKING:
    from sqznet.cli.common import Commands
    from sqznet.training.settings import TrainingProgress, Trained

_STAGES = {
    "photos": "decoding photos",
    "head": "fitting the new head",
    "epochs": "training",
    "result": "writing the result",
}
_WIDTH = 24
_INTERVAL = 0.2  # seconds; faster updates are unreadable


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a whole network on your own classes",
        description="Train all layers of a classifier on photos of your own classes: DIR has a "
        "sub-folder for each class, named by its label. A few hundred photos take minutes on a "
        "laptop. Needs torch: pip install 'sqznet[train]'. For a handful of photos of each class, "
        "see 'sqznet learn', which needs nothing.",
        examples=(
            "sqznet train signs/ -o signs.safetensors",
            "sqznet train signs/ -o signs.safetensors --val others/ --minutes 10",
            "sqznet classify photo.jpg --model signs.safetensors",
        ),
    )
    parser.add_argument("folder", metavar="DIR", help="a folder with a sub-folder for each class")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the .safetensors file to write; an old one is replaced",
    )
    parser.add_argument(
        "--val",
        type=_validation,
        default=0.2,
        metavar="DIR|SHARE",
        help="photos to validate with: a folder like DIR, or the share of each class that is kept "
        "apart for it (default: 0.2)",
    )
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="WEIGHTS",
        help="the weights to begin with, a file or a name (default: the bundled SqueezeNet 1.1)",
    )
    parser.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help="how often all photos are seen (default: 8 to 40, by their number)",
    )
    parser.add_argument("--minutes", type=_minutes, metavar="M", help="the time that all may take")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to train (default: auto, on a GPU if torch finds one)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of what is drawn at random (default: 0)"
    )
    parser.add_argument(
        "--report",
        metavar="FOLDER",
        help="where the report is written: curves, confusion, the hardest photos (default: "
        "FILE's name with _report)",
    )


def _validation(text: str) -> str | float:
    """A share or a folder, whose name may be a number, too."""
    share = number(text)
    return share if share == share and not os.path.isdir(text) else text


def _minutes(text: str) -> float:
    if not (value := number(text)) > 0:
        raise argparse.ArgumentTypeError(f"expected a number of minutes above 0, got {text!r}")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    from sqznet.training.training import train

    status = EXIT_OK
    line = _Line()

    def report(message: str | ImageError) -> None:
        nonlocal status
        line.clear()
        notice(message)
        if isinstance(message, ImageError):
            status = EXIT_UNREADABLE

    try:
        trained = train(
            args.folder,
            args.output,
            val=args.val,
            from_=args.from_,
            epochs=args.epochs,
            minutes=args.minutes,
            device=args.device,
            resume=args.resume,
            seed=args.seed,
            report_folder=args.report,
            report=report,
            progress=line.show,
        )
    except (SqznetError, OSError) as error:
        complain(error)
        return EXIT_UNREADABLE
    finally:
        line.clear()
    _summarize(trained)
    return status


def _summarize(trained: Trained) -> None:
    labels = trained.labels
    named = ", ".join(labels[:5])
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    size = os.path.getsize(trained.path) / 1e6
    say(f"{trained.path}: {named}{more}, {size:.1f} MB, {duration(trained.seconds)}")
    say(
        f"accuracy {trained.accuracy:.3f} on {trained.validated} photos kept apart, "
        f"{trained.photos} trained"
    )
    say(f"report: {trained.report}")


class _Line:
    """A line on a terminal's stderr that says how far it is, and one for each epoch."""

    def __init__(self) -> None:
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self._drawn = terminal and not is_quiet()
        self._next = 0.0
        self._left = ""

    def show(self, progress: TrainingProgress) -> None:
        if progress.measures:
            self.clear()
            values = progress.measures
            shown = ", ".join(f"{name} {values[name]:.3f}" for name in ("loss", "accuracy"))
            notice(f"epoch {values['epoch']}: {shown}{self._left}")
            return
        if progress.left is not None:
            self._left = f", {duration(progress.left)} left"
        if not self._drawn or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _INTERVAL
        filled = int(_WIDTH * progress.done)
        bar = "#" * filled + "-" * (_WIDTH - filled)
        left = self._left if progress.left is not None else ""
        stage = f"{_STAGES[progress.stage]} {100 * progress.done:.0f} %{left}"
        print(f"\r[{bar}] {stage}\x1b[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
