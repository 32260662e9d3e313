"""Imports point one way, down the list `LAYERS`. Every import counts: at module level, inside a
function, for types only, and through `import_module`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ..support.places import ROOT

# What lies directly in sqznet/: a module or a package may import only what stands below it.
# docs/architecture.md says what each is for.
LAYERS = (
    "sqznet._pyinstaller",
    "sqznet.__main__",
    "sqznet.cli",
    "sqznet.diagnostics",
    "sqznet.serving",
    "sqznet.ray",
    "sqznet",  # __init__.py, the public names
    "sqznet.watching",  # above `api`, since `watch` takes whatever `load` takes
    "sqznet.api",
    "sqznet.training",  # above what makes scales and measures accuracy
    "sqznet.compression",  # above both that load, since `compress` takes whatever they take
    "sqznet.detection",
    "sqznet.learning",  # above `model`, since a Recognizer shows its Model
    "sqznet.loading",
    "sqznet.model",
    "sqznet.methods",
    "sqznet.calibration",
    "sqznet.insight",
    "sqznet.batch",
    "sqznet.engine",
    "sqznet.weights",
    "sqznet.quantization",
    "sqznet.network",
    "sqznet.images",
    "sqznet.files",
    "sqznet.boxes",
    "sqznet.answers",
    "sqznet.notebook",
    "sqznet.errors",
    "sqznet.forks",
    "sqznet._kernels",
    "sqznet._pixels",
)

Graph = dict[str, set[str]]
Plant = Callable[[dict[str, str]], Graph]

pytestmark = pytest.mark.skipif(
    not (ROOT / "sqznet" / "__init__.py").is_file(), reason="the tests are not beside the sources"
)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tools/import_graph.py"""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("import_graph")


def cycles(graph: Graph) -> list[str]:
    """One for each import that closes a cycle."""
    found: list[str] = []
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in finished:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())
    return found


def upward(graph: Graph) -> list[str]:
    """Modules of which `LAYERS` says nothing, and imports that do not point down the list."""
    missing = [f"{name} has no layer" for name in graph if name not in LAYERS]
    return missing + [
        f"{name} imports {other}"
        for name, imported in graph.items()
        for other in sorted(imported)
        if not missing and LAYERS.index(other) <= LAYERS.index(name)
    ]


def packages(graph: Graph) -> set[str]:
    return {name.rpartition(".")[0] for name in graph} - {""}


# --- The rules -------------------------------------------------------------------------------


def test_no_module_imports_itself_through_others(tool: Any) -> None:
    graph = tool.import_graph()
    assert cycles(graph) == []
    assert graph["sqznet.model"] >= {
        "sqznet.engine.classification",
        "sqznet.answers",
    }  # edges are seen


def test_no_package_imports_itself_through_others(tool: Any) -> None:
    """What lies directly in a package has no cycle either, each sub-package taken as one."""
    graph = tool.import_graph()
    assert packages(graph) > {"sqznet", "sqznet.weights", "sqznet.weights.onnx"}
    for package in packages(graph):
        assert cycles(tool.by_unit(graph, package)) == []


def test_imports_point_down_the_list_of_layers(tool: Any) -> None:
    graph = tool.by_unit(tool.import_graph(), "sqznet")
    assert upward(graph) == []
    assert graph.keys() == set(LAYERS)


def test_heavy_modules_are_imported_where_they_are_used(tool: Any) -> None:
    modules, known = tool.read_package()
    heavy = {"numpy", "PIL", "urllib", "asyncio"}
    imported = {
        module.name: tool.imported_names(module, tool.at_module_level(module.tree.body), known)
        for module in modules
    }
    found = {
        name: {other.split(".")[0] for other in others} & heavy for name, others in imported.items()
    }
    # No module imports these but their own kind, only functions do.
    numeric = {
        "sqznet.network.reference",
        "sqznet.detection.quantizing",
        "sqznet.quantization.completion",
        "sqznet.quantization.integers",
        "sqznet.quantization.reference",
        "sqznet.insight.heatmap",
        "sqznet.diagnostics.integers",
        "sqznet.diagnostics.verification",
    }
    numeric |= {name for name in found if name.startswith("sqznet.calibration.")}
    numeric |= {name for name in found if name.startswith("sqznet.compression.")}
    numeric |= {name for name in found if name.startswith("sqznet.training.")}
    numeric |= {name for name in found if name.startswith("sqznet.learning.")} - {
        "sqznet.learning.folder"
    }
    for name, others in imported.items():
        if name.startswith("sqznet.serving."):
            continue
        assert name in numeric or not others & numeric, name
    assert all(found.pop(name) <= {"numpy"} for name in numeric)
    # A server starts once, and needs all of them.
    serving = [name for name in found if name.startswith("sqznet.serving.")]
    assert all(found.pop(name) <= {"numpy", "asyncio", "urllib"} for name in serving)
    assert {name: modules for name, modules in found.items() if modules} == {}


