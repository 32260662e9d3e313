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
from importlib import import_module
from typing import TYPE_CHECKING, Any

import sqznet
from sqznet.cli.common import EXIT_UNREADABLE, Parser, complain
from sqznet.cli.interrupts import Terminated, terminable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMANDS = (
    "bench",
    "classify",
    "convert",
    "embed",
    "evaluate",
    "explain",
    "identify",
    "info",
    "learn",
    "quantize",
    "similar",
    "verify",
    "watch",
)
EXIT_INTERRUPTED = 128 + 2  # what a shell reports after SIGINT
EXIT_BROKEN_PIPE = 128 + 13  # and after SIGPIPE
EXIT_TERMINATED = 128 + 15  # and after SIGTERM


def _module(command: str) -> Any:
    return import_module(f"sqznet.cli.{command}")


def _parser(names: Iterable[str]) -> Parser:
    """The parser for these commands."""
    parser = Parser(
        prog="sqznet",
        description="Classify photos with SqueezeNet on the CPU.",
        epilog="exit codes: 0 success; 1 some input could not be read; 2 wrong usage",
    )
    parser.add_argument("--version", action="version", version=f"sqznet {sqznet.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        _module(name).add_parser(commands)
    return parser


def _run(argv: Sequence[str]) -> int:
    # Help and errors without a specific command list all commands.
    chosen = [name for name in COMMANDS if argv[:1] == [name]]
    args = _parser(chosen or COMMANDS).parse_args(argv)
    status: int = _module(args.command).run(args)
    return status


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
    try:
        with terminable():
            status = _run(sys.argv[1:] if argv is None else list(argv))
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
