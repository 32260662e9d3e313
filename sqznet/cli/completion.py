"""`sqznet completion`: a script with which a shell completes commands, options and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqznet.cli.common import EXIT_OK, EXIT_UNREADABLE, complain

if TYPE_CHECKING:
    import argparse

    from sqznet.cli.common import Commands

_SHELLS = ("bash", "zsh", "tcsh")
_FILES = ("FILE", "IN", "OUT", "PATH", "PHOTO", "PLACE", "QUERY", "SOURCE", "WEIGHTS")
_FOLDERS = ("DIR", "FOLDER")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a script for shell completion",
        description="Print a script that lets a shell complete commands, options and file names. "
        "It needs shtab: pip install shtab",
        examples=(
            "sqznet completion bash > ~/.local/share/bash-completion/completions/sqznet",
            "sqznet completion zsh > ~/.zfunc/_sqznet    # with fpath+=~/.zfunc in .zshrc",
        ),
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")


def run(args: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        complain("completion needs shtab: pip install shtab")
        return EXIT_UNREADABLE
    parser, commands = args.parser_of()
    for command in commands.values():
        for action in command.arguments:
            _say_what_it_takes(action, shtab)
    print(shtab.complete(parser, args.shell))
    return EXIT_OK


def _say_what_it_takes(action: Any, shtab: Any) -> None:
    """Tells shtab which arguments are files and folders."""
    if action.metavar in _FILES:
        action.complete = shtab.FILE
    elif action.metavar in _FOLDERS:
        action.complete = shtab.DIRECTORY
