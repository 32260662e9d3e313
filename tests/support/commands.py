"""Runs `sqznet` commands, most of them in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqznet.cli.main import main


class Result(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def exit_code(*args: str | Path) -> int:
    """Runs a command and gives its exit code."""
    try:
        return main([str(arg) for arg in args])
    except SystemExit as stop:  # argparse exits this way
        return int(stop.code or 0)


def closed_pipe(*command: str | Path, cwd: Path) -> tuple[int, bytes]:
    """The exit code and stderr of a program that writes to a closed pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command, cwd=cwd, stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr
