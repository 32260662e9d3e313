"""The description of integers in a file's metadata: written, read back, refused where damaged."""

from __future__ import annotations

import json
import struct
from array import array
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sqznet
from sqznet import weights
from sqznet.errors import WeightsError
from sqznet.quantization import description
from sqznet.quantization.description import Grid
from sqznet.weights.strict_json import compact

from ..support import integer_networks, networks

Change = Callable[[dict[str, Any]], object]


def small(bypass: str = "") -> description.Integers:
    made = networks.tensors(bypass=bypass)
    variant = f"squeezenet1_1_{bypass}_bypass" if bypass else None
    return integer_networks.described(networks.network(made, variant))


@pytest.mark.parametrize("bypass", ["", "simple", "complex"])
def test_what_is_written_is_read_back(bypass: str) -> None:
    integers = small(bypass)
    text = compact(description.to_json(integers))
    assert description.from_json(json.loads(text)) == integers
    assert bool(integers.sums) == bool(bypass)


def test_rounding_of_a_file_s_own_is_read_back() -> None:
    integers = small()
    grids = (Grid(0.5, 0, 127), Grid(8.0, -3, 255))
    convs = {name: conv._replace(rounded=grids) for name, conv in integers.convs.items()}
    own = integers._replace(convs=convs, limits=(1, 254), logits=(Grid(0.25, -128, 40000),))
    text = compact(description.to_json(own))
    assert description.from_json(json.loads(text)) == own
    assert not {"limits", "logits"} & set(description.to_json(integers))


def test_arrays_are_little_endian(monkeypatch: pytest.MonkeyPatch) -> None:
    integers = small()
    first = integers.convs["features.0"]
    written = description.to_json(integers)["convs"]["features.0"]["bias"]
    assert written == b64encode(struct.pack(f"<{len(first.bias)}i", *first.bias)).decode()
    monkeypatch.setattr(description.sys, "byteorder", "big")  # as if this machine were
    swapped = array("i", first.bias)
    swapped.byteswap()
    assert description.from_json(description.to_json(integers)) == integers
    again = description.to_json(integers)["convs"]["features.0"]["bias"]
    assert again == b64encode(swapped.tobytes()).decode()


def text_of(kind: str, *numbers: float) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}{kind}", *numbers)).decode()


