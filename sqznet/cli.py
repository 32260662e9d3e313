"""The command `sqznet`: name what is in photos, and say how this machine is used.

Exit codes: 0 all went well; 1 some input (a photo or the weights file) could not be read, or the
output could not be written; 2 the command line or a setting is wrong; 130 interrupted; 141 the
reader of the output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import sqznet
from sqznet.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqznet import Model, Prediction

EXIT_OK = 0
EXIT_UNREADABLE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + 2  # what a shell reports after SIGINT
EXIT_BROKEN_PIPE = 128 + 13  # and after SIGPIPE


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as every other error of this command is."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{printable(f'sqznet: {message}')} (see '{self.prog} --help')\n")


def _positive(text: str) -> int:
    """The value of an option that counts something."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def _parser() -> _Parser:
    parser = _Parser(
        prog="sqznet",
        description="Name what is in photos with SqueezeNet, on the CPU.",
        epilog="exit codes: 0 all went well; 1 some input could not be read; 2 wrong usage",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sqznet {sqznet.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    classify = commands.add_parser(
        "classify",
        help="name what is in each photo",
        description="Name what is in each photo, the likeliest class first.",
        allow_abbrev=False,
    )
    classify.add_argument("paths", nargs="+", metavar="PATH", help="an image file")
    classify.add_argument(
        "--top", type=_positive, default=5, metavar="N", help="classes to print (default: 5)"
    )
    classify.add_argument(
        "--threads", type=_positive, metavar="N", help="threads to use (default: see 'sqznet info')"
    )
    classify.add_argument(
        "--isa", metavar="NAME", help="instruction set to use (default: see 'sqznet info')"
    )
    classify.add_argument(
        "--model", metavar="FILE", help="weights to use (default: the bundled SqueezeNet 1.1)"
    )
    classify.add_argument(
        "--fast-decode",
        action="store_true",
        help="scale large JPEG files down while decoding: quicker, scores change a little",
    )

    commands.add_parser(
        "info",
        help="show the version, instruction set, threads and weights in use",
        description="Show what sqznet would use on this machine, and why.",
        allow_abbrev=False,
    )
    return parser


def _complain(error: Exception, name: str | None = None) -> None:
    """Print one line on stderr, `sqznet: NAME: reason`, naming the file once."""
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    if name is not None:
        shown = printable(name)
        reason = f"{shown}: {reason.removeprefix(f'{shown}: ')}"
    if sys.stderr is not None:
        print(printable(f"sqznet: {' '.join(reason.split())}"), file=sys.stderr)


def _load(args: argparse.Namespace) -> Model | int:
    """The model that the options ask for, or the exit code after saying why there is none."""
    try:
        return sqznet.load(args.model, threads=args.threads, isa=args.isa)
    except (sqznet.WeightsError, OSError) as error:
        _complain(error, args.model)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # an instruction set or a thread count
        _complain(error)
        return EXIT_USAGE


def format_predictions(predictions: Sequence[Prediction]) -> Iterable[str]:
    """One aligned line a prediction: rank, label, score in percent."""
    rank_width = len(str(len(predictions)))
    label_width = max((len(p.label) for p in predictions), default=0)
    for rank, prediction in enumerate(predictions, start=1):
        yield (
            f"  {rank:>{rank_width}}  {prediction.label:<{label_width}}"
            f"  {100 * prediction.score:6.2f} %"
        )


def _classify(args: argparse.Namespace) -> int:
    model = _load(args)
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
            _complain(error, path)
            status = EXIT_UNREADABLE
            continue
        print(f"{separator}{printable(path)}")
        for line in format_predictions(predictions):
            print(line)
        separator = "\n"
    return status


def _info(_args: argparse.Namespace) -> int:
    from sqznet import cpu, weights  # only this subcommand needs them by name

    try:
        machine = cpu.info()
        checkpoint = weights.bundled()
    except (sqznet.WeightsError, OSError) as error:
        _complain(error)
        return EXIT_UNREADABLE
    except sqznet.SqznetError as error:  # SQZNET_ISA or SQZNET_THREADS
        _complain(error)
        return EXIT_USAGE
    rows = [
        ("version", sqznet.__version__),
        ("instruction set", f"{machine['isa']}: {machine['reason']}"),
        ("can run here", ", ".join(machine["available"])),
        ("compiled in", ", ".join(machine["compiled"])),
        ("CPU features", ", ".join(k for k, v in machine["features"].items() if v) or "none known"),
        ("threads", f"{machine['threads']}: {machine['threads_reason']}"),
        ("weights", f"{checkpoint.variant}, {len(checkpoint.labels or ())} classes"),
        ("weights file", f"{checkpoint.path} ({_file_size(checkpoint.path)})"),
        *_origins(checkpoint.metadata.get("provenance", "")),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {printable(value)}")
    return EXIT_OK


def _origins(provenance: str) -> list[tuple[str, str]]:
    """Rows that say where the bundled weights come from: what the file's own record says."""
    import json

    try:
        record = json.loads(provenance)
        return [
            ("weights from", record["weights"]),
            ("by way of", record["package"]),
            ("class names from", record["labels"]),
        ]
    except (ValueError, TypeError, KeyError):
        return [("weights from", provenance or "not recorded in the file")]


def _file_size(path: str) -> str:
    """The size of a file, in decimal megabytes as shops and download pages count them."""
    return f"{os.path.getsize(path) / 1e6:.2f} MB"


def _abandon_stdout() -> None:
    """Send what is still buffered for stdout nowhere, so that Python's exit stays quiet."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own) and return its exit code.

    Raises:
        SystemExit: for --help and --version (0) and for a wrong command line (2).
    """
    for stream in (sys.stdout, sys.stderr):
        # A label or file name that the terminal's encoding lacks must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parser().parse_args(argv)
        status = _info(args) if args.command == "info" else _classify(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:  # a full disk: reading errors never come this far
        _complain(error)
        _abandon_stdout()
        return EXIT_UNREADABLE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status
