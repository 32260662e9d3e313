"""Runs `sqznet` commands in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqznet import cli


class Result(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def run(*args: str | Path) -> int:
    """The exit code of a command."""
    try:
        return cli.main([str(arg) for arg in args])
    except SystemExit as stop:  # argparse exits this way
        return int(stop.code or 0)
