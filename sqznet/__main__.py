"""The entry point of the command `sqznet`, also as `python -m sqznet`."""

from __future__ import annotations

import gc
import sys


def run() -> int:
    """Runs the command and returns its exit code."""
    try:
        from sqznet.cli.main import main
    except KeyboardInterrupt:  # Ctrl-C before there is a command
        return 130
    status = main()
    gc.freeze()  # a final collection takes longer than a photo; the exit frees memory anyway
    return status


if __name__ == "__main__":
    sys.exit(run())
