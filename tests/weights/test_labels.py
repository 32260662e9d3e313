"""Class names from lists and files, and the check of their number."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sqznet import weights
from sqznet.errors import SqznetError, WeightsError
from sqznet.weights import labels

IMAGENET = weights.imagenet_labels()
THREE = ("ant", "bee", "große Kröte")


def synset_words() -> str:
    return "".join(f"n{10000000 + i} {name}\n" for i, name in enumerate(THREE))


@pytest.mark.parametrize(
    "text",
    [
        "ant\nbee\ngroße Kröte",
        "ant\r\nbee\r\ngroße Kröte\r\n\r\n",
        "\ufeff  ant\t\nbee\ngroße Kröte\n",
        synset_words(),
        json.dumps(THREE),
        json.dumps({str(i): name for i, name in enumerate(THREE)}),
        json.dumps({str(i): [f"n0000000{i}", name] for i, name in enumerate(THREE)}, indent=2),
        json.dumps({"2": THREE[2], "0": THREE[0], "1": THREE[1]}),
    ],
    ids=["text", "windows", "bom", "synsets", "list", "object", "keras", "any order"],
)
def test_files_of_names(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names"
    path.write_bytes(text.encode())
    assert labels.read(path) == labels.read(str(path)) == THREE
    assert labels.for_network(path, None, 3, "w.pth") == THREE


def test_a_synset_number_is_kept_where_only_some_lines_have_one(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("n01440764 tench\nbee\n")
    assert labels.read(path) == ("n01440764 tench", "bee")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found none"),
        (b"\n \n", "found none"),
        (b"ant\n\nbee\n", "line 2 is empty"),
        (b"ant\0\n", "zero byte"),
        (b"caf\xe9\n", r"not UTF-8 text \(byte 3\)"),
        (b"[]", "JSON list"),
        (b"{}", "JSON list"),
        (b'["a", 1]', "JSON list"),
        (b'["a"', "not valid JSON"),
        (b'{"0": "a", "2": "c"}', "keys 0 to 1, but 1 is missing"),
        (b'{"1": "a", "2": "c"}', "0 is missing"),
        (b'{"0": "a", "0": "b"}', "twice"),
        (b'{"0": []}', "JSON list"),
        (b'{"0": {"name": "a"}}', "JSON list"),
        (b"[" * 100_000, "nested too deeply|not valid JSON"),
        (b"a" * (5 << 20), "at most"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        labels.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.txt", "", ".", "a\0b", "pipe"])
def test_missing_files(tmp_path: Path, name: str) -> None:
    if name == "pipe":
        os.mkfifo(tmp_path / name)
    with pytest.raises(WeightsError, match="class names"):
        labels.read(os.path.join(tmp_path, name))


def test_imagenets_names_are_the_default_for_its_number_of_classes() -> None:
    assert labels.for_network(None, None, 1000, "w.pth") == IMAGENET
    assert labels.for_network(None, None, 1001, "w.pth") == ("background", *IMAGENET)
    assert labels.for_network(None, None, 3, "w.pth") == ("class 0", "class 1", "class 2")
    assert labels.for_network(None, THREE, 3, "w.pth") == THREE
    assert labels.for_network(("a", "b", "c"), THREE, 3, "w.pth") == ("a", "b", "c")


@pytest.mark.parametrize("first", ["background", " Background", "dummy", "__background__"])
def test_an_extra_background_is_removed(first: str) -> None:
    assert labels.for_network([first, *IMAGENET], None, 1000, "w.pth") == IMAGENET
    assert labels.for_network(None, (first, *THREE), 3, "w.pth") == THREE
    kept = labels.for_network([first, *THREE], None, 4, "w.pth")
    assert kept == (first, *THREE)  # a class of the network itself


def test_imagenets_names_get_a_missing_background() -> None:
    expected = ("background", *IMAGENET)
    assert labels.for_network(IMAGENET, None, 1001, "w.pth") == expected
    long_names = [f"{name}, and its synonyms" for name in IMAGENET]
    assert labels.for_network(long_names, None, 1001, "w.pth")[:2] == ("background", long_names[0])


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (THREE, 2),
        (THREE, 4),
        (("hidden", *IMAGENET), 1000),  # no background: the extra name is unknown
        (tuple(f"name {i}" for i in range(1000)), 1001),
        (("background", "background", *THREE), 3),
    ],
)
def test_a_wrong_number_of_names_gives_both_numbers(names: tuple[str, ...], classes: int) -> None:
    message = f"w.pth has {classes} classes, but there are {len(names)} labels$"
    for given, own in ((names, None), (None, names)):
        with pytest.raises(WeightsError, match=message):
            labels.for_network(given, own, classes, "w.pth")


@pytest.mark.parametrize("given", [7, [], [1, 2, 3], b"abc", ("a", None)])
def test_what_is_not_a_list_of_names(given: object) -> None:
    with pytest.raises(SqznetError, match="labels must be"):
        labels.for_network(given, None, 3, "w.pth")  # type: ignore[arg-type]
