"""`load`, `Model` and `classify` from the user's view, mostly on small networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import _kernels
from sqznet.images.preprocessing import PRESETS, Preprocessing
from sqznet.network import reference, variants
from sqznet.weights import hub

from .support import networks
from .support.whole_networks import assert_near

Array = Any

ISAS = [n for n, families, runs, _ in _kernels.instruction_sets() if "f32" in families and runs]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQZNET_ISA", raising=False)
    monkeypatch.delenv("SQZNET_THREADS", raising=False)


@pytest.fixture(scope="module")
def model(small: Path) -> sqznet.Model:
    return sqznet.load(small, threads=2)


@pytest.fixture(scope="module")
def bundled() -> sqznet.Model:
    return sqznet.load(threads=2)


# --- load ------------------------------------------------------------------------------------


def test_the_bundled_model(bundled: sqznet.Model) -> None:
    assert bundled.variant == "squeezenet1_1"
    assert bundled.num_classes == len(bundled.labels) == 1000
    assert bundled.preprocessing == PRESETS["squash-bgr"]
    assert (bundled.threads, bundled.isa) == (2, ISAS[0])
    assert sqznet.load("squeezenet1_1", threads=2).labels == bundled.labels
    for part in ("squeezenet1_1", "1000 classes", ISAS[0], "2 threads"):
        assert part in repr(bundled)


def test_a_file_without_metadata_counts_as_torchvisions(tmp_path: Path) -> None:
    model = sqznet.load(networks.save(tmp_path / "plain.safetensors", networks.tensors()))
    assert model.variant == "squeezenet1_1"
    assert model.preprocessing == PRESETS["torchvision"]
    assert model.labels == tuple(f"class {i}" for i in range(7))


@pytest.mark.parametrize("base", ["squeezenet1_0", "squeezenet1_1"])
@pytest.mark.parametrize("bypass", ["", "_simple_bypass", "_complex_bypass"])
def test_variants(tmp_path: Path, base: str, bypass: str) -> None:
    made = networks.tensors(base, bypass=bypass.removesuffix("_bypass").removeprefix("_"))
    path = networks.save(tmp_path / "w.safetensors", made)
    variant = base + bypass
    loaded = sqznet.load(path, variant=variant, threads=1)
    assert loaded.variant == variant
    x = networks.inputs(1, 2, 40, 50)
    assert_near(networks.network(made, variant), made, x, loaded.logits(x))
    # Without an argument, the settings of the file count.
    path = networks.save(path, made, {"variant": variant})
    assert sqznet.load(path).variant == variant
    other = "squeezenet1_0" if base == "squeezenet1_1" else "squeezenet1_1"
    with pytest.raises(sqznet.WeightsError, match=base):
        sqznet.load(path, variant=other)


@pytest.mark.parametrize("source", ["nonexistent", "no/such/folder/w.pth", "", ".", Path("absent")])
def test_missing_files(source: Any) -> None:
    with pytest.raises(sqznet.WeightsError, match=str(source) or None):
        sqznet.load(source)


@pytest.mark.parametrize(
    "arguments",
    [
        {"threads": 0},
        {"threads": -1},
        {"threads": True},
        {"threads": "2"},
        {"threads": 2000},
        {"threads": 1.5},
        {"isa": "mmx"},
        {"isa": 3},
        {"variant": "resnet18"},
        {"variant": "squeezenet1_0"},
        {"variant": 11},
        {"preprocessing": "imagenet"},
        {"preprocessing": {"size": 224}},
        {"preprocessing": 5},
        {"preprocessing": Preprocessing(size=(16, 224))},  # below the smallest side of the network
        {"labels": ["one", "two"]},
        {"labels": "letters"},  # the path of a missing file
        {"labels": list(range(7))},
        {"labels": 7},
        {"labels": Path("no/such/labels.txt")},
        {"conv1_padding": -1},
        {"conv1_padding": 4},
        {"conv10_padding": "1"},
        {"conv10_padding": True},
        {"ceil_mode": 0},
        {"source": 5},
        {"source": b"\xff\xfe"},
        {"source": "with a \0 in it"},
    ],
    ids=str,
)
def test_invalid_arguments(small: Path, arguments: dict[str, Any]) -> None:
    arguments = {"source": small, **arguments}
    with pytest.raises(sqznet.SqznetError) as caught:
        sqznet.load(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        sqznet.load,
        sqznet.identify,
        sqznet.classify,
        lambda given: sqznet.load(labels=given),
        lambda given: sqznet.load(backbone=given),
        lambda given: sqznet.convert(given, os.devnull + ".npz"),
    ],
    ids=["load", "identify", "classify", "labels", "backbone", "convert"],
)
def test_a_number_is_no_path(small: Path, call: Callable[[Any], Any]) -> None:
    """Python opens a number as a file descriptor, and closes it afterwards."""
    descriptor = os.open(small, os.O_RDONLY)
    try:
        with pytest.raises(sqznet.SqznetError):
            call(descriptor)
        os.fstat(descriptor)  # still open
    finally:
        os.close(descriptor)


def test_errors_are_of_one_family() -> None:
    assert issubclass(sqznet.SqznetError, ValueError)
    for error in (sqznet.ImageError, sqznet.WeightsError, sqznet.UnsupportedIsaError):
        assert issubclass(error, sqznet.SqznetError)


@pytest.mark.parametrize("isa", ISAS)
def test_a_forced_instruction_set_is_used(
    monkeypatch: pytest.MonkeyPatch, small: Path, isa: str
) -> None:
    forced = sqznet.load(small, isa=isa)
    assert forced.isa == isa
    assert forced.executor.kernels.isa == isa
    monkeypatch.setenv("SQZNET_ISA", isa)
    assert sqznet.load(small).isa == isa
    monkeypatch.setenv("SQZNET_ISA", "mmx")
    with pytest.raises(sqznet.UnsupportedIsaError, match="mmx"):
        sqznet.load(small)
    assert sqznet.load(small, isa=isa).isa == isa


@pytest.mark.skipif(len(ISAS) < 2, reason="only one instruction set runs here")
def test_instruction_sets_differ_in_their_last_bits(bundled: sqznet.Model) -> None:
    """So forcing one really changes the code that runs."""
    x = networks.inputs(1, 1, 64, 64)
    results = {isa: sqznet.load(isa=isa, threads=1).logits(x) for isa in (ISAS[0], "scalar")}
    first, second = results.values()
    assert (first != second).any()
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-5 * first.max())


def test_the_threads_variable(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    monkeypatch.setenv("SQZNET_THREADS", "3")
    assert sqznet.load(small).threads == 3
    assert sqznet.load(small, threads=1).threads == 1
    monkeypatch.setenv("SQZNET_THREADS", "many")
    with pytest.raises(sqznet.SqznetError, match="SQZNET_THREADS"):
        sqznet.load(small)


@pytest.mark.parametrize("given", ["caffe", PRESETS["caffe"], PRESETS["caffe"].to_dict()])
def test_preprocessing_may_be_named_or_given(small: Path, given: Any) -> None:
    loaded = sqznet.load(small, preprocessing=given)
    assert loaded.preprocessing == PRESETS["caffe"]
    assert loaded.preprocess(networks.photo()).shape == (1, 3, 227, 227)


@pytest.mark.parametrize("base", ["squeezenet1_0", "squeezenet1_1"])
def test_the_wiring_may_be_given(tmp_path: Path, base: str) -> None:
    made = networks.tensors(base)
    path = networks.save(tmp_path / "w.safetensors", made)
    assert sqznet.load(path).wiring == variants.Wiring()
    loaded = sqznet.load(
        path, conv1_padding=2, conv10_padding=1, ceil_mode=False, preprocessing="squash-bgr"
    )
    assert loaded.wiring == variants.Wiring(2, 1, False)
    photos = [networks.photo(seed) for seed in range(3)]
    x = np.concatenate([loaded.preprocess(photo) for photo in photos])
    network = networks.network(made, wiring=loaded.wiring)
    expected = reference.forward(network, made, x)
    np.testing.assert_allclose(loaded.logits(x), expected, rtol=0, atol=1e-4 * expected.max())
    # Photos are written inside the padding of one buffer.
    for best, logits in zip(loaded.classify(photos, top=1), expected, strict=True):
        assert best[0].index == logits.argmax()
        assert best[0].score == pytest.approx(reference.softmax(logits).max(), abs=1e-4)


def test_the_wiring_in_the_file_counts(tmp_path: Path) -> None:
    path = networks.save(
        tmp_path / "w.safetensors",
        networks.tensors(),
        {"wiring": '{"conv10_padding": 1, "ceil_mode": false}'},
    )
    assert sqznet.load(path).wiring == variants.Wiring(conv10_padding=1, ceil_mode=False)
    assert sqznet.load(path, ceil_mode=True).wiring == variants.Wiring(conv10_padding=1)


def test_a_hub_name_is_downloaded(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(source: str) -> str:
        assert source == "torchvision/squeezenet1_1"
        return str(small)

    monkeypatch.setattr(hub, "fetch", fetch)
    assert sqznet.load("torchvision/squeezenet1_1").num_classes == 7
    assert sqznet.identify("torchvision/squeezenet1_1").path == str(small)
    assert sqznet.load(str(small)).num_classes == 7  # a path is not a hub name


def test_labels_may_be_in_a_file(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("a\nb\nc\nd\ne\nf\ng\n")
    for given in (path, str(path)):
        assert sqznet.load(small, labels=given).labels == tuple("abcdefg")
    path.write_text("a\nb\n")
    with pytest.raises(
        sqznet.WeightsError, match=r"has 7 classes, but there are 2 labels in .*txt"
    ):
        sqznet.load(small, labels=path)


def test_labels_may_be_given(small: Path) -> None:
    names = ["a", "b", "c", "d", "e", "f", "g"]
    assert sqznet.load(small, labels=names).labels == tuple(names)
    assert sqznet.load(small, labels=iter(names)).labels == tuple(names)


# --- logits ----------------------------------------------------------------------------------


def test_logits_of_any_batch(model: sqznet.Model) -> None:
    x = networks.inputs(1, 7, 50, 33)
    together = model.logits(x)
    assert (together.shape, together.dtype) == ((7, 7), np.float32)
    for n in range(8):
        assert model.logits(x[:n]).tobytes() == together[:n].tobytes()


@pytest.mark.parametrize("shape", [(0, 3, 50, 50), (0, 3, 17, 17)])
def test_logits_of_no_images(model: sqznet.Model, shape: tuple[int, ...]) -> None:
    assert model.logits(np.zeros(shape, np.float32)).shape == (0, 7)


def test_logits_of_any_layout(model: sqznet.Model) -> None:
    x = networks.inputs(2, 2, 40, 41)
    expected = model.logits(x).tobytes()
    nhwc = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    backwards = np.ascontiguousarray(x[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1]
    spread = np.zeros((4, 6, 80, 82), np.float32)[::2, ::2, ::2, ::2]
    spread[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    octets = np.zeros(x.nbytes + 1, np.uint8)[1:]
    octets[:] = x.view(np.uint8).reshape(-1)
    unaligned = octets.view(np.float32).reshape(x.shape)
    for other in (nhwc, backwards, spread, read_only, unaligned, np.asfortranarray(x)):
        assert np.array_equal(other, x)
        assert model.logits(other).tobytes() == expected


def test_logits_keep_their_input_and_return_new_memory(model: sqznet.Model) -> None:
    x = networks.inputs(3, 1, 40, 40)
    kept = x.copy()
    first = model.logits(x)
    copied = first.copy()
    model.logits(-x)
    assert np.array_equal(x, kept)
    assert np.array_equal(first, copied)


def wrong_inputs() -> dict[str, Any]:
    good = np.zeros((1, 3, 40, 40), np.float32)
    return {
        "float64": good.astype(np.float64),
        "float16": good.astype(np.float16),
        "uint8": good.astype(np.uint8),
        "the other byte order": good.astype(">f4"),
        "complex": good.astype(np.complex64),
        "objects": good.astype(object),
        "three dimensions": good[0],
        "five dimensions": good[None],
        "no dimension": np.float32(0),
        "a scalar array": np.zeros((), np.float32),
        "one channel": good[:, :1],
        "four channels": np.zeros((1, 4, 40, 40), np.float32),
        "channels last": np.zeros((1, 40, 40, 3), np.float32),
        "no channels": good[:, :0],
        "no rows": good[:, :, :0],
        "no columns": good[..., :0],
        "no images, too small": np.zeros((0, 3, 16, 40), np.float32),
        "too low": good[:, :, :16],
        "too narrow": good[..., :16],
        "a list": good.tolist(),
        "bytes": good.tobytes(),
        "a path": "cat.jpg",
        "nothing": None,
    }


@pytest.mark.parametrize("name", wrong_inputs())
def test_inputs_of_another_shape_or_type(model: sqznet.Model, name: str) -> None:
    with pytest.raises(sqznet.SqznetError):
        model.logits(wrong_inputs()[name])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0, 0, 0), (4, 2, 39, 39)])
def test_inputs_that_are_not_finite(
    model: sqznet.Model, value: float, place: tuple[int, ...]
) -> None:
    x = networks.inputs(1, 5, 40, 40)
    expected = model.logits(x).tobytes()
    broken = x.copy()
    broken[place] = value
    with pytest.raises(sqznet.SqznetError, match="finite"):
        model.logits(broken)
    assert model.logits(x).tobytes() == expected


def test_the_smallest_input(bundled: sqznet.Model) -> None:
    assert np.isfinite(bundled.logits(networks.inputs(1, 1, 17, 17))).all()
    with pytest.raises(sqznet.SqznetError, match="17"):
        bundled.logits(networks.inputs(1, 1, 16, 17))


def test_thread_counts_give_the_same_results(small: Path) -> None:
    x = networks.inputs(4, 5, 61, 47)
    expected = sqznet.load(small, threads=1).logits(x).tobytes()
    for threads in (2, 3, 7):
        assert sqznet.load(small, threads=threads).logits(x).tobytes() == expected


@pytest.mark.parametrize("threads", [1, 2])
def test_many_callers_of_one_model(small: Path, threads: int) -> None:
    shared_model = sqznet.load(small, threads=threads)
    batches = [networks.inputs(n, n, 40 + n, 40) for n in range(5)]
    image = networks.photo()
    expected = [shared_model.logits(x).tobytes() for x in batches]
    named = shared_model.classify(image)

    def turn(i: int) -> bool:
        if i % 6 == 5:
            return bool(shared_model.classify(image) == named)
        return bool(shared_model.logits(batches[i % 6]).tobytes() == expected[i % 6])

    with ThreadPoolExecutor(8) as callers:
        assert all(callers.map(turn, range(120)))
