"""The wheels from scripts/cross.sh: their symbols and instructions must exist on the boards."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from .support.places import ROOT

TRIPLETS = {"aarch64": "aarch64-linux-gnu", "armv7l": "arm-linux-gnueabihf"}

# The newest GLIBCXX of each manylinux tag that Debian's compilers can satisfy (see PEP 600).
NEWEST_GLIBCXX = {(2, 31): (3, 4, 28), (2, 34): (3, 4, 29), (2, 35): (3, 4, 30)}

# Mnemonics of AArch64 beyond ARMv8.0: atomics of 8.1, dot products and matrices of integers,
# half precision and bfloat16 arithmetic; and registers of SVE.
BEYOND_BASELINE = re.compile(
    r"\t(cas|swp|ld(add|clr|set|eor|[su]max)|(su|us|[su])dot|us?mmla|smmla|bf(dot|cvt|ml|mm))[a-z0-9]*\s"
    r"|\tf(add|mul|mla|mls|sub|div)\s+v\d+\.[48]h"
    r"|\t\w+\s+z\d+"
)


@pytest.fixture(params=TRIPLETS)
def arch(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not (ROOT / "build" / "cross" / name / "repaired").is_dir():
        pytest.skip(f"no wheel for {name}: scripts/cross.sh {name} builds it")
    if shutil.which(f"{TRIPLETS[name]}-objdump") is None:
        pytest.skip(f"needs {TRIPLETS[name]}-objdump")
    return name


def read(arch: str, tool: str, *arguments: str | Path) -> str:
    command = [f"{TRIPLETS[arch]}-{tool}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def modules(arch: str, folder: Path) -> list[Path]:
    """The extension modules of the wheel, unpacked."""
    (wheel,) = (ROOT / "build" / "cross" / arch / "repaired").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
        return [Path(archive.extract(name, folder)) for name in names]


def test_names(arch: str, tmp_path: Path) -> None:
    (wheel,) = (ROOT / "build" / "cross" / arch / "repaired").glob("*.whl")
    assert re.fullmatch(rf"sqznet-[\d.]+-(cp\d+)-\1-manylinux_\d+_\d+_{arch}\.whl", wheel.name)
    suffixes = {path.name.partition(".")[2] for path in modules(arch, tmp_path)}
    assert suffixes == {f"cpython-311-{TRIPLETS[arch]}.so"}


def test_symbols_are_as_old_as_the_tag_says(arch: str, tmp_path: Path) -> None:
    (wheel,) = (ROOT / "build" / "cross" / arch / "repaired").glob("*.whl")
    tag = re.search(r"manylinux_(\d+)_(\d+)", wheel.name)
    assert tag
    glibc = (int(tag[1]), int(tag[2]))
    for module in modules(arch, tmp_path):
        found = re.findall(r"\b(GLIBC|GLIBCXX)_([\d.]+)", read(arch, "objdump", "-T", module))
        versions = {(name, tuple(map(int, text.split(".")))) for name, text in found}
        assert any(name == "GLIBC" for name, _ in versions)
        limits = {"GLIBC": glibc, "GLIBCXX": NEWEST_GLIBCXX[glibc]}
        assert {(name, version) for name, version in versions if version > limits[name]} == set()


@pytest.fixture(params=["armv6l"])
def armv6(request: pytest.FixtureRequest) -> str:
    """As `arch`, for the package that is built for ARMv6 but is no wheel for others."""
    if not (ROOT / "build" / "cross" / request.param / "repaired").is_dir():
        pytest.skip("no package for armv6l: scripts/cross.sh armv6l builds it")
    return str(request.param)


def test_code_for_armv6_is_of_armv6(armv6: str) -> None:
    """NEON kernels are for later boards with the same system, and chosen at run time."""
    command = ["arm-linux-gnueabi-readelf", "-A", *map(str, objects(armv6))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"Tag_CPU_arch: (\S+)", said)) == {"v6"}


def test_core_compiles_as_on_raspberry_pi_os(armv6: str, tmp_path: Path) -> None:
    """The same sources as its compiler takes them: they need no libatomic, and assemble."""
    compiler = "arm-linux-gnueabihf-g++"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    generated = ROOT / "build" / "cross" / armv6 / "objects" / "include"
    flags = ["-std=c++17", "-O1", "-fPIC", "-Werror", "-marm", "-march=armv6", "-mfpu=vfp"]
    flags += ["-mfloat-abi=hard"]
    includes = [f"-I{path}" for path in (ROOT / "csrc", ROOT / "csrc" / "include", generated)]
    sources = sorted((ROOT / "csrc" / "core").glob("*.cpp"))
    assert len(sources) > 5
    subprocess.run([compiler, *flags, *includes, "-c", *sources], cwd=tmp_path, check=True)
    command = ["arm-linux-gnueabihf-nm", "-u", *tmp_path.glob("*.o")]
    undefined = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "__aeabi" in undefined
    assert "__atomic" not in undefined


def objects(arch: str) -> list[Path]:
    found = sorted((ROOT / "build" / "cross" / arch / "objects").rglob("*.o"))
    assert len(found) > 20
    return found


def test_code_of_aarch64_is_baseline(arch: str) -> None:
    """Only our own code: the compiler's library chooses the kind of atomics at run time. Kernels
    that run only where the processor has more may use it, and do."""
    if arch != "aarch64":
        pytest.skip("another rule for 32 bits")
    chosen = {
        path: next(
            (isa for isa in ("dotprod", "i8mm", "fp16") if f"sqz_neon_{isa}.dir" in str(path)), ""
        )
        for path in objects(arch)
    }
    for isa, beyond in {
        "": set(),
        "dotprod": {"sdot", "udot"},
        "i8mm": {"sudot", "usmmla"},
        "fp16": {"fadd", "fmla", "fmls", "fmul", "fsub"},
    }.items():
        paths = [path for path in chosen if chosen[path] == isa]
        code = read(arch, "objdump", "-d", "--no-show-raw-insn", *paths)
        assert "\tfmul\tv" in code
        assert {m[0].split()[0] for m in BEYOND_BASELINE.finditer(code)} == beyond


def test_only_kernels_of_armv7_may_use_neon(arch: str) -> None:
    """Every object file states the instruction sets of its compilation."""
    if arch != "armv7l":
        pytest.skip("another rule for 64 bits")
    attribute = "Tag_Advanced_SIMD_arch"
    with_neon = {p for p in objects(arch) if attribute in read(arch, "readelf", "-A", p)}
    kernels = {p for p in objects(arch) if "sqz_neon.dir" in p.parts}
    assert len(kernels) > 5
    assert with_neon == kernels
