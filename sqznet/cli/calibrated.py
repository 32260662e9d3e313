"""What commands share that make a weights file of a network and of photos without labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqznet.cli.common import (
    EXIT_OK,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    add_model_options,
    complain,
    load_detector,
    load_weights,
    notice,
    say,
)
from sqznet.cli.progress import progress
from sqznet.errors import SqznetError, reason_of

if TYPE_CHECKING:
    import argparse

    from sqznet import Detector, Model
    from sqznet.cli.common import Parser
    from sqznet.errors import ImageError

# Options of `add_arguments` that say how a classifier is read.
_OF_CLASSIFIERS = ("labels", "preprocessing", "activation", "conv10_relu", "prefix")


class Result(Protocol):
    """What was made, and how it agrees with the network on photos that were kept apart."""

    @property
    def calibrated(self) -> int: ...

    @property
    def judged(self) -> int: ...

    @property
    def agreement(self) -> float: ...

    @property
    def divergence(self) -> float: ...

    def save(self, path: str) -> None: ...


class Making(Protocol):
    """Makes the result of photos. ``advance`` and ``report``: see `write_result`."""

    def __call__(
        self,
        model: Any,
        photos: Sequence[Any],
        *,
        advance: Callable[[], None],
        report: Callable[[ImageError], None],
    ) -> Result: ...


def add_arguments(parser: Parser, ending: str) -> None:
    """The weights, the photos and the file, whose name has this ending."""
    add_model_options(parser, required=True)
    parser.add_argument("photos", metavar="PHOTO", nargs="+", help="photos, folders or patterns")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help=f"the {ending} file to write; an old one is replaced",
    )


def write_result(
    args: argparse.Namespace,
    ending: str,
    make: Making,
    steps: Callable[[Any, int], int],
    cost: Callable[[Any], str],
) -> int:
    """Makes the file, and says what it costs. The exit code.

    ``steps``: how often ``make`` calls ``advance`` for a number of photos. It calls ``report`` for
    a photo that cannot be read. ``cost``: the end of the line about the photos kept apart.
    """
    from sqznet.images.finding import expand

    if os.path.splitext(args.output)[1].lower() != ending:
        complain(f"expected a name that ends in {ending} for the result", args.output)
        return EXIT_USAGE
    model = _loaded(args)
    if isinstance(model, int):
        return model
    status = EXIT_OK
    photos = []
    for found in expand(args.photos, notice=notice):
        if found.error is None:
            photos.append(found.path)
        else:
            complain(found.error, found.path)
            status = EXIT_UNREADABLE
    try:
        with progress(steps(model, len(photos))) as bar:

            def report(error: ImageError) -> None:
                nonlocal status
                status = EXIT_UNREADABLE
                bar.clear()
                complain(error)

            done = make(model, photos, advance=bar.advance, report=report)
        done.save(args.output)
    except SqznetError as error:
        complain(error)
        return EXIT_UNREADABLE
    except OSError as error:
        complain(f"cannot be written: {reason_of(error)}", args.output)
        return EXIT_UNREADABLE
    size = os.path.getsize(args.output)
    say(f"{args.output}: {size} bytes, calibrated with {done.calibrated} photos")
    say(f"on {done.judged} other photos: {100 * done.agreement:.1f} % {cost(done)}")
    return status


def _loaded(args: argparse.Namespace) -> Model | Detector | int:
    """The classifier or the detector, or the exit code after reporting why there is none."""
    from sqznet import weights
    from sqznet.weights.locate import locate

    try:
        is_detector = weights.read(locate(args.model)).detector is not None
    except (SqznetError, OSError):
        is_detector = False  # loading it says why
    if not is_detector:
        return load_weights(args)
    if given := [name for name in _OF_CLASSIFIERS if getattr(args, name) is not None]:
        complain(f"is a detector, which takes no --{given[0].replace('_', '-')}", args.model)
        return EXIT_USAGE
    args.size = None  # of its input: as the file has it
    return load_detector(args, args.model)
