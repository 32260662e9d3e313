"""The page about learning: its example runs, and the generated table has its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..support.isolated import run_script
from ..support.places import EXAMPLES, ROOT

PAGE = ROOT / "docs" / "learning.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests are not beside the docs")


def test_the_example_runs(coarse: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("examples/", f"{EXAMPLES}/")
    # Fewer pixels give the same answers sooner.
    out = run_script(f"{code}\nassert rec.labels == ('coffee', 'cat', 'sky')", weights=coarse)
    assert out == "1.00 cat\n0.00 coffee\n"


def test_the_figures_have_their_place() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- learning:begin -->") == text.count("<!-- learning:end -->") == 1
