"""The pages about the tree match the tree: package docstrings, the picture, paths, links."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.places import ROOT

PACKAGE = ROOT / "sqznet"
PAGES = ("CONTRIBUTING.md", "docs/architecture.md")
# Packages that are used by their own names: what they offer is gathered in their __init__.py.
FORMATS = ("caffe", "keras", "ncnn", "onnx", "torch", "writers")
FACES = {".", "ray", "weights", *(f"weights/{name}" for name in FORMATS)}

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs" / "architecture.md").is_file(), reason="the tests are not beside the docs"
)


def test_every_package_says_what_belongs_there() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert len(ast.get_docstring(tree) or "") > 20, path
        name = path.parent.relative_to(PACKAGE).as_posix()
        assert name in FACES or len(tree.body) == 1, f"{path} holds more than that"


def test_the_picture_is_what_the_sources_give() -> None:
    tool = ROOT / "tools" / "draw_architecture.py"
    result = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# --- Paths -----------------------------------------------------------------------------------

MADE = ("build/", "dist/", ".venv/")  # by who builds


def named_paths(text: str) -> Iterator[str]:
    """The words in backquotes that look like a file or folder, and the targets of links."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for quoted in re.findall(r"`([^`]+)`", text):
        for word in quoted.split():
            if re.fullmatch(r"[\w.<>*-]*(/[\w.<>*-]*)+|[\w<>*-]+\.[a-z]{1,5}", word):
                yield word
    yield from re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)


def exists(name: str, beside: Path) -> bool:
    """Whether a path is in the tree; one without a folder, anywhere in it. `<isa>` and the like
    stand for any name."""
    pattern = re.sub(r"<\w+>", "*", name)
    if "/" in name:
        return any(any(folder.glob(pattern)) for folder in (ROOT, beside))
    folders = ("csrc", "docs", "sqznet", "tests", "tools")
    return any(ROOT.glob(pattern)) or any(any((ROOT / f).rglob(pattern)) for f in folders)


def missing(text: str, beside: Path = ROOT) -> list[str]:
    names = [name for name in named_paths(text) if not name.startswith((*MADE, ".."))]
    return [name for name in names if not exists(name, beside)]


@pytest.mark.parametrize("page", PAGES)
def test_the_paths_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(list(named_paths(text))) > 30
    assert missing(text, (ROOT / page).parent) == []


def test_missing_paths_are_seen() -> None:
    text = """
    `sqznet/model.py`, `vec_<isa>.h`, `csrc/core/`, `nox -s tests`, `a or b`, `sqznet.Model`,
    [here](docs/wheels.md), [there](https://example.org/page.html), `dist/`
    `sqznet/nothing.py`, `nothing_<isa>.h`, `pytest tests/nothing`, [gone](docs/nothing.md#part)
    """
    found = ["sqznet/nothing.py", "nothing_<isa>.h", "tests/nothing", "docs/nothing.md"]
    assert missing(text) == found


def test_links_between_the_pages_lead_to_headings() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    links = set(re.findall(r"CONTRIBUTING\.md#([\w-]+)", text))
    assert links
    assert links <= anchors
