"""Two builds of sqznet beside each other: each a wheel in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.material import ROOT

_CROSS = Path("build") / "cross"
_COLD = "import sqznet, sys; print(sqznet.classify(sys.argv[1])[0].label)"


@dataclass(frozen=True)
class Build:
    """A build that can run. source: where its sources are; None for a wheel that was given."""

    name: str
    wheel: Path
    python: Path
    source: Path | None


def obtain(text: str | None, folder: Path) -> Build:
    """Install a wheel, or build one of a Git revision, or of the working tree for None."""
    folder.mkdir()
    if text is None:
        name, source = "working tree", ROOT
    elif text.endswith(".whl"):
        return Build(text, Path(text), _install(Path(text), folder), None)
    else:
        name, source = text, _sources(text, folder / "source")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    objects = f"--config-settings=build-dir={folder / 'objects'}"
    subprocess.run([*pip, objects, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return Build(name, wheel, _install(wheel, folder), source)


def _sources(revision: str, folder: Path) -> Path:
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", revision]
    archive = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def _install(wheel: Path, folder: Path) -> Path:
    """The Python of a new virtual environment that has the wheel."""
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    subprocess.run([*pip, str(wheel)], check=True)
    return python


def unpacked_for_aarch64(build: Build, folder: Path) -> Path:
    """The package for AArch64, cross-built by the sources' own scripts/cross.sh, as a folder."""
    assert build.source is not None
    if build.source != ROOT:  # what has been installed for this tree serves the other, too
        (build.source / _CROSS / "aarch64").mkdir(parents=True)
        for shared in (_CROSS / "tools", _CROSS / "aarch64" / "sysroot"):
            (build.source / shared).symlink_to(ROOT / shared)
    subprocess.run(["scripts/cross.sh", "aarch64"], cwd=build.source, check=True)
    (wheel,) = (build.source / _CROSS / "aarch64" / "repaired").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


class Child:
    """A process of a build that answers requests; see `benchmarks.build_child`."""

    def __init__(self, build: Build, setup: dict[str, Any]) -> None:
        script = str(Path(__file__).with_name("build_child.py"))
        # -I: not the source folder, whose package has no compiled modules.
        self._process = subprocess.Popen(
            [str(build.python), "-I", script, json.dumps(setup)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        """The answer to one request. Raises RuntimeError where the process has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self._process.args!r} died")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def cold_start(build: Build, photo: str) -> float:
    """Seconds of a whole process that imports the package and names one photo."""
    command = [str(build.python), "-I", "-c", _COLD, photo]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def working_set(build: Build, weights: str) -> int:
    """Bytes beside the weights for one image on one thread, as `sqznet bench` states them."""
    command = [str(build.python), "-I", "-m", "sqznet", "bench", "--json"]
    command += ["--seconds", "0.1", "--threads", "1", "--model", weights]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return int(json.loads(done.stdout)["workspace_bytes"])
