"""The entry point of the command `sqznet`, also as `python -m sqznet`."""

from __future__ import annotations

import gc
import sys

from sqznet.cli.main import main


def run() -> int:
    """Runs the command and returns its exit code."""
    status = main()
    gc.freeze()  # a final collection takes longer than a photo; the exit frees memory anyway
    return status


if __name__ == "__main__":
    sys.exit(run())