DAMAGE: dict[str, tuple[Change, str]] = {
    "not an object": (lambda it: it.update(convs=[1]), "convs: expected an object"),
    "no mean": (lambda it: it.pop("mean"), "it: expected an object of mean, std, convs, sums"),
    "two means": (lambda it: it.update(mean=[1, 2]), "mean: expected three numbers"),
    "a text": (lambda it: it.update(std=[1, 2, "3"]), "std: expected three numbers"),
    "no deviation": (lambda it: it.update(std=[1, 0, 3]), "std: expected three numbers"),
    "a huge deviation": (
        lambda it: it.update(std=[1, 1e39, 3]),
        "std: expected three numbers",
    ),
    "a huge mean": (
        lambda it: it.update(mean=[1, -1e39, 3]),
        "mean: expected three numbers",
    ),
    "digits": (lambda it: it.update(mean=[10**400, 1, 3]), "mean: expected three numbers"),
    "another field": (
        lambda it: it["convs"]["features.0"].update(zero=1),
        "'features.0': expected an object of weight_scales, bias, output_scales",
    ),
    "no base64": (
        lambda it: it["convs"]["features.0"].update(bias="%%%%"),
        "bias of 'features.0': expected numbers of 4 bytes in base64",
    ),
    "not ASCII": (
        lambda it: it["convs"]["features.0"].update(bias="\u00e9"),
        "bias of 'features.0': expected numbers of 4 bytes in base64",
    ),
    "no text": (
        lambda it: it["convs"]["features.0"].update(bias=3),
        "bias of 'features.0': expected numbers of 4 bytes in base64",
    ),
    "half a number": (
        lambda it: it["convs"]["features.0"].update(bias=b64encode(b"123456").decode()),
        "bias of 'features.0': expected numbers of 4 bytes in base64",
    ),
    "a huge bias": (
        lambda it: it["convs"]["features.0"].update(bias=text_of("i", 1, -(2**30) - 1)),
        r"bias of 'features.0': expected numbers between -2\*\*30 and 2\*\*30",
    ),
    "a scale of 0": (
        lambda it: it["convs"]["features.0"].update(weight_scales=text_of("f", 1, 0)),
        "weight_scales of 'features.0': expected positive, finite numbers",
    ),
    "a negative scale": (
        lambda it: it["convs"]["features.0"].update(output_scales=text_of("f", 1, -1e-9)),
        "output_scales of 'features.0': expected positive, finite numbers",
    ),
    "no number": (
        lambda it: it["convs"]["features.0"].update(output_scales=text_of("f", float("nan"), 1)),
        "output_scales of 'features.0': expected positive, finite numbers",
    ),
    "infinite": (
        lambda it: it["convs"]["features.0"].update(weight_scales=text_of("f", float("inf"), 1)),
        "weight_scales of 'features.0': expected positive, finite numbers",
    ),
    "a large zero point": (
        lambda it: it["sums"]["features.4"].update(zero=256),
        "zero of 'features.4' is 256, expected 0 to 255",
    ),
    "limits in the wrong order": (
        lambda it: it.update(limits=[3, 2]),
        "expected two bytes in order",
    ),
    "one limit": (lambda it: it.update(limits=[3]), "expected two bytes in order"),
    "no grid": (lambda it: it.update(logits=[3]), "logits: expected a grid of a scale and"),
    "many grids": (lambda it: it.update(logits=[[1.0, 0, 1]] * 9), "expected a list of 8 grids"),
    "a grid of nothing": (
        lambda it: it["convs"]["features.0"].update(rounded=[[0.0, 0, 1]]),
        "rounded of 'features.0': expected a grid",
    ),
    "an infinite grid": (
        lambda it: it["convs"]["features.0"].update(rounded=[[float("nan"), 0, 1]]),
        "rounded of 'features.0': expected a grid",
    ),
    "a grid of more than bytes": (
        lambda it: it["convs"]["features.0"].update(rounded=[[1.0, 0, 256]]),
        "whole numbers from -255 to 0 and from 0 to 255",
    ),
    "true as a zero point": (
        lambda it: it["sums"]["features.4"].update(zero=True),
        "zero of 'features.4' is True, expected 0 to 255",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused(name: str) -> None:
    change, message = DAMAGE[name]
    value = description.to_json(small("simple"))
    change(value)
    with pytest.raises(WeightsError, match=message):
        description.from_json(value)


def saved(path: Path, entry: str) -> Path:
    return networks.save(path, networks.tensors(), {"integers": entry})


def test_a_file_states_its_integers(tmp_path: Path) -> None:
    integers = small()
    entry = compact(description.to_json(integers))
    checkpoint = weights.read(saved(tmp_path / "small.safetensors", entry))
    assert checkpoint.integers == integers


def test_most_files_state_none(tmp_path: Path) -> None:
    path = networks.save(tmp_path / "small.safetensors", networks.tensors())
    assert weights.read(path).integers is None


@pytest.mark.parametrize("ending", ["safetensors", "npz", "pth", "onnx"])
def test_conversion_keeps_the_integers(tmp_path: Path, ending: str) -> None:
    integers = small()
    entry = compact(description.to_json(integers))
    source = saved(tmp_path / "small.safetensors", entry)
    target = tmp_path / f"other.{ending}"
    sqznet.convert(source, target)
    assert weights.read(target).integers == integers
    sqznet.convert(target, tmp_path / "back.safetensors")
    assert weights.read(tmp_path / "back.safetensors").integers == integers


@pytest.mark.parametrize("entry", ["[]", "{", '{"mean":1}', "3", "null", '"x"'])
def test_a_damaged_entry_is_an_error_that_names_it(tmp_path: Path, entry: str) -> None:
    path = saved(tmp_path / "small.safetensors", entry)
    read = weights.read(path)  # float32 does not need it
    for use in (
        lambda: read.integers,
        lambda: sqznet.load(path, precision="int8"),
        lambda: sqznet.identify(path),
        lambda: sqznet.convert(path, tmp_path / "other.npz"),
    ):
        with pytest.raises(WeightsError, match=r'small\.safetensors: "integers" in the metadata: '):
            use()
    assert not (tmp_path / "other.npz").exists()
