"""Threads with small stacks: a program may give them 64 KiB, and musl gives 128 KiB by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqznet import _kernels

from ..conftest import EMULATED
from ..support.isolated import run_script, sanitizer
from ..support.places import COFFEE, ROOT

SETS = [
    (name, precision)
    for name, families, runs, _ in _kernels.instruction_sets()
    for family, precision in (("f32", "float32"), ("f16", "float16"), ("int8", "int8"))
    if family in families and runs
]


@pytest.mark.skipif(EMULATED, reason="the emulator has frames of its own")
@pytest.mark.parametrize(("isa", "precision"), SETS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_stack_of_64_kib_is_enough(isa: str, precision: str, threads: int) -> None:
    """Decoding, heat maps and the imports of a first call included."""
    if sanitizer():
        pytest.skip("sanitizers enlarge frames")
    found = run_script(
        """
        import sys, threading
        import sqznet
        found = []

        def work():
            model = sqznet.load(threads=int(sys.argv[2]), isa=sys.argv[1], precision=sys.argv[4])
            found.append(model.classify(sys.argv[3])[0].label)
            with open(sys.argv[3], "rb") as file:
                found.append(model.classify([file.read()] * 2, fast_decode=True)[1][0].label)
            found.append(model.heatmap(sys.argv[3]).shape)

        threading.stack_size(64 << 10)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(*found)
        """,
        isa,
        str(threads),
        str(COFFEE),
        precision,
    )
    assert found == "espresso espresso (400, 600)\n"


@pytest.mark.skipif(not (ROOT / "CMakeLists.txt").is_file(), reason="needs the sources")
def test_the_compiler_warns_of_large_frames() -> None:
    """And `nox -s build` makes an error of the warning."""
    assert "-Wframe-larger-than=32767" in Path(ROOT / "CMakeLists.txt").read_text("utf-8")
