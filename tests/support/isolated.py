"""Runs a script in a separate interpreter, with the installed package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path


def with_weights(weights: Path | None, code: str) -> str:
    """The script, to be run with this file, if any, as the bundled weights."""
    if weights is None:
        return code
    return f"import sqznet.weights\nsqznet.weights.BUNDLED_PATH = {str(weights)!r}\n{code}"


def run_script(code: str, *arguments: str, weights: Path | None = None, **environment: str) -> str:
    """The output of the script. Fails with its stderr if the script failed.

    It runs in an empty folder: started in the repository it would find the source folder instead
    of the package. SQZNET_ variables of the caller's are not passed on.
    """
    script = with_weights(weights, textwrap.dedent(code))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQZNET_")}
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", script, *arguments],
            cwd=folder,
            env={**kept, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert result.returncode == 0, f"exit code {result.returncode}\n{result.stderr}"
    return result.stdout


def hear_ctrl_c() -> None:
    """A child's `preexec_fn`: background jobs of a shell ignore SIGINT, and a test would pass this
    on to its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def sanitizer() -> str | None:
    """The one that the extension was built with, which delays freeing memory: "asan", "tsan" or
    None."""
    from sqznet import _kernels

    content = Path(str(_kernels.__file__)).read_bytes()
    return next((name for name in ("asan", "tsan") if f"__{name}_init".encode() in content), None)
