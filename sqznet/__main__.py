"""The process of the command `sqznet`, also as `python -m sqznet`."""

from __future__ import annotations

import gc
import sys

from sqznet.cli.main import main


def run() -> int:
    """The exit code."""
    status = main()
    gc.freeze()  # memory goes back as a whole: looking for what to free takes longer than a photo
    return status


if __name__ == "__main__":
    sys.exit(run())
