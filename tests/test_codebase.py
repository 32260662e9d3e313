"""Rules of the repository and of the installed package, as tests."""

from __future__ import annotations

import ast
import importlib.metadata
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

from .support.isolated import run_script
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


# --- Imports ---------------------------------------------------------------------------------


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def at_module_level(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run when the module is imported: not in functions, not for types alone."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.dump(node.test):
                yield from at_module_level(node.body)
            yield from at_module_level(node.orelse)
        elif isinstance(node, ast.Try):
            for part in (node.body, node.orelse, node.finalbody):
                yield from at_module_level(part)
        elif isinstance(node, ast.With | ast.ClassDef):
            yield from at_module_level(node.body)


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """Full names of what a module imports; a submodule where `from` names one."""
    found = set()
    package = module_name(path) if path.name == "__init__.py" else module_name(path.parent / "x")
    if path.name != "__init__.py":
        package = package.rpartition(".")[0]
    for node in at_module_level(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        for alias in node.names:
            full = f"{base}.{alias.name}"
            found.add(full if full in known else base)
    return found


def import_graph() -> dict[str, set[str]]:
    paths = {module_name(path): path for path in PACKAGE.rglob("*.py")}
    compiled = {module_name(path) for path in PACKAGE.rglob("*.pyi")}
    return {name: imported_modules(path, paths.keys() | compiled) for name, path in paths.items()}


@needs_sources
def test_no_module_imports_itself_through_others() -> None:
    modules = import_graph()
    graph = {name: found & modules.keys() for name, found in modules.items()}
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in finished:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            finished.add(name)

    for name in graph:
        visit(name, ())
    assert graph["sqznet.model"] >= {
        "sqznet.engine.classification",
        "sqznet.answers",
    }  # edges are seen


@needs_sources
def test_heavy_modules_are_imported_where_they_are_used() -> None:
    heavy = {"numpy", "PIL", "urllib", "asyncio"}
    found = {
        name: {m.split(".")[0] for m in imported} & heavy
        for name, imported in import_graph().items()
    }
    # No module imports these but their own kind, only functions do.
    numeric = {
        "sqznet.network.reference",
        "sqznet.insight.heatmap",
        "sqznet.diagnostics.verification",
    }
    numeric |= {name for name in found if name.startswith("sqznet.learning.")} - {
        "sqznet.learning.folder"
    }
    for name, modules in import_graph().items():
        assert name in numeric or not modules & numeric, name
    assert all(found.pop(name) <= {"numpy"} for name in numeric)
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_classifying_a_file_imports_no_numpy(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    run_script(
        """
        import sys
        import sqznet
        assert "PIL" not in sys.modules
        assert len(sqznet.classify(sys.argv[1])) == 5
        assert len(sqznet.load(threads=1).classify([sys.argv[1]] * 2)) == 2
        heavy = {"numpy", "torch", "asyncio", "urllib.request"} & set(sys.modules)
        assert not heavy, heavy
        """,
        str(path),
    )


def test_classifying_a_file_imports_nothing_slow(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").convert("RGB").save(path)
    run_script(
        """
        import sys
        import argparse, PIL.JpegImagePlugin
        theirs = set(sys.modules)  # what some releases of Python and Pillow import themselves
        import sqznet
        from sqznet import cli
        assert len(sqznet.classify(sys.argv[1])) == 5
        assert cli.main(["classify", sys.argv[1], "-o", "out.csv"]) == 0
        slow = {"dataclasses", "inspect", "shutil", "tempfile"} & (set(sys.modules) - theirs)
        assert not slow, slow
        """,
        str(path),
    )


# --- The installed package -------------------------------------------------------------------


def test_the_wheel_is_complete() -> None:
    files = importlib.metadata.files("sqznet")
    assert files is not None
    names = {str(path) for path in files}
    wanted = {
        "sqznet/py.typed",
        "sqznet/_kernels.pyi",
        "sqznet/_pixels.pyi",
        "sqznet/data/squeezenet1_1.safetensors",
        "sqznet/data/imagenet_classes.txt",
        "sqznet/weights/__init__.py",
    }
    assert wanted - names == set()
    for module in ("_kernels", "_pixels"):
        assert any(re.match(rf"sqznet/{module}\..*(so|pyd)$", name) for name in names)
    for text in ("LICENSE", "NOTICE"):
        assert any(name.endswith(text) for name in names), text
    # Sources, tests and build products stay out.
    strays = [
        name
        for name in names
        if re.search(r"\.(cpp|h|pyx|o|a|orig)$|(^|/)(tests|benchmarks|csrc|tools)/", name)
    ]
    assert strays == []


def test_the_version_is_stated_once() -> None:
    import sqznet

    assert importlib.metadata.version("sqznet") == sqznet.__version__


def test_public_names() -> None:
    import sqznet

    assert set(sqznet.__all__) >= {"classify", "load", "Model", "Prediction", "SqznetError"}
    for name in sqznet.__all__:
        assert getattr(sqznet, name).__doc__, name
    with pytest.raises(AttributeError):
        sqznet.no_such_name  # noqa: B018


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
