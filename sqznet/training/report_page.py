"""The page of a report: HTML that loads nothing but the pictures beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from html import escape

from sqznet.insight.evaluation import NEAR, ClassFigures
from sqznet.training.figures import MOST_CLASSES, Figures

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
img { max-width: 100%; height: auto; border-radius: 8px; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem 1rem .25rem 0; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr { border-top: 1px solid #8884; }
"""

_HEAD = ("class", "photos", "recall", "precision", "mostly confused with")


def page(figures: Figures, pictures: Collection[str], about: Mapping[str, str]) -> str:
    """The page. ``pictures``: the names of those that there are, of curves.png, confusion.png,
    calibration.png and hardest.jpg. ``about``: what stands at the end, by name."""
    title = _title(figures)
    parts = [f"<h1>{escape(title)}</h1>", *_overall(figures)]
    if "curves.png" in pictures:
        parts += ["<h2>Training</h2>", _picture("curves.png", "values by epoch")]
    if "confusion.png" in pictures:
        parts += ["<h2>What is mixed up</h2>", *_mixed_up(figures)]
        parts += ["<h2>Classes</h2>", *_classes(figures)]
    if "calibration.png" in pictures:
        parts += ["<h2>How far scores can be trusted</h2>", *_trusted(figures)]
    if "hardest.jpg" in pictures:
        parts += ["<h2>The hardest photos</h2>", *_hardest()]
    if about:
        rows = [(escape(name), escape(value)) for name, value in about.items()]
        parts += ["<h2>How it was made</h2>", _table((), rows)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _title(figures: Figures) -> str:
    found = figures.evaluation
    if not found.total:
        return "Trained without validation photos"
    return f"{_percent(found.accuracy)} of {found.total} photos correct"


def _overall(figures: Figures) -> Iterator[str]:
    found = figures.evaluation
    if not found.total:
        return
    low, high = figures.interval
    rows = [
        (
            "accuracy",
            f"{_percent(found.accuracy)}: {found.correct} of {found.total}. With 95 % confidence, "
            f"that of such photos is {_percent(low)} to {_percent(high)}",
        )
    ]
    if len(found.counts) > NEAR:
        share = f"{_percent(found.top5_accuracy)}: {found.near} of {found.total}"
        rows.append((f"among the best {NEAR} answers", share))
    rows.append(("calibration error", _percent(figures.reliability.error)))
    rows.append(("log loss", f"{figures.log_loss:.3f}"))
    yield _table((), rows)
    yield (
        "<p>These are the photos of the validation, which also chose the best epoch: others may "
        "be answered slightly less well.</p>"
    )


def _mixed_up(figures: Figures) -> Iterator[str]:
    classes = len(figures.evaluation.counts)
    if classes > MOST_CLASSES:
        yield f"<p>The {MOST_CLASSES} of {classes} classes with most wrong answers.</p>"
    yield _picture("confusion.png", "a table of counts: rows are true classes, columns answers")


def _classes(figures: Figures) -> Iterator[str]:
    yield "<p>Those that are recognized worst come first.</p>"
    rows = sorted(figures.evaluation.figures(), key=lambda row: (row.photos == 0, row.recall))
    yield _table(_HEAD, map(_cells, rows))


def _cells(row: ClassFigures) -> Sequence[str]:
    return (
        escape(row.label),
        f"{row.photos}",
        _percent(row.recall) if row.photos else "-",
        "-" if row.precision is None else _percent(row.precision),
        f"{escape(row.confused_with)} ({row.confused})" if row.confused else "",
    )


def _trusted(figures: Figures) -> Iterator[str]:
    gap = sum(row.photos * (row.score - row.correct) for row in figures.reliability.bins)
    yield (
        "<p>Of a hundred answers with a score of 80 %, eighty should be right: then a bar ends "
        f"at its mark. These scores are {'too high' if gap > 0 else 'too low'} by "
        f"{_percent(abs(gap) / max(figures.evaluation.total, 1))} on average. A bar of few photos "
        "says little.</p>"
    )
    yield _picture("calibration.png", "the share of right answers, by score")


def _hardest() -> Iterator[str]:
    yield (
        "<p>Those whose own class has the lowest scores. A photo that shows something else than "
        "its folder says is often among them.</p>"
    )
    yield _picture("hardest.jpg", "photos, each with its class and the answer")


def _picture(name: str, words: str) -> str:
    return f'<p><img src="{name}" alt="{escape(words)}"></p>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """HTML of a table; the first of its cells and the last are aligned to the left."""

    def line(cells: Sequence[str], tag: str) -> str:
        inner = range(1, len(cells) - 1)
        made = (
            f"<{tag}{' class=n' if i in inner else ''}>{cell}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    lines = [line(head, "th")] if head else []
    return f"<table>{''.join([*lines, *(line(row, 'td') for row in rows)])}</table>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
