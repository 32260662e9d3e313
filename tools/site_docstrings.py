"""Shows docstrings on the documentation site as they read in the source.

mkdocs.yml names this module as an extension of griffe, which reads the docstrings. A line that
begins with the name of an argument becomes an item of a list.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ARGUMENT = re.compile(r"(``\w+``|\w+)(, (``\w+``|\w+))*( \([^)]*\))?:(\s|$)")


class ListedArguments(griffe.Extension):  # type: ignore[misc]  # not installed to lint
    def on_instance(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = listed(obj.docstring.value)


def listed(text: str) -> str:
    """The text with a list of the arguments that its lines describe."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        begins = bool(_ARGUMENT.match(line)) and (
            inside or not lines or not lines[-1].strip() or lines[-1].endswith(".")
        )
        if begins:
            if not inside:
                lines.append("")
            lines.append(f"- {line}")
            inside = True
        elif not line.strip():
            lines.append(line)
            inside = False
        else:
            lines.append(f"    {line}" if inside else line)
    return "\n".join(lines)
