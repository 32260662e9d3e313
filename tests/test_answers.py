"""A list of predictions is displayed as a table in a notebook, and is a list everywhere else."""

from __future__ import annotations

import copy
import json
import pickle
from html.parser import HTMLParser
from pathlib import Path

import sqznet
from sqznet import Prediction
from sqznet.answers import Predictions
from sqznet.diagnostics.measuring import measure

from .support.places import CHELSEA, COFFEE


class Texts(HTMLParser):
    """The texts and tags of a table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)


def test_answers_are_displayed_as_a_table() -> None:
    found = sqznet.classify(COFFEE, top=3)
    shown = Texts(found._repr_html_())  # type: ignore[attr-defined]
    assert shown.tags.count("tr") == 3
    assert shown.texts[0] == "espresso"
    assert shown.texts[1].split() == [f"{100 * found[0].score:.2f}", "%"]
    several = sqznet.classify([COFFEE, COFFEE], top=2)
    shown = Texts(several._repr_html_())  # type: ignore[attr-defined]
    assert shown.texts[:5] == ["photo", "1", "2", "0", "espresso 99.96 %"]
    assert shown.tags.count("tr") == 3
    for each in several:
        assert Texts(each._repr_html_()).tags.count("tr") == 2  # type: ignore[attr-defined]


def test_labels_are_escaped() -> None:
    label = '<script>alert("1")</script>&amp;'
    shown = Texts(Predictions([Prediction(label, 0.5, 0)])._repr_html_())
    assert "script" not in shown.tags
    assert "".join(shown.texts).startswith(label)


def test_they_are_an_ordinary_list() -> None:
    found = sqznet.classify(COFFEE, top=3)
    plain = list(found)
    assert isinstance(found, list)
    assert found == plain
    assert plain == found
    assert repr(found) == repr(plain)
    assert json.dumps(found) == json.dumps(plain)
    assert type(found[:2]) is list
    assert type(found + plain) is list
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert again == found
        assert again._repr_html_() == found._repr_html_()  # type: ignore[attr-defined]


def test_no_answers() -> None:
    assert Predictions()._repr_html_() == "<table></table>"


def test_a_notebook_displays_what_is_found_about_files_and_speed(tmp_path: Path) -> None:
    learned = sqznet.learn({"<cup>": [COFFEE], "cat": [CHELSEA]})
    learned.save(tmp_path / "things.sqz")
    shown = Texts(sqznet.identify(tmp_path / "things.sqz")._repr_html_())
    assert "{'<cup>': 1, 'cat': 1}" in shown.texts
    shown = Texts(sqznet.identify(None)._repr_html_())
    assert shown.texts[shown.texts.index("variant") + 1] == "squeezenet1_1"
    assert {"conv1_padding", "sha256", "warnings"} <= set(shown.texts)
    found = measure(sqznet.load(threads=1), seconds=0.1, photo=COFFEE)
    assert {"file to answer", "p99", "conv10"} <= set(Texts(found._repr_html_()).texts)
    right = sqznet.evaluate({"espresso": [COFFEE]})
    assert Texts(right._repr_html_()).texts[:2] == ["1 of 1 correct", "100.0%"]


def test_a_list_without_photos_is_an_empty_table() -> None:
    assert Texts(sqznet.classify([])._repr_html_()).texts == ["photo"]  # type: ignore[attr-defined]
