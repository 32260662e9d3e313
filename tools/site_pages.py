"""What MkDocs shows besides docs/: pages from elsewhere in the repository, and one about commands.

mkdocs.yml names this module as a hook. The README is the first page. Links from and to files
outside of docs/ are rewritten, so that the same text works in the repository and on the site.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = "reference/commands.md"

# Where files of the repository are on the site.
PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "license.txt",
    "NOTICE": "notice.txt",
    "examples/README.md": "examples/index.md",
    **{
        f"{path.parent.name}/{path.name}": f"{path.parent.name}/{path.name}"
        for folder in ("examples", "deploy")
        for path in sorted((ROOT / folder).iterdir())
        if path.is_file() and path.name != "README.md"
    },
}
_ORIGINS = {place: name for name, place in PLACES.items()}


def on_files(files: Files, config: Any) -> Files:
    for name, place in PLACES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    files.append(File.generated(config, COMMANDS, content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return rewritten(markdown, page.file.src_uri)


def rewritten(markdown: str, place: str) -> str:
    """The text of a page at this place of the site, with its links as the site has them."""
    origin = PurePosixPath(_ORIGINS.get(place, f"docs/{place}"))

    def link(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        name = normpath(f"{origin.parent}/{target}")
        there = PLACES.get(name, name.removeprefix("docs/"))
        return f"]({relpath(there, PurePosixPath(place).parent)}{anchor})"

    return re.sub(r"\]\(([\w./-]+)(#[^)]*)?\)", link, markdown)


def commands() -> str:
    """The page about the command line: the help of each command."""
    from sqznet.cli.main import parser_of

    os.environ["COLUMNS"] = "90"  # how wide the help is
    parser, each = parser_of()
    text = "# The command line\n\n" + _block(parser.format_help())
    for name, command in each.items():
        text += f"\n## sqznet {name}\n\n{_block(command.format_help())}"
    return text


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"
