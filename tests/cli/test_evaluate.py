"""`sqznet evaluate` and `sqznet.evaluate` with a network: names of folders, figures, formats."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

import sqznet
from sqznet import weights
from sqznet.insight.class_names import class_names
from sqznet.insight.evaluation import NEAR, ClassFigures

from ..support.commands import Run
from ..support.places import CHELSEA, COFFEE


def place(folder: Path, **classes: list[Path]) -> Path:
    """A sub-folder of photos for each class."""
    for label, photos in classes.items():
        (folder / label).mkdir(parents=True)
        for number, photo in enumerate(photos):
            shutil.copy(photo, folder / label / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders named as ImageNet's, and one that no network knows. The cat is no espresso."""
    return place(
        tmp_path_factory.mktemp("photos"),
        n07920052=[COFFEE, CHELSEA],  # espresso
        Egyptian_Cat=[CHELSEA],
        gadget=[COFFEE],
    )


# --- Names of folders ----------------------------------------------------------------------------


def test_every_class_of_imagenet_has_a_number() -> None:
    synsets, labels = weights.imagenet_synsets(), weights.imagenet_labels()
    assert len(synsets) == len(set(synsets)) == len(labels)
    assert list(synsets) == sorted(synsets)
    named = dict(zip(synsets, labels, strict=True))
    assert class_names(labels, synsets) == named
    assert named["n01484850"] == "great white shark"
    assert named["n02012849"] == "crane bird"
    assert named["n15075141"] == "toilet tissue"


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("great white shark", "great white shark"),
        ("Great_White-Shark", "great white shark"),
        ("great  white shark ", "great white shark"),
        ("n01484850", "great white shark"),
        ("N01484850", None),
        ("n0148485", None),
        ("n99999999", None),
        ("shark", None),
    ],
)
def test_names_of_folders(folder: str, label: str | None) -> None:
    assert class_names(weights.imagenet_labels(), [folder]) == {folder: label}


def test_labels_of_a_model_come_first() -> None:
    labels = ("n01484850", "Cat", "cat", "caf\u00e9")
    found = class_names(labels, ["n01484850", "n01440764", "cat", "CAT", "cafe\u0301"])
    assert found == {
        "n01484850": "n01484850",
        "n01440764": None,  # a class of ImageNet that this model lacks
        "cat": "cat",
        "CAT": None,  # two labels are like it
        "cafe\u0301": "caf\u00e9",
    }


# --- sqznet.evaluate -----------------------------------------------------------------------------


def test_the_result(photos: Path) -> None:
    found = sqznet.evaluate(photos)
    assert isinstance(found, sqznet.Evaluation)
    assert repr(found) == "<sqznet.Evaluation 2 of 3 correct, 2 classes>"
    assert (found.total, found.correct, found.near, found.unreadable) == (3, 2, 2, 0)
    assert found.accuracy == found.top5_accuracy == pytest.approx(2 / 3)
    assert found.figures() == [
        ClassFigures("Egyptian cat", 1, 1, 1, 1.0, 0.5, "", 0),
        ClassFigures("espresso", 2, 1, 1, 0.5, 0.5, "Egyptian cat", 1),
    ]
    assert found.found_unknown() == (0, 1)
    assert {label: dict(row) for label, row in found.unknown_counts.items()} == {
        "gadget": {"espresso": 1}
    }


def test_a_true_class_among_the_best_five(coarse: Path) -> None:
    model = sqznet.load(coarse, threads=1)
    best = [p.label for p in model.classify(CHELSEA, top=NEAR + 1)]
    found = sqznet.evaluate({best[NEAR - 1]: [CHELSEA], best[NEAR]: [CHELSEA]}, model=model)
    assert (found.total, found.correct, found.near) == (2, 0, 1)
    assert found.near_counts == {best[NEAR - 1]: 1, best[NEAR]: 0}


def test_two_folders_of_one_class_count_together(coarse: Path) -> None:
    found = sqznet.evaluate({"espresso": [COFFEE], "n07920052": [str(COFFEE)]}, model=coarse)
    assert (found.total, list(found.counts)) == (2, ["espresso"])


def test_what_is_left_out_is_reported(tmp_path: Path, coarse: Path) -> None:
    folder = place(tmp_path, espresso=[COFFEE])
    (folder / "espresso" / "bad.jpg").write_bytes(b"none")
    (folder / "empty").mkdir()
    (folder / "stray.jpg").write_bytes(b"none")
    said: list[str] = []
    found = sqznet.evaluate(folder, model=coarse, report=lambda line: said.append(str(line)))
    assert (found.total, found.unreadable) == (1, 1)
    assert any("bad.jpg" in line for line in said)
    assert any("stray.jpg" in line for line in said)
    with pytest.warns(UserWarning, match="jpg"):
        sqznet.evaluate(folder, model=coarse)


