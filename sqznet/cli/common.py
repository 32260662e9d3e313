"""Shared by the subcommands: exit codes, the parser, error messages, and loading a model."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import sqznet
from sqznet.errors import path_for_messages, printable, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqznet import Detector, Model
    from sqznet.answers import Classifier

Loaded = TypeVar("Loaded")

EXIT_OK = 0
EXIT_UNREADABLE = 1
EXIT_USAGE = 2

# argparse makes a formatter for every argument to check it. Without a width it imports shutil, and
# with it three compressors, to find the terminal's.
_FORMATTER = partial(argparse.HelpFormatter, width=80)


class Parser(argparse.ArgumentParser):
    """A parser that prints errors on one line, like all other errors of this command.

    ``examples``: command lines that the end of its help shows; ``arguments``: what was added.
    """

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        self.examples = examples
        self.arguments: list[argparse.Action] = []
        super().__init__(allow_abbrev=False, formatter_class=_FORMATTER, **options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        self.arguments.append(super().add_argument(*names, **options))
        return self.arguments[-1]

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter  # as wide as the terminal
        shown = "".join(f"  {line}\n" for line in self.examples)
        return super().format_help() + (f"\nexamples:\n{shown}" if shown else "")

    def refuse(self, arguments: Sequence[str]) -> NoReturn:
        """The error for arguments that `parse_known_args` left."""
        known = [name for action in self.arguments for name in action.option_strings]
        word = next((word for word in arguments if word.startswith("-")), arguments[0])
        name = word.partition("=")[0]
        if name in known or not name.startswith("-"):
            self.error(f"unexpected argument {word!r}")
        self.error(f"unknown option {name}{nearest(name, known)}")

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{printable(f'sqznet: {message}')} (see '{self.prog} --help')\n")


def nearest(word: str, known: Iterable[str]) -> str:
    """A question for an error message, or nothing if no known word is like this one."""
    from difflib import get_close_matches  # takes time that a right command does not need

    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {found[0]}?" if found else ""


class Commands(Protocol):
    """What `Parser.add_subparsers` gives."""

    def add_parser(self, name: str, **options: Any) -> Parser: ...


def positive(text: str) -> int:
    """The value of an option that is a count."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def number(text: str) -> float:
    """A finite number, or NaN, which fails every comparison."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def score(text: str) -> float:
    """The value of an option that is a score."""
    value = number(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError(f"expected a score from 0 to 1, got {text!r}")
    return value


def threshold(text: str) -> float | dict[str, float]:
    """The value of --threshold; the range and the labels are checked when the detector is known."""
    try:
        if "=" not in text:
            return float(text)
        parts = [part.rpartition("=") for part in text.split(",")]
        return {label.strip(): float(value) for label, _, value in parts}
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a score from 0 to 1 or label=score,..., got {text!r}"
        ) from None


def fits(min_score: float | None, model: Classifier) -> bool:
    """Whether a model can give this score; if not, that is reported."""
    if min_score is None or model.activation == "none" or 0 <= min_score <= 1:
        return True
    complain(f"--min-score is {min_score:g}, expected a score from 0 to 1")
    return False


class _Voice:
    """How much is said besides results and errors; `main` sets it for each command."""

    quiet = False
    verbose = False


_voice = _Voice()


def speak(quiet: bool, verbose: bool) -> None:
    """Sets how much is said: less with -q, more with -v."""
    _voice.quiet, _voice.verbose = quiet, verbose


def is_quiet() -> bool:
    return _voice.quiet


def say(line: str) -> None:
    """Prints on stdout what was done, unless -q is given."""
    if not _voice.quiet:
        print(printable(line))


def notice(error: Exception | str) -> None:
    """Prints a line on stderr like `complain`; with -q only if it is an error, not a text."""
    if isinstance(error, Exception) or not _voice.quiet:
        complain(error)


def detail(line: str) -> None:
    """Prints a line on stderr if -v is given."""
    if _voice.verbose:
        complain(line)


def complain(error: Exception | str, name: str | None = None) -> None:
    """Prints one line on stderr, `sqznet: NAME: reason`, with the name of the file once; with -v,
    the traceback of an exception before it."""
    if _voice.verbose and isinstance(error, Exception):
        from traceback import print_exception

        print_exception(error)
    reason = error if isinstance(error, str) else reason_of(error)
    if name is not None:
        shown = path_for_messages(name)
        reason = f"{shown}: {reason.removeprefix(f'{shown}: ')}"
    if sys.stderr is not None:
        print(printable(f"sqznet: {' '.join(reason.split())}"), file=sys.stderr)


def add_model_options(parser: Parser, recognizer: bool = False, required: bool = False) -> None:
    """Adds the options for `load_model`; `recognizer`: whether --model may be a recognizer;
    `required`: the weights are an argument, not the option --model, and computed in float32."""
    if required:
        parser.add_argument("model", metavar="WEIGHTS", help="the weights, a file or a name")
    else:
        parser.add_argument(
            "--model",
            metavar="FILE",
            help="the weights, a file or a name to download such as torchvision/squeezenet1_1 "
            "(default: the bundled SqueezeNet 1.1)",
        )
    parser.add_argument(
        "--labels", metavar="FILE", help="class names, text or JSON (default: those of the weights)"
    )
    parser.add_argument(
        "--preprocessing",
        metavar="NAME",
        help="how photos are preprocessed: torchvision, caffe, keras, ... (default: see 'sqznet "
        "identify')",
    )
    parser.add_argument(
        "--activation",
        choices=("softmax", "sigmoid", "none"),
        help="how outputs become scores: softmax, sigmoid (several labels may be true) or none (a "
        "regression) (default: see 'sqznet identify')",
    )
    parser.add_argument(
        "--conv10-relu",
        choices=("yes", "no"),
        help="whether a ReLU follows the last convolution (default: see 'sqznet identify')",
    )
    parser.add_argument(
        "--prefix",
        metavar="NAME",
        help="which network to take from a PyTorch file that holds several, such as model_ema",
    )
    if recognizer:
        parser.add_argument(
            "--backbone",
            metavar="FILE",
            help="the network that a recognizer was trained on (default: the bundled one)",
        )
    add_engine_options(parser, precision=not required)


def add_engine_options(parser: Parser, precision: bool = True) -> None:
    """Adds the options of the engine: threads, instruction set and, if asked for, precision; it
    is float32 otherwise, whatever the environment says."""
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads to use (default: see 'sqznet info')"
    )
    parser.add_argument(
        "--isa", metavar="NAME", help="instruction set to use (default: see 'sqznet info')"
    )
    if not precision:
        parser.set_defaults(precision="float32")
        return
    parser.add_argument(
        "--precision",
        choices=("float32", "int8", "auto"),
        help="type of numbers to compute with; auto means int8 if the weights allow it and it is "
        "much faster here (default: SQZNET_PRECISION, else float32)",
    )


def add_size(parser: Parser) -> None:
    """Adds --size, of a detector."""
    parser.add_argument(
        "--size",
        type=_size,
        metavar="S",
        help="resize photos to squares of this side in pixels, or to HEIGHTxWIDTH; at least 128, "
        "in steps of 32 (default: the detector's size, 256 for the bundled one)",
    )


def _size(text: str) -> int | tuple[int, int]:
    """The value of --size; `load_detector` checks the numbers."""
    try:
        sides = [int(side) for side in text.split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise argparse.ArgumentTypeError(
            f"expected a number of pixels or HEIGHTxWIDTH, got {text!r}"
        )
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def add_json_format(parser: Parser) -> None:
    """Adds --json to a command with --format."""
    parser.add_argument(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="the same as --format json",
    )


def load_model(args: argparse.Namespace) -> Model | int:
    """The model of the options, or the exit code after reporting why there is none."""
    names = ("precision", "labels", "preprocessing", "activation", "prefix", "backbone")
    options = {name: getattr(args, name, None) for name in names}
    if (relu := getattr(args, "conv10_relu", None)) is not None:
        options["conv10_relu"] = relu == "yes"
    return _loaded(sqznet.load, args, args.model, options)


def load_detector(args: argparse.Namespace, source: str | None) -> Detector | int:
    """The detector from a file or a name, with the options; or the exit code, as `load_model`."""
    options = {"precision": args.precision, "size": args.size}
    return _loaded(sqznet.load_detector, args, source, options)


def load_classifier(args: argparse.Namespace, source: str) -> Model | int:
    """The same for a classifier or a recognizer beside it."""
    return _loaded(sqznet.load, args, source, {})


def _loaded(
    load: Callable[..., Loaded],
    args: argparse.Namespace,
    source: str | None,
    options: Mapping[str, Any],
) -> Loaded | int:
    try:
        model = load(source, threads=args.threads, isa=args.isa, **options)
        detail(f"uses {model!r}")
        return model
    except sqznet.WeightsError as error:  # it names the file, weights or labels
        complain(error)
        return EXIT_UNREADABLE
    except OSError as error:
        complain(error, source)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # an instruction set or a thread count
        complain(error)
        return EXIT_USAGE


def load_weights(args: argparse.Namespace) -> Model | int:
    """The same for a command that cannot use a recognizer."""
    model = load_model(args)
    if isinstance(model, (int, sqznet.Model)):
        return model
    complain("is a recognizer, expected a weights file", args.model)
    return EXIT_UNREADABLE


def load_network(args: argparse.Namespace) -> Model | int:
    """The same for a command that needs only a network: a recognizer gives the one it was trained
    on."""
    model = load_model(args)
    return model if isinstance(model, (int, sqznet.Model)) else model.model


def print_table(rows: Iterable[tuple[str, str]]) -> None:
    """Prints names and values in two aligned columns; the name of a row may be empty."""
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {printable(value)}")
