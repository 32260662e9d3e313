"""What is written down about the tree is true of it."""

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
FACES = {"", "weights", *(f"weights/{name}" for name in ("caffe", "keras", "ncnn", "onnx", "torch"))}
FACES |= {"weights/writers"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs" / "architecture.md").is_file(), reason="the tests are not beside the docs"
)


def test_every_package_says_what_belongs_there() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert len(ast.get_docstring(tree) or "") > 20, path
        name = path.parent.relative_to(PACKAGE).as_posix()
        assert name.replace(".", "") in FACES or len(tree.body) == 1, f"{path} holds more than that"


def named_paths(page: str) -> Iterator[str]:
    """What stands in backquotes and looks like a file or folder of the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for quoted in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if re.fullmatch(r"[\w.*/<>{},-]+(/|\.\w+)", quoted):
            yield quoted
