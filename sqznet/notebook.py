"""What a notebook shows of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqznet.model import Prediction

_ROW = (
    '<tr><td style="text-align:left">{label}</td>'
    '<td style="text-align:left;min-width:12em"><div style="background:#c2417c;border-radius:3px;'
    'height:0.8em;width:{width:.2f}%;min-width:1px"></div></td>'
    '<td style="text-align:right">{percent:.2f}&nbsp;%</td></tr>'
)


class Predictions(list["Prediction"]):
    """A list of Predictions that a notebook shows as a table with bars."""

    def _repr_html_(self) -> str:
        from html import escape

        rows = (
            _ROW.format(label=escape(p.label), width=100 * p.score, percent=100 * p.score)
            for p in self
        )
        return f"<table>{''.join(rows)}</table>"
