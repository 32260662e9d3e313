"""The entry point of the command `sqznet`, also as `python -m sqznet`."""

from __future__ import annotations

import gc
import signal
import sys


def run() -> int:
    """Runs the command and returns its exit code."""
    try:
        from sqznet.cli.main import main

        status = main()
        # A late Ctrl-C would print a traceback and change nothing else.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:  # Ctrl-C before there is a command, or after it
        return 130
    gc.freeze()  # a final collection takes longer than a photo; the exit frees memory anyway
    return status


if __name__ == "__main__":
    sys.exit(run())
