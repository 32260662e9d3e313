"""`sqznet classes`, and `sqznet classify --coarse`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..support.commands import Run
from ..support.places import EXAMPLES

CHELSEA = EXAMPLES / "chelsea.jpg"


def found(out: str) -> list[str]:
    """The names in the second column."""
    return [line.strip().split("  ")[1] for line in out.splitlines()]


def test_all_classes_in_order(run: Run) -> None:
    code, out, err = run("classes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 1000
    assert lines[0].startswith("  0  tench ")
    assert lines[999].startswith("999  toilet tissue")


def test_a_word_finds_what_wordnet_has_below_it(run: Run) -> None:
    code, out, err = run("classes", "cat")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["281", "tabby", "cat"]
    assert {"tabby", "lynx", "tiger", "Madagascar cat"} < set(found(out))
    assert "catamaran" not in out
    assert run("classes", "CAT").out == out


def test_several_words_are_one_name(run: Run) -> None:
    assert found(run("classes", "big", "cat").out) == found(run("classes", "big cat").out)
    assert "tabby" not in run("classes", "big", "cat").out


def test_a_part_of_a_word_finds_what_no_whole_word_does(run: Run) -> None:
    assert found(run("classes", "catam").out) == ["catamaran"]


@pytest.mark.parametrize(
    ("word", "meant"), [("tabbi", "tabby"), ("labrador retreiver", "Labrador retriever")]
)
def test_an_unknown_word_names_the_nearest(run: Run, word: str, meant: str) -> None:
    code, out, err = run("classes", word)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"no class has {word!r} in its name; the nearest: " in err
    assert meant in err


def test_characters_of_patterns_are_plain(run: Run) -> None:
    assert run("classes", "(").code == 1
    assert found(run("classes", "jack-o'-lantern").out) == ["jack-o'-lantern"]


def test_coarse_names_with_the_number_of_their_classes(run: Run) -> None:
    rows = [line.split(maxsplit=1) for line in run("classes", "--coarse").out.splitlines()]
    assert sum(int(count) for count, _ in rows) == 1000
    assert ["118", "dog"] in rows
    assert json.loads(run("classes", "cat", "--coarse", "--json").out)[0] == {
        "label": "cat",
        "classes": [281, 282, 283, 284, 285, 286, 287],
    }


def test_json(run: Run) -> None:
    tabby = {"index": 281, "label": "tabby", "coarse": "cat", "synset": "n02123045"}
    for word in ("tabby", "n02123045"):
        code, out, _ = run("classes", word, "--json")
        assert code == 0
        assert json.loads(out) == [tabby]


def test_the_classes_of_a_weights_file(run: Run, small: Path, tmp_path: Path) -> None:
    assert found(run("classes", "--model", small).out) == [f"class {i}" for i in range(7)]
    other = {"index": 6, "label": "class 6", "coarse": None, "synset": None}
    assert json.loads(run("classes", "class 6", "--model", small, "--json").out) == [other]
    names = tmp_path / "names.txt"
    names.write_text("".join(f"fig {i}\x1b!\n" for i in range(7)))
    code, out, _ = run("classes", "fig", "--model", small, "--labels", names)
    assert code == 0
    assert out.splitlines()[6] == r"6  fig 6\x1b!"
    code, out, err = run("classes", "--coarse", "--model", small)
    assert (code, out) == (2, "")
    assert err.startswith(f"sqznet: {small}: --coarse is for ImageNet's 1000 classes")
    assert run("classes", "--model", tmp_path / "none.pth").code == 1


def test_classify_sums_the_scores_of_the_cats(run: Run) -> None:
    code, out, err = run("classify", CHELSEA, "--coarse", "--top", "1")
    assert (code, err) == (0, "")
    label, percent = out.splitlines()[1].split()[1:3]
    assert label == "cat"
    assert float(percent) > 99


def test_min_score_counts_the_sum(run: Run) -> None:
    assert "no class" in run("classify", CHELSEA, "--min-score", "0.9").out
    assert "cat" in run("classify", CHELSEA, "--min-score", "0.9", "--coarse").out


def test_coarse_and_fine_answers_are_not_mixed_in_a_file(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "answers.csv"
    assert run("classify", CHELSEA, "--coarse", "-o", target).code == 0
    assert ",1,cat," in target.read_text()
    code, _, err = run("classify", CHELSEA, "-o", target, "--resume")
    assert code == 1
    assert "-coarse'" in err
    assert run("classify", CHELSEA, "--coarse", "-o", target, "--resume").code == 0


def test_coarse_is_refused_for_other_classes(run: Run, small: Path) -> None:
    code, out, err = run("classify", CHELSEA, "--coarse", "--model", small)
    assert (code, out, err.count("\n")) == (2, "", 1)
