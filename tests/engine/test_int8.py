"""Networks of 8-bit integers: the same bits as the reference, and the choice of the precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet import SqznetError, WeightsError, _kernels
from sqznet.engine import bands
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.layers import Network
from sqznet.network.variants import Wiring, network_for
from sqznet.quantization import reference
from sqznet.quantization.plan import Plan
from sqznet.weights import metadata
from sqznet.weights.integers import integers_text

from ..support import integer_networks, networks
from ..support.integer_networks import MEAN, STD

SETS = [n for n, families, runs, _ in _kernels.instruction_sets() if "int8" in families and runs]
PREPROCESSING = Preprocessing((80, 90), "squash", "rgb", MEAN, STD)


class Case:
    """A small network in a file with integers, and its reference."""

    def __init__(self, path: Path, variant: str, wiring: Wiring, classes: int = 7) -> None:
        bypass = next((kind for kind in ("simple", "complex") if kind in variant), "")
        base = variant.removesuffix(f"_{bypass}_bypass")
        self.made = networks.tensors(base, classes, bypass)
        shapes = {name: array.shape for name, array in self.made.items()}
        self.network: Network = network_for(shapes, variant, wiring=wiring)
        integers = integer_networks.described(self.network)
        stated = metadata.dump(variant, PREPROCESSING, None, wiring, integers_text(integers))
        self.path = networks.save(path, self.made, stated)
        self.plan: Plan
        self.plan, self.convs = integer_networks.planned(self.network, self.made)

    def load(self, **options: Any) -> Any:
        return sqznet.load(self.path, **{"precision": "int8", **options})

    def outputs(self, levels: Any) -> dict[str, Any]:
        return reference.layer_outputs(self.network, self.convs, self.plan, levels)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("int8") / "a.safetensors", "squeezenet1_1", Wiring())


def normalized(levels: Any) -> Any:
    scaled = (levels - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(np.moveaxis(scaled.astype(np.float32), -1, 1))


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize(
    ("variant", "wiring"),
    [
        ("squeezenet1_1", Wiring()),
        ("squeezenet1_0", Wiring(conv10_padding=1, ceil_mode=False)),
        ("squeezenet1_1", Wiring(conv1_padding=1, conv10_relu=False)),
        ("squeezenet1_1_simple_bypass", Wiring()),
        ("squeezenet1_0_complex_bypass", Wiring(conv10_padding=1)),
    ],
    ids=["1.1", "1.0", "padded", "simple bypass", "complex bypass"],
)
def test_logits_are_the_reference_s(isa: str, variant: str, wiring: Wiring, tmp_path: Path) -> None:
    case = Case(tmp_path / "a.safetensors", variant, wiring)
    levels = integer_networks.photos(1, 3, 61, 74)
    expected = case.outputs(levels)["logits"]
    assert len(np.unique(expected)) > 10  # not all the same
    for threads in (1, 2, 3):  # the batch is as large as the number of threads
        found = case.load(isa=isa, threads=threads).logits(normalized(levels))
        assert found.tobytes() == expected.tobytes()


def test_a_photo_is_only_resized(case: Case) -> None:
    photo = integer_networks.photos(2, 1, 200, 300)[0]
    model = case.load()
    levels = model.preprocess(photo) * np.array(STD)[:, None, None] + np.array(MEAN)[:, None, None]
    logits = case.outputs(np.rint(np.moveaxis(levels, 1, -1)).astype(np.uint8))["logits"]
    best = model.classify(photo, top=7)
    assert [p.index for p in best] == list(np.argsort(-logits[0], kind="stable"))
    assert model.classify([photo] * 3, top=7) == [best] * 3


def test_feature_maps_are_the_values_that_bytes_stand_for(case: Case) -> None:
    photo = integer_networks.photos(3, 1, 80, 90)[0]
    (maps,) = case.load().feature_maps([photo], ["conv1", "fire2", "fire9"])
    known = case.network.layer_names
    found = case.outputs(photo[None])
    for name in ("conv1", "fire2", "fire9"):
        grid = case.plan.maps[known[name]]
        values = found[known[name]][0] * np.array(grid.scales, np.float32)
        np.testing.assert_array_equal(maps[name], values)
    assert maps["logits"].tobytes() == found["logits"][0].tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_bands_change_nothing(case: Case, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = integer_networks.photos(4, 2, 150, 90)
    expected = case.load(threads=threads).logits(normalized(levels))
    monkeypatch.setattr(bands, "LARGE", 1)
    monkeypatch.setattr(bands, "BAND", 1)
    model = case.load(threads=threads)
    layers = [index for index, _ in model.executor.acquire(1, 150, 90).by_layer()]
    assert len(layers) > len(set(layers))  # it does run in bands
    assert model.logits(normalized(levels)).tobytes() == expected.tobytes()


def test_maps_take_a_quarter_of_the_memory(case: Case) -> None:
    sizes = {}
    for precision in ("float32", "int8"):
        sizes[precision] = case.load(precision=precision).executor.acquire(1, 224, 224).nbytes
    assert sizes["int8"] < 0.3 * sizes["float32"]


def test_what_is_built_on_a_model_works_with_integers(case: Case) -> None:
    model = case.load()
    photo = integer_networks.photos(5, 1, 80, 90)[0]
    assert model.embed(photo).shape == case.load(precision="float32").embed(photo).shape
    assert model.heatmap(photo).shape == photo.shape[:2]


def test_the_precision_is_that_asked_for(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    assert case.load(precision=None).precision == "float32"
    assert case.load().precision == "int8"
    assert "int8" in repr(case.load())
    monkeypatch.setenv("SQZNET_PRECISION", "int8")
    assert case.load(precision=None).precision == "int8"
    assert case.load(precision="float32").precision == "float32"
    monkeypatch.setenv("SQZNET_PRECISION", "int7")
    with pytest.raises(
        SqznetError, match=r"'int7' \(the environment's SQZNET_PRECISION\), expected"
    ):
        case.load(precision=None)


def test_auto_takes_integers_where_they_are_faster(case: Case, small: Path) -> None:
    assert case.load(precision="auto", isa="scalar").precision == "float32"
    if "avx512_vnni" in SETS:
        assert case.load(precision="auto").precision == "int8"
    assert sqznet.load(small, precision="auto").precision != "int8"


def test_files_that_cannot_run_in_integers_say_so(case: Case, small: Path) -> None:
    with pytest.raises(WeightsError, match="does not say how its weights become integers"):
        sqznet.load(small, precision="int8")
    other = PREPROCESSING._replace(mean=(0.0, 0.0, 0.0))
    with pytest.raises(WeightsError, match="for another preprocessing"):
        case.load(preprocessing=other)
