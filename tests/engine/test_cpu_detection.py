"""No instruction set is used that the CPU lacks or whose registers the system does not save."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sqznet
from sqznet import _kernels

from ..conftest import EMULATED
from ..support.isolated import run_script

# Bits of cpuid's words, as in Intel's manual (volume 2A, CPUID).
FMA, OSXSAVE, AVX, F16C = 1 << 12, 1 << 27, 1 << 28, 1 << 29  # leaf 1, ecx
AVX2, F, DQ, BW, VL = 1 << 5, 1 << 16, 1 << 17, 1 << 30, 1 << 31  # leaf 7, ebx
VNNI = 1 << 11  # leaf 7, ecx
AVX_VNNI = 1 << 4  # leaf 7.1, eax
# Bits of XCR0: which registers the system saves (volume 1, 13.1).
X87, SSE, YMM, MASKS, UPPER_HALVES, UPPER_16 = 1, 1 << 1, 1 << 2, 1 << 5, 1 << 6, 1 << 7
EVERY_STATE = X87 | SSE | YMM | MASKS | UPPER_HALVES | UPPER_16

ICE_LAKE = {
    "leaf1_ecx": FMA | OSXSAVE | AVX | F16C,
    "leaf7_ebx": AVX2 | F | DQ | BW | VL,
    "leaf7_ecx": VNNI,
    "leaf7_1_eax": 0,
    "saved": EVERY_STATE,
}
ALL_OF_ICE_LAKE = {"avx2", "fma", "f16c", "avx512", "avx512_vnni"}


def features(**changes: int) -> set[str]:
    return {name for name, on in _kernels.x86_features(**{**ICE_LAKE, **changes}) if on}


def test_all_features() -> None:
    assert features() == ALL_OF_ICE_LAKE
    assert features(leaf7_1_eax=AVX_VNNI) == ALL_OF_ICE_LAKE | {"avx_vnni"}


@pytest.mark.parametrize("part", [F, DQ, BW, VL])
def test_avx512_lacks_a_part(part: int) -> None:
    left = features(leaf7_ebx=ICE_LAKE["leaf7_ebx"] & ~part)
    assert left == {"avx2", "fma", "f16c"}


@pytest.mark.parametrize("state", [MASKS, UPPER_HALVES, UPPER_16])
def test_the_system_drops_registers_of_avx512(state: int) -> None:
    assert features(saved=EVERY_STATE & ~state) == {"avx2", "fma", "f16c"}


@pytest.mark.parametrize("state", [SSE, YMM])
def test_the_system_drops_registers_of_avx(state: int) -> None:
    assert features(saved=EVERY_STATE & ~state) == set()


def test_the_system_saves_nothing() -> None:
    assert features(leaf1_ecx=ICE_LAKE["leaf1_ecx"] & ~OSXSAVE) == set()
    assert features(saved=0) == set()


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"leaf1_ecx": OSXSAVE | FMA | F16C}, ALL_OF_ICE_LAKE),  # no AVX
        ({"leaf1_ecx": OSXSAVE | AVX | F16C}, {"fma"}),
        ({"leaf1_ecx": OSXSAVE | AVX | FMA}, {"f16c"}),
        ({"leaf7_ebx": F | DQ | BW | VL}, {"avx2"}),
        ({"leaf7_ecx": 0}, {"avx512_vnni"}),
    ],
)
def test_one_feature_less(changes: dict[str, int], lost: set[str]) -> None:
    assert features(**changes) == ALL_OF_ICE_LAKE - lost


# --- Whole processors, emulated -------------------------------------------------------------------

PROGRAM = """
import sqznet, sys
from sqznet import _kernels
from sqznet.engine import cpu
print(cpu.info()["isa"], len(sqznet.classify(sys.argv[1])))
for name, families, runs, needs in _kernels.instruction_sets():
    if families and not runs:
        try:
            sqznet.load(isa=name)
        except sqznet.UnsupportedIsaError as error:
            print(error)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates x86 with this very Python")
@pytest.mark.parametrize(("processor", "best"), [("Haswell", "avx2"), ("Nehalem", "scalar")])
def test_a_processor_without_it(tmp_path: Path, processor: str, best: str) -> None:
    """The best remaining set is chosen and runs; asking for a missing one is an error, no crash."""
    emulator = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if emulator is None:
        pytest.skip("needs qemu's user emulation of x86-64")
    photo = tmp_path / "photo.png"
    Image.radial_gradient("L").save(photo)
    # -I: keeps the source folder, which has no compiled modules, from being found first.
    command = [emulator, "-cpu", processor, sys.executable, "-I", "-c", PROGRAM, str(photo)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    compiled = [name for name, families, _, _ in _kernels.instruction_sets() if families]
    missing = compiled[: compiled.index(best)]
    chosen, *errors = result.stdout.splitlines()[-1 - len(missing) :]
    assert chosen == f"{best} 5"
    for name, error in zip(missing, errors, strict=True):
        assert f"'{name}' cannot run on this CPU" in error


# --- This processor -------------------------------------------------------------------------------


def test_every_set_that_cannot_run_here_is_refused() -> None:
    """Sets of other processors too: all are known, and the error gives the reason."""
    entries = _kernels.instruction_sets()
    x86 = {"avx512_vnni", "avx512", "avx_vnni", "avx2"}
    arm = {"neon_i8mm", "neon_dotprod", "neon_fp16", "neon"}
    assert {name for name, *_ in entries} == x86 | arm | {"scalar"}
    for name, families, runs, _ in entries:
        if not (families and runs):
            reason = "cannot run on this CPU" if families else "not compiled into this build"
            with pytest.raises(sqznet.UnsupportedIsaError, match=f"'{name}'.*{reason}"):
                sqznet.load(isa=name)


@pytest.mark.skipif(
    not EMULATED or sys.maxsize > 2**32, reason="emulates a 32-bit ARM processor without VFPv4"
)
def test_a_board_without_vfpv4() -> None:
    """With QEMU_CPU, the interpreter runs on another emulated processor."""
    run_script(
        """
        import sqznet
        from sqznet.engine import cpu
        assert cpu.info()["available"] == ["scalar"]
        picture = memoryview(bytes(range(256)) * 147).cast("B", (112, 112, 3))
        assert len(sqznet.classify(sqznet.Frame.wrap(picture))) == 5
        try:
            sqznet.load(isa="neon")
        except sqznet.UnsupportedIsaError as error:
            assert "cannot run on this CPU" in str(error)
        else:
            raise AssertionError("ran without NEON")
        """,
        QEMU_CPU="cortex-a9",
    )


@pytest.mark.skipif(
    not EMULATED or sys.maxsize < 2**32, reason="emulates 64-bit ARM processors of another kind"
)
@pytest.mark.parametrize(
    ("core", "half"), [("cortex-a53", False), ("cortex-a72", False), ("cortex-a76", True)]
)
def test_half_precision_is_for_cores_that_compute_with_it(core: str, half: bool) -> None:
    run_script(
        f"""
        import sqznet
        from sqznet import _kernels
        names = [name for name, families, runs, _ in _kernels.instruction_sets() if runs]
        assert ("neon_fp16" in names) is {half}
        assert (_kernels.best_kernels().f16 is not None) is {half}
        precision = sqznet.load(precision="auto").precision
        assert precision == ("float16" if {half} else "float32"), precision
        """,
        QEMU_CPU=core,
    )
