"""The stubs say what the compiled modules hold: names, methods and parameters, no more, no less.

mypy's stubtest does not know pybind11's types and parameters, which stand in docstrings only.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sqznet import _kernels, _pixels

both = pytest.mark.parametrize("module", [_kernels, _pixels], ids=["kernels", "pixels"])

Function = ast.FunctionDef | ast.AsyncFunctionDef


def stub_of(module: ModuleType) -> ast.Module:
    path = Path(str(module.__file__))
    return ast.parse(path.with_name(f"{path.name.partition('.')[0]}.pyi").read_text("utf-8"))


def stated_names(body: list[ast.stmt]) -> set[str]:
    """The public names that a module's or a class's body states; properties are functions, too."""
    found = set()
    for node in body:
        if isinstance(node, ast.ClassDef | Function):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def public_names(owner: Any) -> set[str]:
    return {name for name in vars(owner) if not name.startswith("_")}


def functions(module: ModuleType) -> Iterator[tuple[str, Function, Any]]:
    """Every function and method of the stub but properties, with what it is at run time."""
    for node in stub_of(module).body:
        if isinstance(node, ast.ClassDef):
            owner = getattr(module, node.name)
            for part in node.body:
                if isinstance(part, Function) and not part.name.startswith("__"):
                    if not any("property" in ast.unparse(d) for d in part.decorator_list):
                        yield f"{node.name}.{part.name}", part, getattr(owner, part.name)
                elif isinstance(part, Function) and part.name in ("__init__", "__call__"):
                    yield f"{node.name}.{part.name}", part, getattr(owner, part.name)
        elif isinstance(node, Function):
            yield node.name, node, getattr(module, node.name)


def stated_parameters(function: Function) -> list[str]:
    return [a.arg for a in function.args.posonlyargs + function.args.args if a.arg != "self"]


def parameters(function: Any) -> list[str] | None:
    """The names at run time; None of what Cython makes of __cinit__, which says none."""
    if isinstance(function, type(_pixels.resize_normalize)) or not function.__doc__:
        try:
            names = list(inspect.signature(function).parameters)
        except ValueError:
            return None
        return [name for name in names if name != "self"]
    signature = re.match(r"[\w.]+\((.*)\) -> ", function.__doc__)
    if signature is None:
        return None
    # Types may hold commas and colons of their own, all within brackets.
    flat, depth = "", 0
    for character in signature.group(1):
        depth += (character in "[(") - (character in "])")
        flat += character if depth == 0 else ""
    names = [part.partition(":")[0].strip() for part in flat.split(", ") if part]
    return [name for name in names if name not in ("self", "/", "*")]


@both
def test_names(module: ModuleType) -> None:
    body = stub_of(module).body
    assert stated_names(body) == public_names(module)
    for node in body:
        if isinstance(node, ast.ClassDef):
            stated, found = stated_names(node.body), public_names(getattr(module, node.name))
            assert stated == found, node.name


@both
def test_parameters(module: ModuleType) -> None:
    compared = 0
    for name, stated, function in functions(module):
        found = parameters(function)
        if found is not None:
            assert found == stated_parameters(stated), name
            compared += 1
    assert compared >= {"_kernels": 40, "_pixels": 2}[module.__name__.rpartition(".")[2]]


def test_a_wrong_stub_is_noticed() -> None:
    (pool,) = (f for name, _, f in functions(_kernels) if name == "ThreadPool.__init__")
    wrong = ast.parse("def __init__(self, workers: int) -> None: ...").body[0]
    assert isinstance(wrong, ast.FunctionDef)
    assert parameters(pool) == ["threads"] != stated_parameters(wrong)
