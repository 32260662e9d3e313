"""HDF5 files that are damaged, hostile or not from Keras are refused, whatever HDF5 does."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet._pyinstaller import folders as pyinstaller
from sqznet.errors import WeightsError
from sqznet.weights.keras import child as keras_child
from sqznet.weights.keras import content as keras_content
from sqznet.weights.keras import reader as keras_reader
from sqznet.weights.reading import open_file

from ..support import keras_files as files
from ..support import networks
from ..support.isolated import run_script
from ..support.keras_files import assert_holds, read_here, refused, refused_here
from ..support.weights_refusal import assert_refused

h5py: Any = pytest.importorskip("h5py", reason="h5py (the extra keras) reads these files")

BASE = "squeezenet1_1"


def edited(path: Path, change: Callable[[Any], object]) -> Path:
    files.layer_names_file(path, files.layers(networks.tensors(), BASE))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def dense(file: Any) -> None:
    del file["conv10/conv10/kernel:0"]
    file["conv10/conv10/kernel:0"] = np.zeros((19, 7), np.float32)


def compressed(file: Any) -> None:
    del file["conv1/conv1/kernel:0"]
    values = np.zeros((3, 3, 3, 6), np.float32)
    file["conv1/conv1"].create_dataset("kernel:0", data=values, compression="gzip")


def huge(file: Any) -> None:
    del file["conv1/conv1/kernel:0"]
    file["conv1/conv1"].create_dataset("kernel:0", (3, 3, 1 << 40, 6), np.float32)


def unwritten(file: Any) -> None:
    del file["conv1/conv1/kernel:0"]
    file["conv1/conv1"].create_dataset("kernel:0", (3, 3, 3, 6), np.float32)


def external(file: Any) -> None:
    del file["conv1/conv1/bias:0"]
    place = [("/etc/passwd", 0, 24)]
    file["conv1/conv1"].create_dataset("bias:0", (6,), np.float32, external=place)


def linked(file: Any) -> None:
    del file["conv1/conv1/bias:0"]
    file["conv1/conv1/bias:0"] = h5py.ExternalLink("other.h5", "/bias")


def stem_of_five(file: Any) -> None:
    del file["conv1/conv1/kernel:0"]
    file["conv1/conv1/kernel:0"] = np.zeros((5, 5, 3, 6), np.float32)


def crowd(file: Any) -> None:
    for i in range(300):
        file["conv1"].create_group(str(i))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (dense, "'conv10' has tensors of shapes"),
        (compressed, "is compressed, expected plain numbers"),
        (huge, "more than the file"),
        (unwritten, "no data for it"),
        (external, "are in another file"),
        (linked, "'conv1' lacks its tensor 'conv1/bias:0'"),
        (stem_of_five, "a kernel of 5 x 5, expected 3 x 3"),
        (crowd, "too many objects"),
        (lambda file: file.clear(), "'input_1' lacks its group of weights"),
        (lambda file: file["conv1"].attrs.clear(), "'conv1' lacks its group of weights"),
        (lambda file: file.attrs.clear(), "without the layers of a Keras model"),
        (lambda file: file.attrs.__setitem__("layer_names", 3), "'3' lacks its group"),
        (lambda file: file.__delitem__("fire4"), "'fire4/squeeze1x1' lacks"),
    ],
)
def test_unusual_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Any], object],
    match: str,
) -> None:
    monkeypatch.setattr(keras_child, "_MAX_OBJECTS", 300)
    refused_here(edited(tmp_path / "a.h5", change), match)


def test_a_file_that_contains_itself(tmp_path: Path) -> None:
    def loop(file: Any) -> None:
        file["conv1/again"] = file["/"]

    assert_holds(read_here(edited(tmp_path / "a.h5", loop)), networks.tensors())


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edited(tmp_path / "a.h5", lambda file: None)
    monkeypatch.setattr(keras_content, "find_spec", lambda name: None)
    refused(path, r"Keras file \(HDF5\).*pip install h5py$")


def test_without_a_python_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edited(tmp_path / "a.h5", lambda file: None)
    for name in ("prefix", "exec_prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    for executable in ("", "/usr/bin/uwsgi"):
        monkeypatch.setattr(sys, "executable", executable)
        message = refused(path, "this program has none: sys.executable is")
        assert "The file itself may be sound" in message
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-absent"))
    message = refused(path, "did not start as one .No such file")
    assert "damaged" not in message


def test_where_python_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sys.executable is the server; the installation's own interpreter is found."""
    path = edited(tmp_path / "a.h5", lambda file: None)
    for executable in ("/usr/bin/uwsgi", "/usr/sbin/apache2", ""):
        monkeypatch.setattr(sys, "executable", executable)
        assert_holds(keras_reader.read(open_file(path)), networks.tensors())


