"""The twin in torch: the same outputs as our engine and the reference, the same weights back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqznet import WeightsError, weights
from sqznet.network import reference
from sqznet.network.variants import Wiring

from ..support import detectors, networks, squeezedet_files

torch = pytest.importorskip("torch", reason="training needs torch")

VARIANTS = [
    (base, bypass)
    for base in ("squeezenet1_0", "squeezenet1_1")
    for bypass in ("", "simple", "complex")
]
WIRINGS = {
    "default": Wiring(),
    "padded": Wiring(conv1_padding=1, conv10_padding=1, ceil_mode=False),
    "linear": Wiring(conv10_relu=False),
    "padded, linear": Wiring(conv10_padding=1, conv10_relu=False),
}


def outputs(network: Any, made: Any, x: Any) -> dict[str, Any]:
    from sqznet.training.twin import twin_of

    twin = twin_of(network, networks.raw(made)).eval()
    with torch.no_grad():
        return {name: y.numpy() for name, y in twin(torch.from_numpy(x)).items()}


def close(found: Any, expected: Any) -> bool:
    """Whether they agree to 1e-5 of the largest."""
    return bool(np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("base", "bypass"), VARIANTS)
@pytest.mark.parametrize("wiring", WIRINGS.values(), ids=WIRINGS)
def test_a_classifier_answers_as_the_reference_and_the_engine(
    base: str, bypass: str, wiring: Wiring
) -> None:
    made = networks.tensors(base, bypass=bypass)
    variant = f"{base}_{bypass}_bypass" if bypass else base
    network = networks.network(made, variant, wiring)
    x = networks.inputs(2, 2, 45, 62)
    found = outputs(network, made, x)["logits"]
    assert close(found, reference.forward(network, made, x))
    assert close(found, networks.run(networks.executor(network, made), x))


def test_a_detector_gives_the_maps_of_all_levels() -> None:
    made = detectors.tensors()
    network = detectors.network(made)
    x = networks.inputs(2, 1, 128, 160)
    found = outputs(network, made, x)
    expected = reference.layer_outputs(network, made, x)
    assert list(found) == ["level1", "level2", "level3"]
    assert all(close(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("path", [weights.BUNDLED_PATH, weights.DETECTOR_PATH])
def test_weights_go_both_ways_bit_for_bit(path: str) -> None:
    from sqznet.training.twin import twin_of, weights_of

    checkpoint = weights.read(path)
    twin = twin_of(checkpoint.network(), checkpoint.tensors)
    assert {name: tuple(value.shape) for name, value in twin.state_dict().items()} == (
        checkpoint.network().tensors()
    )
    once = weights_of(twin)
    for name, tensor in once.items():
        assert np.array_equal(tensor.array(), checkpoint.tensors[name].array())
    again = weights_of(twin_of(checkpoint.network(), once))
    assert all(bytes(again[name].data) == bytes(once[name].data) for name in once)


def test_the_bundled_network_answers_as_the_engine(shared: Path) -> None:
    import sqznet
    from sqznet.training.twin import twin_of

    model = sqznet.load()
    photos = sorted((shared / "images").iterdir())[:4]
    x = np.concatenate([model.preprocess(photo) for photo in photos])
    twin = twin_of(model.checkpoint.network(), model.checkpoint.tensors).eval()
    with torch.no_grad():
        found = twin(torch.from_numpy(x))["logits"].numpy()
    assert close(found, model.logits(x))


def test_channels_last_changes_nothing() -> None:
    from sqznet.training.twin import twin_of, weights_of

    made = networks.tensors()
    twin = twin_of(networks.network(made), networks.raw(made))
    twin.to(memory_format=torch.channels_last)
    kept = weights_of(twin)
    assert all(np.array_equal(kept[name].array(), made[name]) for name in made)


def test_layers_can_begin_anew() -> None:
    from sqznet.training.twin import twin_of

    made = networks.tensors(classes=3)
    network = networks.network(networks.tensors(classes=5))
    twin = twin_of(network, networks.raw(made), ["classifier.1"])
    assert twin.convolutions["classifier.1"].weight.shape[0] == 5
    with pytest.raises(WeightsError, match=r"classifier\.1\.weight is \(3, 19, 1, 1\), expected"):
        twin_of(network, networks.raw(made))
    del made["features.0.bias"]
    with pytest.raises(WeightsError, match=r"features\.0\.bias is missing"):
        twin_of(network, networks.raw(made), ["classifier.1"])


def test_maps_of_layers_are_kept_on_demand() -> None:
    from sqznet.training.twin import twin_of

    made = networks.tensors()
    network = networks.network(made)
    x = networks.inputs(3, 1, 64, 64)
    with torch.no_grad():
        found = twin_of(network, networks.raw(made))(torch.from_numpy(x), ("features.5",))
    assert sorted(found) == ["features.5", "logits"]
    expected = reference.layer_outputs(network, made, x)["features.5"]
    assert close(found["features.5"].numpy(), expected)


def test_a_squeezedet_gives_its_map(tmp_path: Path) -> None:
    checkpoint = weights.read(
        squeezedet_files.save_npz(tmp_path / "det.npz", squeezedet_files.layers())
    )
    network = checkpoint.network()
    made = {name: tensor.array() for name, tensor in checkpoint.tensors.items()}
    x = networks.inputs(4, 1, 96, 128)
    expected = reference.layer_outputs(network, made, x)
    found = outputs(network, made, x)
    assert list(found) == ["level1"]
    assert close(found["level1"], expected["level1"])
