#!/usr/bin/env python3
"""Writes the output of `sqznet identify` for all weights files in a folder to docs/weights.md.

python tools/identify_examples.py ../shared/weights
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path

from sqznet.cli.main import main as sqznet_command

PAGE = Path(__file__).resolve().parents[1] / "docs" / "weights.md"
_BLOCK = re.compile(r"(?<=<!-- identify:begin -->\n).*?(?=<!-- identify:end -->)", re.DOTALL)


def said(path: Path) -> str:
    """The output of the command for one file, without its folder."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if sqznet_command(["identify", str(path)]):
            raise SystemExit(f"{path} cannot be read")
    return out.getvalue().replace(f"{path.parent}{os.sep}", "")


def block(folder: Path) -> str:
    """A fenced text for every file, sorted by name."""
    names = sorted(os.listdir(folder))
    return "".join(f"```text\n$ sqznet identify {n}\n{said(folder / n)}```\n\n" for n in names)


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} FOLDER")
    page = PAGE.read_text(encoding="utf-8")
    text = block(Path(sys.argv[1]))
    PAGE.write_text(_BLOCK.sub(lambda _: text, page), encoding="utf-8")


if __name__ == "__main__":
    main()