# --- What the rules would catch --------------------------------------------------------------


@pytest.fixture
def plant(tool: Any, tmp_path: Path) -> Plant:
    """The graph of a package `sqznet` of these files, by their paths in it."""

    def write(files: dict[str, str]) -> Graph:
        for name, code in {"__init__.py": "", **files}.items():
            path = tmp_path / "sqznet" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(code))
        graph: Graph = tool.import_graph(tmp_path / "sqznet")
        return graph

    return write


KINDS = {
    "module level": "from sqznet.b import thing",
    "a submodule": "from sqznet import b",
    "relative": "from .b import thing",
    "relative, a submodule": "from . import b",
    "plain": "import sqznet.b",
    "in a function": """
        def work():
            import sqznet.b as other
        """,
    "in a method": """
        class Worker:
            def work(self):
                from sqznet import b
        """,
    "for types only": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from sqznet.b import Thing
        """,
    "import_module": """
        import importlib
        importlib.import_module("sqznet.b")
        """,
    "import_module, a loop": """
        from importlib import import_module
        NAMES = ("b", "c")
        def each():
            return [import_module(f"sqznet.{name}") for name in NAMES]
        """,
    "import_module, a table": """
        from importlib import import_module
        TABLE = {"Thing": "sqznet.b"}
        def __getattr__(name):
            return import_module(TABLE[name])
        """,
    "import_module, any": """
        from importlib import import_module
        def named(name):
            return import_module(f"sqznet.{name}")
        """,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_import_is_seen(plant: Plant, kind: str) -> None:
    graph = plant({"a.py": KINDS[kind], "b.py": "from sqznet.a import other"})
    assert cycles(graph) == ["sqznet.a -> sqznet.b -> sqznet.a"]


def test_an_import_that_cannot_be_resolved_is_an_error(
    plant: Plant,
) -> None:
    code = "from importlib import import_module\ndef get(name):\n    return import_module(name)\n"
    with pytest.raises(ValueError, match=r"sqznet\.a, line 3: what is imported here\?"):
        plant({"a.py": code})


def test_a_cycle_of_packages_is_seen(tool: Any, plant: Plant) -> None:
    graph = plant(
        {
            "one/__init__.py": "",
            "one/top.py": "from sqznet.two import top",
            "one/bottom.py": "",
            "two/__init__.py": "",
            "two/top.py": "",
            "two/bottom.py": "from sqznet.one import bottom",
        }
    )
    assert cycles(graph) == []
    assert cycles(tool.by_unit(graph, "sqznet")) == ["sqznet.one -> sqznet.two -> sqznet.one"]


def test_an_import_that_points_up_is_seen(tool: Any, plant: Plant) -> None:
    graph = plant(
        {
            "cli/__init__.py": "from sqznet.errors import SqznetError",
            "cli/output.py": "",
            "errors.py": "def show():\n    from sqznet.cli import output\n",
            "files/__init__.py": "from sqznet.files.part_file import PartFile",
            "files/part_file.py": "",
        }
    )
    assert upward(tool.by_unit(graph, "sqznet")) == ["sqznet.errors imports sqznet.cli"]


def test_a_package_without_a_layer_is_seen(tool: Any, plant: Plant) -> None:
    graph = plant({"extras/__init__.py": "", "errors.py": ""})
    assert upward(tool.by_unit(graph, "sqznet")) == ["sqznet.extras has no layer"]
