"""Any damage to a Keras file gives WeightsError or a network, or crashes only its reader."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import keras_files as files
from ..support import networks
from .damage import Edit, damaged, edits
from .harness import every_length, fuzz

pytest.importorskip("h5py", reason="h5py (the extra keras) reads these files")

BASE = "squeezenet1_1"


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    """Runs `keras_worker` in an empty folder; the repository has the sources in `sqznet`."""
    command = [sys.executable, str(Path(__file__).with_name("keras_worker.py"))]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        ) as process,
    ):
        yield process


def seed(path: Path, layout: str, version: str) -> bytes:
    given = files.layers(networks.tensors(classes=3), BASE)
    if layout == "vars":
        files.vars_file(path, files.automatic(given), libver=version)
    else:
        files.layer_names_file(path, given, files.model_config(), libver=version)
    return path.read_bytes()


@every_length
@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("layout", ["layer-names", "vars"])
def test_keras(
    tmp_path: Path, worker: subprocess.Popen[str], layout: str, version: str, examples: int
) -> None:
    path = tmp_path / "net.h5"
    content = seed(path, layout, version)

    def read(changes: list[Edit]) -> int:
        path.write_bytes(damaged(content, changes))
        assert worker.stdin is not None
        assert worker.stdout is not None
        print(path, file=worker.stdin, flush=True)
        status = int(worker.stdout.readline())
        # A Python error would be a fault of the reader; only the library may crash.
        assert status in (0, 1) or status < 0
        return status

    assert read([]) == 0
    outcomes = set()
    fuzz(lambda changes: outcomes.add(read(changes)), edits(content), examples)
    assert 1 in outcomes
