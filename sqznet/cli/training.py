"""What the commands that train share: options, and what they say while they work."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    complain,
    notice,
    number,
    positive,
    say,
)
from sqznet.cli.progress import draw_bar, duration, erase, is_drawn
from sqznet.errors import ImageError, SqznetError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqznet.cli.common import Parser
    from sqznet.training.settings import TrainingProgress

Result = TypeVar("Result")

_STAGES = {
    "photos": "decoding photos",
    "teacher": "asking the teacher",
    "head": "fitting the new head",
    "epochs": "training",
    "result": "writing the result",
}
_WIDTH = 24
_INTERVAL = 0.2  # seconds; faster updates are unreadable


def add_run_options(parser: Parser, begin: str, epochs: str) -> None:
    """Adds the options of every training. ``begin``, ``epochs``: the defaults of --from and
    --epochs, for the help."""
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the .safetensors file to write; an old one is replaced",
    )
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="WEIGHTS",
        help=f"the weights to begin with, a file or a name (default: {begin})",
    )
    parser.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help=f"how often all photos are seen (default: {epochs}, by their number)",
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


def run_options(args: argparse.Namespace) -> dict[str, Any]:
    """The values of these options, as arguments of the function that trains."""
    names = ("output", "from_", "epochs", "minutes", "device", "resume", "seed")
    return {name: getattr(args, name) for name in names}


def validation(text: str) -> str | float:
    """The value of --val: a share or a place, whose name may be a number, too."""
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


def followed(
    work: Callable[..., Result], summarize: Callable[[Result], None], *measures: str
) -> int:
    """Trains, and says how it goes; returns the exit code.

    ``work``: takes the arguments ``report`` and ``progress`` of a training. ``summarize``: prints
    its result. ``measures``: the names of what each epoch's line has after the loss.
    """
    status = EXIT_OK
    line = _Line(("loss", *measures))

    def report(message: str | ImageError) -> None:
        nonlocal status
        line.clear()
        notice(message)
        if isinstance(message, ImageError):
            status = EXIT_UNREADABLE

    try:
        result = work(report=report, progress=line.show)
    except (SqznetError, OSError) as error:
        line.clear()
        complain(error)
        return EXIT_UNREADABLE
    finally:
        line.clear()
    summarize(result)
    return status


def say_file(path: str, labels: Sequence[str], seconds: float) -> None:
    """A line about the file that was made."""
    size = os.path.getsize(path) / 1e6
    say(f"{path}: {listed(labels)}, {size:.1f} MB, {duration(seconds)}")


class _Line:
    """A line on a terminal's stderr that says how far it is, and one for each epoch."""

    def __init__(self, measures: Sequence[str]) -> None:
        self._measures = measures
        self._drawn = is_drawn()
        self._next = 0.0
        self._left = ""

    def show(self, progress: TrainingProgress) -> None:
        if progress.measures:
            self.clear()
            values = progress.measures
            shown = ", ".join(f"{name} {values[name]:.3f}" for name in self._measures)
            notice(f"epoch {values['epoch']}: {shown}{self._left}")
            return
        if progress.left is not None:
            self._left = f", {duration(progress.left)} left"
        if not self._drawn or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _INTERVAL
        left = self._left if progress.left is not None else ""
        stage = f"{_STAGES[progress.stage]} {100 * progress.done:.0f} %{left}"
        draw_bar(int(_WIDTH * progress.done), _WIDTH, stage)

    def clear(self) -> None:
        if self._drawn:
            erase()
