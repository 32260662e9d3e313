"""Every Python and shell snippet of the pages runs, unless a comment before it says why not.

`nox -s docs` runs them, beside what only they need."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

import sqznet

from ..support import networks, watching
from ..support.commands import exit_code
from ..support.places import CHELSEA, COFFEE, EXAMPLES, ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]

pytest.importorskip("mkdocs", reason="nox -s docs runs the snippets")

_SNIPPET = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>python|sh|bash|py|shell)\n"
    r"(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
_NEEDS = re.compile(r"<!-- needs: ([\w, ]+) -->")


class Snippet(NamedTuple):
    language: str
    code: str
    line: int


def snippets(text: str) -> Iterator[Snippet]:
    """Those of a page that run."""
    for match in _SNIPPET.finditer(text):
        if match["why"] is None:
            line = text.count("\n", 0, match.start("code"))
            yield Snippet(match["language"], match["code"], line)


WITH_SNIPPETS = [page for page in PAGES if list(snippets(page.read_text(encoding="utf-8")))]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name; the current one."""
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    for name in ("photo.jpg", "table.jpg"):
        shutil.copy(COFFEE, tmp_path / name)
    for folder in ("photos", "known", "others"):
        for label, source in (("espresso", COFFEE), ("Egyptian cat", CHELSEA)):
            (tmp_path / folder / label).mkdir(parents=True)
            with Image.open(source) as photo:
                w, h = photo.size
                for i, x in enumerate((0, w // 4, w // 2)):
                    photo.crop((x, 0, x + w // 2, h)).save(tmp_path / folder / label / f"{i}.jpg")
    networks.save(tmp_path / "weights.pth", networks.tensors("squeezenet1_0", 7))
    (tmp_path / "classes.txt").write_text("".join(f"class {i}\n" for i in range(7)))
    for name in ("video.mp4", "door.mp4"):
        watching.write_clip(tmp_path / name, [40, 200])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    for name in [name for name in os.environ if name.startswith("SQZNET_")]:
        monkeypatch.delenv(name)
    assert exit_code("embed", "examples", "-o", "vectors.npz") == 0
    return tmp_path


@pytest.mark.filterwarnings("default")  # those of other libraries
@pytest.mark.usefixtures("place", "draws_text")
@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_snippets_of_a_page_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for names in _NEEDS.findall(text):
        for name in names.split(", "):
            pytest.importorskip(name)
    names: dict[str, Any] = {"sqznet": sqznet, "model": sqznet.load(threads=1)}
    names["photos"] = ["examples/coffee.jpg", "examples/chelsea.jpg"]
    for snippet in snippets(text):
        if snippet.language == "python":
            run_python("\n" * snippet.line + snippet.code, page, names)
        else:
            run_shell(snippet.code)


def run_python(code: str, page: Path, names: dict[str, Any]) -> None:
    """Runs a snippet as a cell of a notebook would, where ``await`` needs no function around it."""
    compiled = compile(code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(compiled, names)
    if inspect.iscoroutine(outcome):
        asyncio.run(outcome)


def run_shell(code: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"


def test_most_snippets_run() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    every = sum(len(_SNIPPET.findall(text)) for text in texts)
    run = sum(len(list(snippets(text))) for text in texts)
    fences = sum(len(re.findall(r"^```(?:python|sh)$", text, re.MULTILINE)) for text in texts)
    assert every == fences
    assert run > every / 2


def test_a_snippet_that_fails_is_seen(place: Path) -> None:
    skipped = "<!-- not run: a reason -->\n```sh\nexit 3\n```"
    text = f"```sh\nfalse\n```\n\n{skipped}\n\n```python\n1 / 0\n```\n"
    shell, python = snippets(text)
    with pytest.raises(AssertionError):
        run_shell(shell.code)
    with pytest.raises(ZeroDivisionError):
        run_python(python.code, place, {})
