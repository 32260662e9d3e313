"""A recognizer does what a model does: heat maps, vectors, many photos, asyncio, commands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.diagnostics.measuring import measure
from sqznet.errors import ImageError, SqznetError
from sqznet.insight import vectors
from sqznet.learning import features
from sqznet.learning.recognizer import Recognizer, learn

from ..support.commands import Run, exit_code
from ..support.patterns import picture, quarters, write_folder
from ..support.places import CHELSEA, COFFEE


@pytest.fixture(scope="module")
def backbone(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse, threads=2)


@pytest.fixture(scope="module")
def taught(backbone: sqznet.Model) -> Recognizer:
    return learn({"cup": quarters(COFFEE), "cat": quarters(CHELSEA)}, model=backbone)


@pytest.fixture(scope="module")
def file(taught: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("taught") / "taught.sqz"
    taught.save(path)
    return path


def both() -> Any:
    """The cat on the left, the cup on the right, at equal sizes."""
    from PIL import Image

    photos = []
    for path in (CHELSEA, COFFEE):
        with Image.open(path) as photo:
            photos.append(np.asarray(photo.convert("RGB").resize((300, 300))))
    return np.concatenate(photos, axis=1)


# --- Heat ----------------------------------------------------------------------------------------


def test_the_heat_is_where_the_class_is(taught: Recognizer) -> None:
    photo = both()
    for label, own, other in (
        ("cat", slice(300), slice(300, 600)),
        ("cup", slice(300, 600), slice(300)),
    ):
        heat = taught.heatmap(photo, label)
        assert (heat.shape, heat.dtype, heat.label) == ((300, 600), np.float32, label)
        assert heat.min() >= 0
        assert heat.max() == pytest.approx(1, abs=0.02)
        # The backbone crops the center, so both halves are seen alike.
        assert heat[:, own].mean() > 5 * heat[:, other].mean()
    (box,) = [box for box in taught.localize(photo, top=2) if box.label == "cat"]
    assert box.x1 <= 330


def test_a_heat_map_explains_the_answer_of_classify(taught: Recognizer) -> None:
    best = taught.classify(CHELSEA)[0]
    heat = taught.heatmap(CHELSEA)
    assert heat.label == best.label == "cat"
    assert heat.score == pytest.approx(best.score)
    png = heat._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")


def test_a_photo_of_neither_class_has_the_heat_of_its_best_class(taught: Recognizer) -> None:
    photo = picture("rings", 3)
    unknown, best, _ = taught.classify(photo)
    assert unknown.index == -1
    evidence = taught.evidence(photo)
    assert evidence.is_unknown
    assert not taught.evidence(CHELSEA).is_unknown
    heat = taught.heatmap(photo)
    assert (heat.label, heat.score) == (best.label, pytest.approx(best.score))
    with pytest.raises(SqznetError, match="no class is named 'unknown'"):
        taught.heatmap(photo, "unknown")


def test_a_class_alone_has_heat_where_the_photo_is_like_its_examples(
    backbone: sqznet.Model,
) -> None:
    cat = learn({"cat": quarters(CHELSEA)}, model=backbone, report=lambda _: None)
    heat = cat.heatmap(both())
    assert heat[:, :300].mean() > 2 * heat[:, 300:].mean()


def test_all_that_is_taken_away_is_the_whole(backbone: sqznet.Model) -> None:
    """On a grid of one place, the window covers everything alike but for the edges."""
    (maps,) = backbone.feature_maps([CHELSEA], tuple(features.LAYERS))
    assert features.covered(maps, 3, 4).shape == (12, features.LENGTH)
    one, whole = features.covered(maps, 1, 1)[0], features.described(maps)
    assert float(one @ one) == pytest.approx(1, abs=1e-5)
    assert float(one @ whole) < 0.999  # something is missing
    fine = features.covered(maps, 40, 40)
    assert (fine @ whole).min() > 0.99  # little is missing


def test_nothing_is_asked_of_a_recognizer_without_examples(backbone: sqznet.Model) -> None:
    empty = Recognizer(backbone)
    for ask in (empty.heatmap, empty.localize, empty.classify, empty.classify_files):
        with pytest.raises(SqznetError, match="has no examples yet"):
            ask(CHELSEA)
    with pytest.raises(SqznetError, match="has no examples yet"):
        asyncio.run(empty.aclassify(CHELSEA))


# --- Many photos ---------------------------------------------------------------------------------


def test_files(taught: Recognizer, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no photo")
    found = list(taught.classify_files([CHELSEA, bad, COFFEE], top=2))
    assert [result.path for result in found] == [str(CHELSEA), str(bad), str(COFFEE)]
    assert found[0].predictions == taught.classify(CHELSEA, top=2)
    assert isinstance(found[1].error, ImageError)
    assert [p.label for p in found[2].predictions] == ["cup", "cat"]
    with pytest.raises(SqznetError, match="top"):
        taught.classify_files(CHELSEA, top=0)


def test_asyncio(taught: Recognizer) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(*(taught.aclassify(p) for p in (CHELSEA, COFFEE, CHELSEA)))

    answers = asyncio.run(main())
    assert [answer[0].label for answer in answers] == ["cat", "cup", "cat"]
    assert answers[0] == answers[2] == taught.classify(CHELSEA)


def test_what_is_added_later_counts(backbone: sqznet.Model) -> None:
    grows = learn({"cup": quarters(COFFEE)}, model=backbone, report=lambda _: None)
    asyncio.run(grows.aclassify(CHELSEA))
    grows.add("cat", quarters(CHELSEA))
    assert asyncio.run(grows.aclassify(CHELSEA))[0].label == "cat"


def test_vectors_are_those_of_the_network(taught: Recognizer, backbone: sqznet.Model) -> None:
    np.testing.assert_array_equal(
        taught.embed([CHELSEA, COFFEE], True), backbone.embed([CHELSEA, COFFEE], True)
    )


# --- Commands ------------------------------------------------------------------------------------


def test_embed_and_similar(file: Path, coarse: Path, tmp_path: Path, run: Run) -> None:
    of_network, of_taught = tmp_path / "n.npz", tmp_path / "t.npz"
    names = ("--model", file, "--backbone", coarse, "--threads", "1")
    assert exit_code("embed", CHELSEA, "-o", of_network, "--model", coarse, "--threads", "1") == 0
    assert exit_code("embed", CHELSEA, "-o", of_taught, *names) == 0
    one, other = (vectors.load(str(path)) for path in (of_network, of_taught))
    assert one.weights == other.weights == sqznet.identify(coarse).sha256
    np.testing.assert_array_equal(one.vectors, other.vectors)
    code, out, err = run("similar", COFFEE, of_network, *names)
    assert (code, err) == (0, "")
    assert str(CHELSEA) in out


def test_bench(file: Path, coarse: Path, taught: Recognizer, run: Run) -> None:
    code, out, err = run(
        *("bench", "--model", file, "--backbone", coarse, "--seconds", "0.1", "--json"),
        *("--photo", CHELSEA),
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["variant"] == "squeezenet1_1"
    assert found["file_to_answer"]["p50_ms"] > 0
    assert "conv10" in measure(taught, 0.1, CHELSEA).layers_ms


def test_identify(file: Path, coarse: Path, run: Run) -> None:
    found = sqznet.identify(file)
    assert (found.format, found.classes, found.bundled) == ("recognizer", 2, True)
    assert dict(found.images) == {"cup": 5, "cat": 5}
    assert (found.backbone, found.variant) == (coarse.name, "squeezenet1_1")
    assert found.preprocessing.size == (128, 128)
    code, out, err = run("identify", file, coarse)
    assert (code, err) == (0, "")
    for part in (
        f"{file}\n",
        "  format         recognizer, ",
        "  classes        2\n                 cup (5 images)\n",
        "  trained on     coarse.safetensors, weights ",
        f"\n\n{coarse}\n",
    ):
        assert part in out
    code, out, _ = run("identify", "--json", file)
    assert code == 0
    assert json.loads(out) == found.to_dict()


def test_a_damaged_recognizer_is_one_error(file: Path, tmp_path: Path, run: Run) -> None:
    cut = tmp_path / "cut.sqz"
    cut.write_bytes(file.read_bytes()[:-1])
    code, out, err = run("identify", cut)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"sqznet: {cut}: ")


def test_the_folder_commands_take_it(file: Path, coarse: Path, tmp_path: Path, run: Run) -> None:
    folder = write_folder(tmp_path / "photos", ("rings",), 1)
    code, out, _ = run("classify", folder, "--model", file, "--backbone", coarse, "--top", "1")
    assert code == 0
    assert "unknown" in out
