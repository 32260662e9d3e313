"""The messages that docs/troubleshooting.md explains are those of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sqznet

from ..support.places import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the tests are not beside the docs")


def quoted() -> list[str]:
    """The messages in the first columns of the sections about errors of the package."""
    text = PAGE.read_text(encoding="utf-8")
    sections = text[text.index("## ImageError") : text.index("## Warnings")]
    rows = re.findall(r"^\| (.*?) \|", sections, re.MULTILINE)
    return [message for row in rows for message in re.findall(r"`([^`]+)`", row)]


def test_each_message_is_one_of_the_package() -> None:
    sources = Path(sqznet.__file__).parent.rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    joined = re.sub(r'"\s*\n\s*f?"', "", text)  # a text that goes on in the next line
    messages = quoted()
    assert len(messages) > 15
    for message in messages:
        # Three dots, numbers and what is in parentheses stand for what differs.
        for part in re.split(r"\.\.\.|\(.*\)|\d+", message):
            assert part.strip() in joined, message


def test_every_family_has_a_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in (name for name in sqznet.__all__ if name.endswith("Error")):
        assert f"\n## {name}\n" in text
