"""Maps that a caller asks to keep: equal to the reference, whatever else uses the arena."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sqznet
from sqznet.errors import ImageError, SqznetError
from sqznet.network import reference

from ..support import networks

Array = Any


@pytest.mark.parametrize("bypass", ["", "_simple_bypass", "_complex_bypass"])
def test_every_fire_matches_the_reference(tmp_path: Path, bypass: str) -> None:
    made = networks.tensors("squeezenet1_1", bypass=bypass.removesuffix("_bypass").lstrip("_"))
    path = networks.save(tmp_path / "small.safetensors", made)
    model = sqznet.load(path, threads=2, variant=f"squeezenet1_1{bypass}")
    layers = ("conv1", *(f"fire{i}" for i in range(2, 10)))
    photos = [networks.photo(1), networks.photo(2), networks.photo(3)]
    found = list(model.feature_maps(photos, layers))
    x = np.concatenate([model.preprocess(photo) for photo in photos])
    network = networks.network(made, f"squeezenet1_1{bypass}")
    expected = reference.layer_outputs(network, made, x)
    names = network.layer_names
    assert set(names) == set(layers)
    for i, maps in enumerate(found):
        assert set(maps) == {*layers, "logits"}
        for layer in layers:
            y = expected[names[layer]][i].transpose(1, 2, 0)
            assert maps[layer].dtype == np.float32
            assert np.abs(maps[layer] - y).max() <= 5e-5 * np.abs(y).max()
        np.testing.assert_array_equal(maps["logits"], model.logits(x[i : i + 1])[0])


def test_maps_belong_to_the_caller(tmp_path: Path) -> None:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors())
    model = sqznet.load(path, threads=1)
    first, second = model.feature_maps([networks.photo(1), networks.photo(2)])
    before = first["fire9"].copy()
    model.classify(networks.photo(3))
    list(model.feature_maps([networks.photo(4)]))
    np.testing.assert_array_equal(first["fire9"], before)
    assert not np.array_equal(first["fire9"], second["fire9"])


def test_bad_requests(tmp_path: Path) -> None:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors())
    model = sqznet.load(path)
    with pytest.raises(SqznetError, match="no layer 'fire1', expected one of conv1, fire2"):
        list(model.feature_maps([networks.photo()], ["fire1"]))
    with pytest.raises(ImageError):
        list(model.feature_maps([tmp_path / "absent.jpg"]))
    assert list(model.feature_maps([])) == []
