"""Tables as a notebook displays them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_CELL = '<{tag} style="text-align:left;vertical-align:top;padding-right:1em">{text}</{tag}>'


def table(rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML of a table: text of any kind in its cells, aligned to the left; None is an empty one."""
    from html import escape  # takes time that only a notebook needs

    def line(cells: Sequence[object], tag: str) -> str:
        made = (
            _CELL.format(tag=tag, text=escape("" if cell is None else str(cell))) for cell in cells
        )
        return f"<tr>{''.join(made)}</tr>"

    first = line(head, "th") if head else ""
    return f"<table>{first}{''.join(line(row, 'td') for row in rows)}</table>"
