"""Fixtures for all test modules."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

#: Set by scripts/emulate.sh: all is some fifty times slower, and a few tests do less of the same
#: (docs/arm.md lists them).
EMULATED = bool(os.environ.get("SQZNET_EMULATED"))
SHARED_DEFAULT = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos, weights and reference logits; it is not part of a clone."""
    path = Path(os.environ.get("SQZNET_SHARED", SHARED_DEFAULT))
    if not (path / "reference" / "labels.csv").is_file():
        pytest.skip(
            f"the real-data folder {path} is absent (point SQZNET_SHARED at it to run this test)"
        )
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small SqueezeNet 1.1: few channels, 7 classes, 96 x 96 pixels. It is fast, for
    tests of everything else."""
    from sqznet.images.preprocessing import PRESETS
    from sqznet.network.variants import Wiring
    from sqznet.weights import metadata

    from .support import networks

    pixels = PRESETS["torchvision"]._replace(size=(96, 96))
    stated = metadata.dump("squeezenet1_1", pixels, None, Wiring())
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return networks.save(path, networks.tensors("squeezenet1_1", 7), stated)


@pytest.fixture(scope="session")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weights with an input of 128 x 128 pixels: a third of the time, for answers that
    do not need all pixels."""
    from sqznet import weights

    content = Path(weights.BUNDLED_PATH).read_bytes()
    assert content.count(b"[224,224]") == 1  # in the header
    path = tmp_path_factory.mktemp("weights") / "coarse.safetensors"
    path.write_bytes(content.replace(b"[224,224]", b"[128,128]"))
    return path


@pytest.fixture
def draws_text() -> None:
    """Skips if Pillow cannot draw text, as in Debian 12, which runs on 32-bit boards."""
    from sqznet import SqznetError
    from sqznet.insight import painting

    try:
        painting.face("a", 20)
    except SqznetError as error:
        pytest.skip(str(error))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command in this process and gives its `Result`."""
    from .support.commands import Result, exit_code

    return lambda *args: Result(exit_code(*args), *capsys.readouterr())


@pytest.fixture
def classify(small: Path) -> Callable[..., int]:
    """`sqznet classify` with a fast network."""
    from .support import answer_files

    return partial(answer_files.classify, "--model", small)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`table`, `half_table`, `int8_table`: a family's kernels of each instruction set that runs
    here, in turn."""
    for fixture, family in (("table", "f32"), ("half_table", "f16"), ("int8_table", "int8")):
        if fixture in metafunc.fixturenames:
            from sqznet import _kernels

            sets = _kernels.instruction_sets()
            names = [name for name, families, runs, _ in sets if family in families and runs]
            tables = [getattr(_kernels.kernels_named(name), family) for name in names]
            reason = f"no instruction set with the family {family} runs here"
            none = pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")
            metafunc.parametrize(fixture, tables or [none], ids=names or None)
