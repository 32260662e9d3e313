"""No module uses a private member of another one: neither a name nor an attribute that begins with
an underscore."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from textwrap import dedent

import pytest

from ..support.places import ROOT

COMPILED = {"_kernels", "_pixels"}  # modules, for the package's own use
NAMED_TUPLE = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}  # public, in spite
DOCUMENTED = {"os._exit", "sys._current_frames"}  # public, too
ACCESSORS = {"delattr", "getattr", "hasattr", "setattr"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLE


def own_members(tree: ast.Module) -> set[str]:
    """What the classes of a module define: methods, class variables, attributes of self."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                targets = getattr(part, "targets", [getattr(part, "target", None)])
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.add(part.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} if ast.unparse(node.value) in ("self", "cls") else set()
    return found


def imported_names(tree: ast.Module) -> set[str]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name.partition(".")[0] for node in nodes for alias in node.names}


def intrusions(code: str) -> Iterator[str]:
    """The uses of other modules' private members in a module, each with its line."""
    tree = ast.parse(code)
    own, imported = own_members(tree), imported_names(tree)
    for node in ast.walk(tree):
        used: list[str] = []
        if isinstance(node, ast.ImportFrom):
            used = [alias.name for alias in node.names if alias.name not in COMPILED]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) not in DOCUMENTED:
            foreign = isinstance(node.value, ast.Name) and node.value.id in imported
            used = [node.attr] if foreign or node.attr not in own else []
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ACCESSORS:
            names = [a.value for a in node.args[1:2] if isinstance(a, ast.Constant)]
            used = [str(name) for name in names if name not in own]
        if any(map(is_private, used)):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.skipif(
    not (ROOT / "sqznet" / "__init__.py").is_file(), reason="the tests are not beside the sources"
)
def test_no_module_uses_a_private_member_of_another() -> None:
    paths = [
        p for folder in ("sqznet", "benchmarks", "tools") for p in (ROOT / folder).rglob("*.py")
    ]
    assert len(paths) > 100
    found = {
        str(path.relative_to(ROOT)): list(intrusions(path.read_text(encoding="utf-8")))
        for path in sorted(paths)
    }
    assert {name: uses for name, uses in found.items() if uses} == {}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (1, "from sqznet.engine.executor import _packed"),
        (3, "from sqznet.engine import executor\n\nexecutor._packed()"),
        (3, "def work(model):\n    model.run()\n    return model._executor"),
        (2, "def work(model):\n    model._executor = None"),
        (2, "def work(model):\n    return getattr(model, '_executor')"),
        (2, "def work():\n    return load().executor._layers"),
        (
            5,
            "class Own(Base):\n    def work(self):\n        self.run()\n\n        self._theirs()",
        ),
        (
            6,
            "class Own:\n    def _run(self): ...\n\nfrom other import Theirs\n\nTheirs._run(Own())",
        ),
    ],
)
def test_uses_of_private_members_are_seen(code: str, line: int) -> None:
    (found,) = intrusions(code)
    assert found.startswith(f"line {line}: ")


def test_what_is_a_module_s_own_may_be_used() -> None:
    code = """
        from sqznet import _kernels
        from sqznet.network.graph import Wiring

        class Gate:
            _open = False

            def __init__(self):
                self._waiting = []

            def __eq__(self, other):
                return self._waiting == other._waiting and self._open == other._open

            def _join(self): ...

        def close(gate):
            gate._join()
            return _kernels.run(Wiring()._replace(padding=1)), gate.__class__
        """
    assert list(intrusions(dedent(code))) == []
