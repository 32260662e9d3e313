"""Runs a script in an interpreter of its own, on the installed package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap


def run_script(code: str, *arguments: str, **environment: str) -> str:
    """What the script printed. Fails, showing its stderr, if it did not end well.

    It runs in an empty folder: started in the repository it would find the source folder instead
    of the package. SQZNET_ variables of the caller's are not passed on.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQZNET_")}
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
            cwd=folder,
            env={**kept, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert result.returncode == 0, f"exit code {result.returncode}\n{result.stderr}"
    return result.stdout


def hear_ctrl_c() -> None:
    """A child's `preexec_fn`: a shell has what it starts in the background ignore SIGINT, and a
    test in it would pass that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def sanitizer() -> str | None:
    """The one that the extension was built with, which keeps freed memory for a while: "asan",
    "tsan" or None."""
    from pathlib import Path

    from sqznet import _kernels

    content = Path(str(_kernels.__file__)).read_bytes()
    return next((name for name in ("asan", "tsan") if f"__{name}_init".encode() in content), None)
