"""Reads which module of sqznet imports which: every import, whenever it runs.

An import counts at module level, in a function, for types only, and through ``import_module``.
tests/repository/test_imports.py holds the rules against it; draw_architecture.py draws it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1] / "sqznet"
Graph = dict[str, set[str]]


class Module(NamedTuple):
    """A source file: its full name, the package that its relative imports start from, its code."""

    name: str
    package: str
    tree: ast.Module


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_module(path: Path, root: Path) -> Module:
    name = module_name(path, root)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Module(name, package, ast.parse(path.read_text(encoding="utf-8")))


def read_package(package: Path = PACKAGE) -> tuple[list[Module], set[str]]:
    """Its modules, and the names of all of them, the compiled ones (from their stubs) too."""
    modules = [read_module(path, package.parent) for path in sorted(package.rglob("*.py"))]
    compiled = {module_name(path, package.parent) for path in package.rglob("*.pyi")}
    return modules, {module.name for module in modules} | compiled


def import_graph(package: Path = PACKAGE) -> Graph:
    """For each module, the other modules of the package that it imports, of whatever kind."""
    modules, known = read_package(package)
    graph: Graph = {name: set() for name in sorted(known)}
    for module in modules:
        found = imported_names(module, ast.walk(module.tree), known)
        graph[module.name] = (found & known) - {module.name}
    return graph


def imported_names(module: Module, nodes: Iterable[ast.AST], known: Set[str]) -> set[str]:
    """Full names of what these nodes import; a submodule's where ``from`` names one."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.package.split(".")
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            full = {alias.name: f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in known else base for name in full.values()}
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            pattern = _Patterns(module)(node.args[0])
            if pattern is None:
                raise ValueError(f"{module.name}, line {node.lineno}: what is imported here?")
            found |= {name for name in known if re.fullmatch(pattern, name)}
    return found


def at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Imports that run when the module is imported: not in functions, not for types alone."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            if "TYPE_CHECKING" not in ast.dump(node.test):
                yield from at_module_level(node.body)
            yield from at_module_level(node.orelse)
        elif isinstance(node, ast.Try):
            for part in (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody):
                yield from at_module_level(part)
        elif isinstance(node, ast.With | ast.ClassDef):
            yield from at_module_level(node.body)


def by_unit(graph: Graph, package: str) -> Graph:
    """The graph of what lies directly in a package: its sub-packages and modules, each as one.

    The package's own ``__init__`` goes by the package's name.
    """
    units: Graph = {}
    for name, imported in graph.items():
        if (unit := unit_of(name, package)) is not None:
            others = {unit_of(other, package) for other in imported}
            units.setdefault(unit, set()).update(o for o in others if o not in (None, unit))
    return units


def unit_of(name: str, package: str) -> str | None:
    """The unit of a package that holds a module, or None if the module is outside the package."""
    if name == package:
        return package
    if not name.startswith(f"{package}."):
        return None
    return name[: len(package) + 1] + name[len(package) + 1 :].partition(".")[0]


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


class _Patterns:
    """Turns the argument of ``import_module`` into a regular expression of the names it may have.

    It follows the module's constants: a loop over a tuple of strings, an entry of a dictionary.
    """

    def __init__(self, module: Module) -> None:
        items: dict[str, str] = {}  # what a loop over a constant goes through
        self._entries: dict[str, str] = {}  # what a dictionary gives
        for node in module.tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            target = node.target if isinstance(node, ast.AnnAssign) else target
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Dict):
                items[target.id] = _any_of(value.keys)
                self._entries[target.id] = _any_of(value.values)
            elif isinstance(target, ast.Name) and isinstance(value, ast.Tuple | ast.List):
                items[target.id] = _any_of(value.elts)
        self._names = {"__name__": re.escape(module.name)}
        for loop in ast.walk(module.tree):
            if isinstance(loop, ast.For | ast.comprehension):
                constant = loop.iter.id if isinstance(loop.iter, ast.Name) else ""
                if constant in items and isinstance(loop.target, ast.Name):
                    self._names[loop.target.id] = items[constant]

    def __call__(self, node: ast.expr) -> str | None:
        """None where nothing is known about the name."""
        if isinstance(node, ast.Constant):
            return re.escape(str(node.value))
        if isinstance(node, ast.Name):
            return self._names.get(node.id)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._entries.get(node.value.id)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._part(part) for part in node.values)
        return None

    def _part(self, node: ast.expr) -> str:
        value = node.value if isinstance(node, ast.FormattedValue) else node
        pattern = self(value)
        return r"\w+" if pattern is None else pattern  # any module of the package that is named


def _any_of(nodes: Iterable[ast.expr | None]) -> str:
    texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return "(?:" + "|".join(re.escape(str(text)) for text in texts) + ")"
