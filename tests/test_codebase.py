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


def compile_commands(isa: str) -> dict[Path, list[str]]:
    """Sources and the flags that choose the instruction set, as CMakeLists.txt gives them."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    calls = re.findall(rf"^ *sqz_add_isa\({isa}\b([^)]*)\)", text, re.MULTILINE)
    assert calls, f"CMakeLists.txt does not add {isa}"
    flags = [word for call in calls for word in call.split() if word.startswith("-m")]
    if sys.maxsize > 2**32:  # -mfpu chooses NEON on 32-bit ARM, where it is not the baseline
        flags = [word for word in flags if not word.startswith("-mfpu=")]
    left_out = re.findall(
        r'if\(NOT name STREQUAL "(\w+)"\).*\n *target_sources\([^ ]* PRIVATE (\S+)\)', text
    )
    sources = sorted((ROOT / "csrc" / "kernels").glob("*.cpp"))
    return {path: flags for path in sources if (isa, f"csrc/kernels/{path.name}") not in left_out}


def compiled_sets() -> set[str]:
    return {name for name, compiled, _, _ in _kernels.isa_entries() if compiled}


@needs_sources
@pytest.mark.parametrize("isa", sorted(compiled_sets()))
def test_kernels_share_no_code_with_other_instruction_sets(tmp_path: Path, isa: str) -> None:
    """The linker keeps one copy of a shared inline function, which may hold instructions that
    this CPU lacks. Unoptimised objects show every function that could be shared: each weak one
    must be in the set's own namespace, and nothing else may be defined outside it."""
    compiler = next(filter(None, map(shutil.which, [os.environ.get("CXX", "c++"), "g++"])), None)
    if compiler is None or shutil.which("nm") is None or platform.system() != "Linux":
        pytest.skip("needs Linux, a C++ compiler and nm")
    objects = []
    for source, flags in compile_commands(isa).items():
        target = tmp_path / f"{source.stem}.o"
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
    assert any(kind == "T" and name.startswith(f"sqz::{isa}::conv_f32") for kind, name in symbols)
    own = re.compile(rf"(?:[\w:<>*&\s]+ )?(?:guard variable for )?sqz::{isa}::")
    outside = [
        f"{kind} {name}"
        for kind, name in symbols
        if (kind in "WVuwv" or (kind.isupper() and kind != "U")) and not own.match(name)
    ]
    assert outside == []
    undefined = {name for kind, name in symbols if kind == "U" and not own.match(name)}
    assert not {name for name in undefined if "std::" in name or "operator new" in name}
