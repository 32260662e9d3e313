"""The command `sqznet`: SqueezeNet from a shell.

Each subcommand is a module of this package with two functions: `add_parser(commands)` declares it,
`run(args)` executes it and returns the exit code. Only the module of the given command is imported.

Exit codes: 0 success; 1 some input (a photo or the weights file) could not be read, or the output
could not be written; 2 the command line or a setting is wrong; 130 interrupted by Ctrl-C; 141 the
reader of the output closed it; 143 ended by SIGTERM.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import contextmanager, nullcontext
from importlib import import_module
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn

import sqznet
from sqznet.cli.common import EXIT_UNREADABLE, Parser, complain, nearest, speak
from sqznet.cli.interrupts import Terminated, terminable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

COMMANDS = (
    "bench",
    "classes",
    "classify",
    "completion",
    "compress",
    "convert",
    "detect",
    "embed",
    "evaluate",
    "explain",
    "identify",
    "info",
    "learn",
    "quantize",
    "serve",
    "similar",
    "train",
    "train-detector",
    "verify",
    "watch",
)
_HELP = ("-h", "--help")
_LEVELS = ("-q", "--quiet", "-v", "--verbose")
EXIT_INTERRUPTED = 128 + 2  # what a shell reports after SIGINT
EXIT_BROKEN_PIPE = 128 + 13  # and after SIGPIPE
EXIT_TERMINATED = 128 + 15  # and after SIGTERM


def _module(command: str) -> Any:
    return import_module(f"sqznet.cli.{command.replace('-', '_')}")


def parser_of(names: Iterable[str] = COMMANDS) -> tuple[Parser, Mapping[str, Parser]]:
    """The parser for these commands, and that of each of them."""
    parser = Parser(
        prog="sqznet",
        usage="%(prog)s COMMAND ...\n       %(prog)s PHOTO ...",
        description="Name what photos show, find people and animals, and learn your own classes, "
        "with SqueezeNet on the CPU.",
        epilog="'sqznet help COMMAND' describes a command. "
        "Exit codes: 0 success; 1 some input could not be read; 2 wrong usage.",
        examples=(
            "sqznet photo.jpg",
            "sqznet classify photos/ -o answers.csv",
            "sqznet detect photos/ --draw drawn/",
            "sqznet classes cat",
        ),
    )
    parser.add_argument("-V", "--version", action="version", version=f"sqznet {sqznet.__version__}")
    commands = parser.add_subparsers(
        title="commands", prog=parser.prog, dest="command", required=True, metavar="COMMAND"
    )
    for name in names:
        _module(name).add_parser(commands)
    for command in commands.choices.values():
        command.add_argument(
            "-q", "--quiet", action="store_true", help="print only results and errors"
        )
        command.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            help="show which model is used, and the traceback of errors",
        )
    return parser, commands.choices


def _completed(argv: Sequence[str]) -> list[str]:
    """The command line in full: a command, its options, what it is for.

    Nothing asks for help, ``help X`` for that of X, and photos for ``classify``; -q and -v may
    stand before the command.
    """
    levels = list(takewhile(_LEVELS.__contains__, argv))
    first, *rest = argv[len(levels) :] or ["--help"]
    if first == "help":
        named = [word for word in rest if word not in (*_HELP, "help")]
        if named and named[0] not in COMMANDS:
            _refuse(f"no command {named[0]!r}{nearest(named[0], COMMANDS)}")
        first, *rest = (*named[:1], "--help")  # of one command, or of all
    if first in (*_HELP, "-V", "--version"):
        return [first]
    if first.startswith("-") and first != "-":
        _refuse(f"unknown option {first}: the options of a command follow it, or a photo")
    if first not in COMMANDS:
        first, rest = _unnamed(first), [first, *rest]
    return [first, *levels, *rest]


def _unnamed(word: str) -> str:
    """The command for a command line that begins with this word, which is no command."""
    from sqznet.images.finding import has_photo_suffix

    is_photo = word == "-" or has_photo_suffix(word) or any(sign in word for sign in "*?[")
    if not is_photo and not os.path.lexists(os.path.expanduser(word)):
        known = (*COMMANDS, "help")
        _refuse(f"no command {word!r}, and no such file{nearest(word, known)}")
    return "classify"


def _refuse(message: str) -> NoReturn:
    Parser(prog="sqznet").error(message)


def _run(argv: Sequence[str]) -> int:
    argv = _completed(argv)
    # Help and errors without a specific command list all commands.
    parser, commands = parser_of([name for name in COMMANDS if argv[:1] == [name]] or COMMANDS)
    args, left = parser.parse_known_args(argv, Namespace(parser_of=parser_of))
    if left:
        commands[args.command].refuse(left)
    if args.quiet and args.verbose:
        commands[args.command].error("-q and -v exclude each other")
    speak(args.quiet, args.verbose)
    with _quiet_logger() if args.quiet else nullcontext():
        status: int = _module(args.command).run(args)
    return status


@contextmanager
def _quiet_logger() -> Iterator[None]:
    """Keeps the warnings of the logger ``sqznet`` back."""
    import logging

    logger = logging.getLogger("sqznet")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _abandon_stdout() -> None:
    """Discards what is still buffered for stdout, so that Python's exit prints no error."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())
    os.close(sink)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with `argv` (default: that of the process) and returns its exit code.

    Raises:
        SystemExit: for --help and --version (0) and for a wrong command line (2).
    """
    for stream in (sys.stdout, sys.stderr):
        # A label or file name that the terminal cannot encode must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with terminable():
        return _status(sys.argv[1:] if argv is None else list(argv))


def _status(arguments: list[str]) -> int:
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:  # for instance a full disk; reading errors are handled earlier
        complain(error)
        _abandon_stdout()
        return EXIT_UNREADABLE
    except Terminated:
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status