def test_a_frozen_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edited(tmp_path / "a.h5", lambda file: None)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-like program"))
    for name in ("prefix", "exec_prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    refused(path, "this program has none")


# Does what PyInstaller does with the hook in a program that it built.
_FROZEN = """
import runpy, sys
sys.argv[0] = sys.executable
runpy.run_path(HOOK)
raise SystemExit("the program itself began")
"""


def test_a_program_built_by_pyinstaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts itself; the hook recognizes that."""
    hook = Path(pyinstaller.get_hook_dirs()[0]) / "rthooks" / "pyi_rth_sqznet.py"
    monkeypatch.setattr(sys, "sqznet_child", None, raising=False)
    runpy.run_path(str(hook))
    program, argument = vars(sys)["sqznet_child"]
    assert program == sys.executable
    code = _FROZEN.replace("HOOK", repr(str(hook)))
    monkeypatch.setattr(sys, "sqznet_child", (program, "-I", "-c", code, argument))
    path = edited(tmp_path / "a.h5", lambda file: None)
    assert_holds(keras_reader.read(open_file(path)), networks.tensors())
    monkeypatch.setattr(sys, "sqznet_child", (program, "-I", "-c", code, "--something-else"))
    refused(path, "did not start as one .it ended with status 1")
    monkeypatch.setattr(keras_content, "find_spec", lambda name: None)
    refused(path, "build the program where it is installed: pip install")


def replace_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    (tmp_path / "child.py").write_text(script)
    monkeypatch.setattr(keras_content, "_SCRIPT", str(tmp_path / "child.py"))
    return edited(tmp_path / "a.h5", lambda file: None)


WRITE = "import os; os.write(1, {!r});"
READY = WRITE.format(keras_child.STARTED + keras_child.READY)


@pytest.mark.parametrize(
    "script",
    [
        "os.abort()",
        "os.write(1, bytes(1 << 24))",
        "print('x')",
        "os.write(1, (2).to_bytes(8, 'little') + b'{}')",
        "os.write(1, (99).to_bytes(8, 'little') + b'[1]')",
    ],
)
def test_a_child_that_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    path = replace_child(tmp_path, monkeypatch, READY + script)
    refused(path, "damaged|JSON|content")


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("", "did not start as one .it ended with status 0"),
        ("import os; os.abort()", "did not start as one .it ended with status -6"),
        ("print('usage: uwsgi')", "did not start as one"),
        (WRITE.format(keras_child.STARTED), "h5py of this installation does not start"),
        (WRITE.format(keras_child.STARTED + b"ImportError: \x1b[1mABI"), r"ImportError: \\x1b"),
    ],
)
def test_faults_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, match: str
) -> None:
    path = replace_child(tmp_path, monkeypatch, script)
    message = refused(path, match)
    assert "damaged" not in message
    assert "The file itself may be sound" in message or "the file itself may be sound" in message


def test_a_child_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = replace_child(tmp_path, monkeypatch, READY + "import time; time.sleep(60)")
    monkeypatch.setattr(keras_content, "_SECONDS", 0.5)
    refused(path, "failed to read it")


def test_a_child_stops_itself() -> None:
    """The limits end a loop in about a second, and a huge allocation at once."""
    run_script(
        """
        import os, signal, sys, time
        from sqznet.weights.keras import child as keras_child
        if os.fork() == 0:
            keras_child.limit_resources(0)
            try:
                bytearray(8 << 30)
            except MemoryError:
                while True:
                    pass
            os._exit(0)
        started = time.monotonic()
        status = os.wait()[1]
        assert os.WTERMSIG(status) == signal.SIGPROF, status
        """
    )


def answer(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "header",
    [
        3,
        {"tensors": []},
        {"attributes": {}, "tensors": 3},
        {"attributes": {"": 3}, "tensors": []},
        {"attributes": {"": {"layer_names": [3]}}, "tensors": []},
        {"attributes": {}, "tensors": [["a", "float32", 3]]},
        {"attributes": {}, "tensors": [["a", "float32", [-3]]]},
        {"attributes": {}, "tensors": [["a", "float32", [3]]]},
        {"attributes": {}, "tensors": [["a", "float32", [1 << 70]]]},
        {"attributes": {}, "tensors": [["a", "float32", [1] * 9]]},
        {"error": "it is wrong"},
    ],
)
def test_answers_that_are_wrong(header: object) -> None:
    with pytest.raises(WeightsError):
        keras_content.parse_answer(answer(header, bytes(8)))


# --- Damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4, 8, 97, 3000])
def test_truncated_files(tmp_path: Path, length: int) -> None:
    content = edited(tmp_path / "a.h5", lambda file: None).read_bytes()[:length]
    assert_refused(tmp_path, content, "HDF5|damaged")


def test_the_child_imports_nothing_of_sqznet() -> None:
    text = Path(keras_child.__file__).read_text(encoding="utf-8")
    assert "import sqznet" not in text
    assert "from sqznet" not in text
