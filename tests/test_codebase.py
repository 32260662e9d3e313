"""Rules of the sources, as tests: short files, and kernels that share no code."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqznet import _kernels

from .support.places import ROOT

PACKAGE = ROOT / "sqznet"
MAX_LINES = 400
SUFFIXES = {".py", ".pyi", ".pyx", ".cpp", ".h", ".cmake"}

needs_sources = pytest.mark.skipif(
    not (PACKAGE / "__init__.py").is_file(), reason="the tests are not beside the sources"
)


def source_files() -> Iterator[Path]:
    for folder in ("benchmarks", "csrc", "sqznet", "tests", "tools"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                yield path


@needs_sources
def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files()
    }
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}
    assert len(lengths) > 30  # the rule looked at something


# --- Kernels ---------------------------------------------------------------------------------


KERNELS = ROOT / "csrc" / "kernels"


def cmake_words(function: str) -> list[list[str]]:
    """The arguments of every call of a function in CMakeLists.txt."""
    text = re.sub(r"#.*", "", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))
    return [call.split() for call in re.findall(rf"\b{function}\(([^)]*)\)", text)]


def cmake_lists() -> dict[str, list[str]]:
    """The words of every variable of CMakeLists.txt, as it is set last."""
    return {words[0]: words[1:] for words in cmake_words("set") if words}


def kernel_sources() -> dict[str, list[Path]]:
    """The files of each family."""
    families = {
        name.removesuffix("_sources"): files
        for name, files in cmake_lists().items()
        if name.endswith("_sources")
    }
    return {family: [ROOT / file for file in files] for family, files in families.items()}


def compiled(isa: str) -> tuple[list[Path], list[str]]:
    """Sources and the flags that choose the instruction set, as CMakeLists.txt gives them."""
    calls = [words for words in cmake_words("sqz_add_isa") if words[0] == isa]
    assert calls, f"CMakeLists.txt does not add {isa}"
    words = [word for call in calls for word in call]
    for name, held in cmake_lists().items():
        words += held if f"${{{name}}}" in words else []
    flags = [word for word in words if word.startswith("-m")]
    if sys.maxsize > 2**32:  # -mfpu chooses NEON on 32-bit ARM, where it is not the baseline
        flags = [word for word in flags if not word.startswith("-mfpu=")]
    families = {name: own for name, own, _, _ in _kernels.instruction_sets()}[isa]
    sources = [path for family in families for path in kernel_sources()[family]]
    if isa == "neon" and sys.maxsize > 2**32:
        sources = [own_of_aarch64(path) for path in sources]
    return sources, flags


def own_of_aarch64(path: Path) -> Path:
    own = path.parent / "aarch64" / path.name
    return own if own.is_file() else path


def kernel_names(family: str) -> list[str]:
    text = (ROOT / "csrc" / "include" / "sqz" / f"{family}.def").read_text(encoding="utf-8")
    return re.findall(r"^SQZ_KERNEL\([^,]+, (\w+),", text, re.MULTILINE)


def compiled_sets() -> set[str]:
    return {name for name, families, _, _ in _kernels.instruction_sets() if families}


@needs_sources
def test_every_kernel_is_used() -> None:
    files = [*(ROOT / "csrc" / "core").iterdir(), *(ROOT / "csrc" / "bindings").iterdir()]
    core = "".join(path.read_text(encoding="utf-8") for path in files)
    names = [name for family in kernel_sources() for name in kernel_names(family)]
    assert "resize_rows_u8" in names  # the lists are read
    assert [name for name in names if not re.search(rf"\.{name}\b", core)] == []


@needs_sources
def test_every_kernel_file_belongs_to_a_family() -> None:
    listed = {path for paths in kernel_sources().values() for path in paths}
    listed |= {own_of_aarch64(path) for path in listed}
    assert listed == set(KERNELS.rglob("*.cpp"))
    for family, paths in kernel_sources().items():
        assert {path.parent for path in paths} == {KERNELS / family}


@needs_sources
@pytest.mark.parametrize("isa", sorted(compiled_sets()))
def test_kernels_share_no_code_with_other_instruction_sets(tmp_path: Path, isa: str) -> None:
    """The linker keeps one copy of a shared inline function, which may hold instructions that
    this CPU lacks. Unoptimised objects show every function that could be shared: each weak one
    must be in the set's own namespace, and nothing else may be defined outside it."""
    compiler = next(filter(None, map(shutil.which, [os.environ.get("CXX", "c++"), "g++"])), None)
    if compiler is None or shutil.which("nm") is None or platform.system() != "Linux":
        pytest.skip("needs Linux, a C++ compiler and nm")
    objects: list[Path] = []
    sources, flags = compiled(isa)
    for source in sources:
        target = tmp_path / f"{len(objects)}.o"
        command = [compiler, "-std=c++17", "-O0", "-g0", "-fPIC", "-fno-exceptions", "-fno-rtti"]
        command += [f"-DSQZ_ISA={isa}", f"-DSQZ_ISA_{isa.upper()}", *flags]
        command += ["-I", str(ROOT / "csrc"), "-I", str(ROOT / "csrc" / "include")]
        command += ["-c", str(source), "-o", str(target)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        objects.append(target)
    listing = subprocess.run(
        ["nm", "-C", *map(str, objects)], capture_output=True, text=True, check=True
    ).stdout
    symbols = re.findall(r"^(?:[0-9a-f]+)? +(\w) (.+)$", listing, re.MULTILINE)
    families = {name: own for name, own, _, _ in _kernels.instruction_sets()}[isa]
    defined = {name.partition("(")[0] for kind, name in symbols if kind == "T"}
    for family in families:
        assert {f"sqz::{isa}::{name}" for name in kernel_names(family)} <= defined
    own = re.compile(rf"(?:[\w:<>*&\s]+ )?(?:guard variable for )?sqz::{isa}::")
    outside = [
        f"{kind} {name}"
        for kind, name in symbols
        if (kind in "WVuwv" or (kind.isupper() and kind != "U")) and not own.match(name)
    ]
    assert outside == []
    undefined = {name for kind, name in symbols if kind == "U" and not own.match(name)}
    assert not {name for name in undefined if "std::" in name or "operator new" in name}
