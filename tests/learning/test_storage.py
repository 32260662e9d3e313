"""The file of a recognizer: it is read back as written, and any other file is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import weights
from sqznet.errors import SqznetError, WeightsError
from sqznet.learning import storage
from sqznet.learning.recognizer import Recognizer, learn

from ..support import networks
from ..support.learning_files import BACKBONE, examples, joined, small, split
from ..support.patterns import picture, pictures
from ..support.places import COFFEE


@pytest.fixture(scope="module")
def taught(coarse: Path) -> Recognizer:
    shown = {kind: pictures(kind, 2) for kind in ("rings", "checks")}
    return learn(shown, model=sqznet.load(coarse, threads=1), mirror=False)


@pytest.mark.parametrize("mirror", [None, True, False])
@pytest.mark.parametrize("labels", [("a", "b"), ("Größe\n", '"\\\0')])
def test_what_is_written_is_read_back(mirror: bool | None, labels: tuple[str, ...]) -> None:
    made = examples(mirrored=mirror is not False)
    made = type(made)(labels, made.codes, made.classes, made.images, made.mirrored)
    content = storage.encode(made, mirror, BACKBONE)
    assert len(content) < len(made) * 3500 + 2000
    found, found_mirror, backbone = storage.decode(memoryview(content))
    assert (found_mirror, backbone, found.labels) == (mirror, BACKBONE, labels)
    for name in ("codes", "classes", "images", "mirrored"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
        assert getattr(found, name).dtype == getattr(made, name).dtype
    assert storage.encode(found, mirror, BACKBONE) == content


def test_a_saved_recognizer_gives_the_same_answers(tmp_path: Path, taught: Recognizer) -> None:
    path = tmp_path / "patterns.sqz"
    taught.save(path)
    probes = [picture("rings", 30), picture("checks", 30), COFFEE]
    loaded = sqznet.load(path, threads=1)
    assert isinstance(loaded, Recognizer)
    assert loaded.labels == taught.labels
    for one, other in zip(loaded.classify(probes), taught.classify(probes), strict=True):
        assert [p.label for p in one] == [p.label for p in other]
        assert [p.score for p in one] == pytest.approx([p.score for p in other], abs=1e-9)
    loaded.add("stripes", pictures("stripes", 2))
    assert loaded.classify(picture("stripes", 30))[0].label == "stripes"
    again = Recognizer.load(str(path), backbone=taught.model)
    assert again.model is taught.model


def test_the_safetensors_library_reads_it(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    (tmp_path / "small.sqz").write_bytes(small())
    arrays = library.load_file(tmp_path / "small.sqz")
    np.testing.assert_array_equal(arrays["codes"], examples().codes)


# --- Backbones ---------------------------------------------------------------------------------


def test_it_works_with_another_network_and_asks_for_it(tmp_path: Path) -> None:
    weights_file = networks.save(tmp_path / "small.safetensors", networks.tensors())
    other_file = networks.save(tmp_path / "other.safetensors", networks.tensors(seed=1))
    own = sqznet.load(weights_file, threads=1, preprocessing="caffe", conv10_padding=1)
    shown = {kind: pictures(kind, 3) for kind in ("rings", "stripes")}
    taught = learn(shown, model=own)
    path = tmp_path / "patterns.sqz"
    taught.save(path)
    assert sqznet.load(path, backbone=weights_file).classify(picture("rings", 9)) == (
        taught.classify(picture("rings", 9))
    )
    with pytest.raises(WeightsError) as caught:
        sqznet.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: was trained on small.safetensors (squeezenet1_1, weights ")
    assert "found " + weights.BUNDLED_PATH in message
    with pytest.raises(WeightsError, match=r"small\.safetensors .*, found .*other\.safetensors"):
        sqznet.load(path, backbone=other_file)
    with pytest.raises(WeightsError, match=r"found .*squeezenet1_1\.safetensors"):
        Recognizer.load(path, backbone=sqznet.load(threads=1))
    with pytest.raises(SqznetError, match=r"was trained with preprocessing .*227.*, the model has"):
        Recognizer.load(path, backbone=sqznet.load(weights_file, threads=1))


def test_the_same_weights_in_another_format_work(tmp_path: Path, taught: Recognizer) -> None:
    taught.save(tmp_path / "patterns.sqz")
    sqznet.convert("squeezenet1_1", tmp_path / "bundled.npz")
    other = sqznet.load(tmp_path / "patterns.sqz", backbone=tmp_path / "bundled.npz", threads=1)
    assert other.classify(COFFEE) == taught.classify(COFFEE)


def test_settings_that_the_file_holds_cannot_be_given(tmp_path: Path, taught: Recognizer) -> None:
    path = tmp_path / "patterns.sqz"
    taught.save(path)
    with pytest.raises(SqznetError, match="is a recognizer; its file sets preprocessing"):
        sqznet.load(path, labels=["a", "b"])
    with pytest.raises(WeightsError, match="is a recognizer, which sqznet"):
        weights.read(path)
    with pytest.raises(SqznetError, match="is not a recognizer, so it has no backbone"):
        sqznet.load(weights.BUNDLED_PATH, backbone=weights.BUNDLED_PATH)
    with pytest.raises(WeightsError, match=r"coffee\.jpg: begins with .* expected a file that"):
        Recognizer.load(COFFEE)
    with pytest.raises(WeightsError, match="absent"):
        Recognizer.load(tmp_path / "absent.sqz")


# --- Damage ------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]


def stated(name: str, value: object) -> Change:
    return lambda header: header["__metadata__"].__setitem__(name, value)


def unstated(name: str) -> Change:
    return lambda header: header["__metadata__"].__delitem__(name)


def reshaped(name: str, shape: list[int]) -> Change:
    return lambda header: header[name].__setitem__("shape", shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (stated("version", "2"), "is a recognizer of version '2', expected '1'"),
        (unstated("version"), "is a recognizer of version None"),
        (stated("mirror", "maybe"), "\"mirror\" is 'maybe', expected one of auto, true, false"),
        (stated("mirror", "false"), 'holds mirror images, but "mirror" is false'),
        (unstated("labels"), '"labels" is missing'),
        (unstated("variant"), '"variant" is missing'),
        (stated("labels", '["one"]'), "the classes of the rows do not match the 1 labels"),
        (stated("labels", '["one","one"]'), "a label is empty or appears twice"),
        (stated("labels", '["one",""]'), "a label is empty or appears twice"),
        (stated("backbone", "[]"), "expected a file and its sha256"),
        (stated("backbone", '{"file":"a","sha256":"zz"}'), "'zz' is not a SHA-256"),
        (stated("backbone", "{"), "backbone: not valid JSON"),
        (stated("preprocessing", "{}"), '"preprocessing" in the metadata'),
        (reshaped("codes", [3456, 8]), r"codes has shape \(3456, 8\)"),
        (reshaped("codes", [8, 3455]), "takes 27640 bytes"),
        (reshaped("classes", [2, 4]), r"classes has shape \(2, 4\), expected \(8,\)"),
        (
            lambda header: header["codes"].update(dtype="U8"),
            "'codes' of type U8, expected",
        ),
        (lambda header: header.pop("mirrored"), "8 bytes at the end do not belong to a tensor"),
    ],
)
def test_a_changed_header_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    header, body = split(small())
    change(header)
    path = tmp_path / "small.sqz"
    path.write_bytes(joined(header, body))
    with pytest.raises(WeightsError, match=message) as caught:
        sqznet.load(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("classes", 7, "the classes of the rows do not match the 2 labels"),
        ("classes", -1, "the classes of the rows do not match the 2 labels"),
        ("images", 3, "expected one row for each image"),
        ("images", -4, "expected one row for each image"),
        ("mirrored", 1, "expected one row for each image"),
        ("codes", -128, "codes holds -128"),
    ],
)
def test_inconsistent_rows_are_refused(name: str, value: int, message: str) -> None:
    header, body = split(small())
    begin = header[name]["data_offsets"][0]
    size = 4 if name in ("classes", "images") else 1
    data = value.to_bytes(size, "little", signed=True)
    changed = body[:begin] + data + body[begin + size :]
    with pytest.raises(WeightsError, match=message):
        storage.decode(memoryview(joined(header, changed)))


def test_invalid_flags_are_refused(tmp_path: Path) -> None:
    content = bytearray(small())
    content[-1] = 2
    with pytest.raises(WeightsError, match="mirrored holds bytes other than 0 and 1"):
        storage.decode(memoryview(bytes(content)))


def test_a_truncated_file_is_refused() -> None:
    content = small()
    for length in range(1, len(content), 97):
        with pytest.raises(WeightsError):
            storage.decode(memoryview(content[:length]))


# --- Writing -----------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, taught: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "patterns.sqz"
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeightsError, match=r"patterns\.sqz: cannot be written: No space left"):
        taught.save(path)
    assert os.listdir(tmp_path) == ["patterns.sqz"]
    assert path.read_bytes() == b"before"


def test_a_place_that_cannot_be_written(tmp_path: Path, taught: Recognizer) -> None:
    with pytest.raises(WeightsError, match="cannot be written"):
        taught.save(tmp_path / "absent" / "patterns.sqz")
    with pytest.raises(WeightsError, match="cannot be written"):
        taught.save("zero\0byte.sqz")