def test_what_it_refuses(coarse: Path) -> None:
    with pytest.raises(sqznet.SqznetError, match="expected a folder or a mapping"):
        sqznet.evaluate([COFFEE], model=coarse)  # type: ignore[arg-type]
    with pytest.raises(sqznet.SqznetError, match="espresso: expected image files, found a int"):
        sqznet.evaluate({"espresso": [3]}, model=coarse)  # type: ignore[list-item]
    with pytest.raises(sqznet.SqznetError, match=r"no class with the name of a folder \(gadget"):
        sqznet.evaluate({"gadget": [COFFEE]}, model=coarse)
    with pytest.raises(sqznet.WeightsError):
        sqznet.evaluate({"espresso": [COFFEE]}, model="absent.pth")


# --- sqznet evaluate -----------------------------------------------------------------------------


def test_a_table(photos: Path, run: Run) -> None:
    code, out, err = run("evaluate", photos)
    assert (code, err) == (0, "")
    *head, third = (rest := out.splitlines())[:3]
    assert head == ["2 of 3 correct: 66.7 %", "2 of 3 among the best 5 answers: 66.7 %"]
    assert third == "0 of 1 photos of other classes called unknown: 0.0 %"
    assert rest[-1].split() == [
        *("espresso", "2", "50.0", "%", "50.0", "%", "Egyptian", "cat", "(1)"),
    ]


def test_the_best_five_in_the_table(tmp_path: Path, coarse: Path, run: Run) -> None:
    second = sqznet.load(coarse, threads=1).classify(CHELSEA)[1].label
    folder = place(tmp_path, **{second: [CHELSEA]})
    code, out, _ = run("evaluate", folder, "--model", coarse)
    assert code == 0
    assert out.splitlines()[:2] == [
        "0 of 1 correct: 0.0 %",
        "1 of 1 among the best 5 answers: 100.0 %",
    ]


def test_csv_and_json(photos: Path, run: Run) -> None:
    expected = sqznet.evaluate(photos)
    code, out, err = run("evaluate", photos, "--format", "csv")
    assert (code, err) == (0, "")
    header, *rows = csv.reader(io.StringIO(out))
    assert tuple(header) == ClassFigures._fields
    assert rows == [["" if v is None else str(v) for v in row] for row in expected.figures()]
    code, out, err = run("evaluate", photos, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found == expected.to_dict()
    assert found["classes"][1]["answers"] == {"espresso": 1, "Egyptian cat": 1}
    assert found["other_classes"] == [{"label": "gadget", "photos": 1, "answers": {"espresso": 1}}]


@pytest.mark.usefixtures("draws_text")
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_file_holds_what_is_printed(photos: Path, tmp_path: Path, run: Run, suffix: str) -> None:
    target = tmp_path / f"found.{suffix}"
    code, out, err = run("evaluate", photos, "-o", target)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith(f"{target}: ")
    assert target.read_text() == run("evaluate", photos, "--format", suffix).out
    code, out, err = run("evaluate", photos, "-o", tmp_path / "absent" / f"found.{suffix}")
    assert (code, err.count("\n")) == (1, 1)
    assert "cannot be written" in err


def test_other_files_are_refused(photos: Path, run: Run) -> None:
    code, out, err = run("evaluate", photos, "-o", "found.xyz")
    assert (code, out) == (2, "")
    assert "expected one of .png, .jpg, .jpeg, .csv, .json" in err


def test_data_stay_alone_on_stdout(photos: Path, tmp_path: Path, run: Run) -> None:
    picture = tmp_path / "confusion.png"
    code, out, _ = run("evaluate", photos, "--format", "json", "-o", picture)
    assert code == 0
    assert json.loads(out)["photos"] == 3
    assert picture.is_file()


def test_unreadable_photos_are_counted(tmp_path: Path, coarse: Path, run: Run) -> None:
    folder = place(tmp_path, espresso=[COFFEE])
    (folder / "espresso" / "c.jpg").write_bytes(b"none")
    code, out, err = run("evaluate", folder, "--model", coarse, "--format", "json")
    assert code == 1
    assert "c.jpg" in err
    assert json.loads(out)["unreadable"] == 1
