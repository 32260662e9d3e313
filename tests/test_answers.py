"""A list of predictions is displayed as a table in a notebook, and is a list everywhere else."""

from __future__ import annotations

import copy
import json
import pickle
from html.parser import HTMLParser

import sqznet
from sqznet import Prediction
from sqznet.answers import Predictions

from .support.places import COFFEE


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
    for each in sqznet.classify([COFFEE, COFFEE], top=2):
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
