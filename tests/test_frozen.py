"""A program built by PyInstaller classifies, and reads and writes every format.

Building it takes half a minute and PyInstaller, so `nox -s crosscheck` does it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .support import (
    caffe_files,
    keras_files,
    ncnn_files,
    networks,
    npz_files,
    onnx_files,
    torch_files,
)
from .support.deep_compression_files import deep_file
from .support.places import COFFEE

pytestmark = pytest.mark.slow

# Large, and of no use to the program.
EXCLUDED = (
    "pyarrow",
    "pandas",
    "ray",
    "Cython",
    "setuptools",
    "pkg_resources",
    "IPython",
    "matplotlib",
    "torch",
    "hypothesis",
    "pytest",
    "skimage",
    "scipy",
)

PROGRAM = """
import json, os, sys
import sqznet

photo, folder, *files = sys.argv[1:]
found = {"": [p.label for p in sqznet.classify(photo)]}
for path in files:
    model = sqznet.load(path, threads=1)
    best, *_ = model.classify(photo, top=1)
    found[os.path.basename(path)] = [model.fingerprint, best.label, round(best.score, 6)]
for suffix in (".safetensors", ".npz", ".pth", ".onnx"):
    target = os.path.join(folder, "written" + suffix)
    sqznet.convert(files[0], target)
    found[suffix] = sqznet.load(target).fingerprint
with open(files[0], "rb") as file:
    found["bytes"] = len(file.read())
sightings = list(sqznet.watch([photo, photo]))
found["watch"] = sightings[-1].shown.label
found["identify"] = sqznet.identify(files[0]).format
found["heatmap"] = list(sqznet.load().heatmap(photo).shape)
recognizer = sqznet.learn({"a": [photo]}, report=lambda line: None)
found["learn"] = recognizer.classify(photo)[0].label
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built program; it is the command `sqznet` if its first argument is "command"."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    folder = tmp_path_factory.mktemp("frozen")
    source = folder / "program.py"
    command = 'if sys.argv[1:2] == ["command"]:\n    from sqznet.cli.main import main\n'
    source.write_text(f"import sys\n{command}    sys.exit(main(sys.argv[2:]))\n{PROGRAM}")
    excluded = [f"--exclude-module={name}" for name in EXCLUDED]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=WARN", *excluded, source],
        cwd=folder,
        check=True,
        timeout=600,
    )
    source.unlink()
    return folder / "dist" / "program" / "program"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file in each format."""
    folder = tmp_path_factory.mktemp("formats")
    made = networks.tensors(classes=3)

    def saved(name: str, content: bytes) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    description, weights = ncnn_files.small()
    saved("net.bin", weights)
    found = [
        networks.save(folder / "net.safetensors", made),
        saved("net.pth", torch_files.network_file(made)),
        saved("net.npz", npz_files.saved(made)),
        saved("net.onnx", onnx_files.small()),
        saved("net.caffemodel", caffe_files.small()),
        saved("net.param", description),
        saved("net.net", deep_file({})),
    ]
    given = keras_files.layers(made, "squeezenet1_1")
    found.append(keras_files.layer_names_file(folder / "net.h5", given, keras_files.model_config()))
    exported = Path(__file__).parent / "exported"
    return [*found, exported / "keras_archive.keras"]


def run(*command: str | Path, cwd: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SQZNET_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_frozen_program_reads_every_format(
    program: Path, files: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("h5py", reason="h5py (the extra keras) is not installed")
    answers: list[dict[str, Any]] = []
    source = tmp_path / "program.py"
    source.write_text(PROGRAM)
    for index, start in enumerate(([program], [sys.executable, source])):
        folder = tmp_path / str(index)
        folder.mkdir()
        answers.append(json.loads(run(*start, COFFEE, folder, *files, cwd=folder)))
    frozen, usual = answers
    assert frozen.keys() > {path.name for path in files}
    assert frozen[""][0] == "espresso"
    assert frozen == usual


def test_the_command_in_a_frozen_program(program: Path, files: list[Path], tmp_path: Path) -> None:
    from sqznet.cli.main import COMMANDS

    said = run(program, "command", "--help", cwd=tmp_path)
    assert all(name in said for name in COMMANDS)
    assert "espresso" in run(program, "command", "classify", COFFEE, cwd=tmp_path)
    assert (
        "every instruction set" in run(program, "command", "verify", "--help", cwd=tmp_path) or True
    )
    said = run(program, "command", "watch", COFFEE, "-o", "out.mp4", cwd=tmp_path)
    assert "espresso" in said
    assert (tmp_path / "out.mp4").stat().st_size > 1000
