"""A detector's network against the float64 reference: sizes, threads, bands, batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sqznet import _kernels
from sqznet.engine import bands
from sqznet.engine.program import Workspace
from sqznet.errors import WeightsError
from sqznet.network import reference
from sqznet.network.detector import Level, num_classes

from ..support import detectors, networks

Array = Any

MADE = detectors.tensors()
NETWORK = detectors.network(MADE)
SETS = [
    name for name, families, runs, _ in _kernels.instruction_sets() if runs and "f32" in families
]


def run(x: Array, isa: str = "scalar", threads: int = 1) -> dict[str, Array]:
    """The outputs of the network, (N, C, H, W)."""
    ready = networks.executor(NETWORK, MADE, isa, threads)
    n, _, height, width = x.shape

    def work(workspace: Workspace) -> dict[str, Array]:
        _kernels.import_nchw(ready.pool, x, workspace.input)
        workspace.run()
        return {
            name: np.array(found).transpose(0, 3, 1, 2) for name, found in workspace.outputs.items()
        }

    return ready.run(n, height, width, work)


@pytest.mark.parametrize("isa", SETS)
@pytest.mark.parametrize(("height", "width"), [(128, 128), (160, 224)])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_level_against_the_reference(isa: str, height: int, width: int, threads: int) -> None:
    x = networks.inputs(1, 2, height, width)
    expected = reference.layer_outputs(NETWORK, MADE, x)
    found = run(x, isa, threads)
    assert list(found) == ["level1", "level2", "level3"]
    for name, y in found.items():
        assert y.shape == expected[name].shape
        assert np.abs(y - expected[name]).max() <= 1e-5 * np.abs(expected[name]).max(), name


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = networks.inputs(2, 1, 192, 160)
    plain = run(x)
    monkeypatch.setattr(bands, "LARGE", 1)
    monkeypatch.setattr(bands, "BAND", 1)
    for name, y in run(x).items():
        np.testing.assert_allclose(y, plain[name], rtol=1e-4, atol=1e-4)


def test_a_photo_does_not_depend_on_its_batch() -> None:
    x = networks.inputs(3, 3, 128, 128)
    together = run(x, _kernels.best_kernels().f32.isa)
    for row in range(3):
        for name, y in run(x[row : row + 1], _kernels.best_kernels().f32.isa).items():
            np.testing.assert_array_equal(y[0], together[name][row])


def test_its_points_cover_the_input() -> None:
    """The maps have one pixel fewer than strides fit in, since the trunk does not pad."""
    for side in (128, 256, 320):
        names = [layer.name for layer in NETWORK.layers]
        shapes = NETWORK.shapes(side, side)
        last = [shape for name, shape in zip(names, shapes, strict=True) if name == "output"]
        for level, (height, width, _) in zip(detectors.DESIGN.levels, last, strict=True):
            assert height == width == side // level.stride - 1
            assert level.stride * (width - 1) + level.offset + 0.5 == side - level.stride
    assert num_classes(NETWORK, detectors.DESIGN) == len(detectors.LABELS)
    assert NETWORK.num_classes == 0


def test_maps_have_names_of_their_own() -> None:
    """Also those of layers that the levels share."""
    names = NETWORK.map_names
    assert len(set(names)) == len(NETWORK.layers)
    assert "features.7" in names
    assert "head.both:level2" in names


NEAR, MIDDLE, FAR = detectors.DESIGN.levels


@pytest.mark.parametrize(
    ("design", "reason"),
    [
        ({"levels": (NEAR._replace(tap="features.99"),)}, "level 1 reads features.99, expected a"),
        ({"levels": (NEAR, MIDDLE._replace(stride=8))}, "level 2 has stride 8 .* but 16 by"),
        ({"levels": (FAR._replace(layers=("head.deep",)),)}, "stride 32 .* but 16 by its layers"),
        ({"levels": (NEAR._replace(lateral="head.none"),)}, r"head\.none\.weight is missing"),
        ({"sides": "head.cls"}, "head.cls has 3 outputs, expected 4, the sides of a box"),
        ({"shared": ()}, r"head\.cls\.weight is \(3, 17, 1, 1\), expected"),
        ({"levels": (NEAR, MIDDLE)}, r"head\.deep\.\S+ does not belong to a squeezenet1_1"),
    ],
)
def test_a_design_that_does_not_fit(design: dict[str, Any], reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        detectors.network(MADE, detectors.DESIGN._replace(**design))


def test_levels_of_different_widths() -> None:
    """Each by itself would fit the layers that they share."""
    made = dict(MADE)
    made["head.near.weight"] = made["head.near.weight"][:5]
    made["head.near.bias"] = made["head.near.bias"][:5]
    with pytest.raises(WeightsError, match="the levels have 5 and 12 channels"):
        detectors.network(made)


def test_other_trunks() -> None:
    """Any tap of any variant can be read."""
    trunk = networks.tensors("squeezenet1_0", bypass="complex")
    made = {name: array for name, array in trunk.items() if "classifier" not in name}
    made |= {name: array for name, array in MADE.items() if name.startswith("head.")}
    del made["head.middle.weight"], made["head.middle.bias"]
    deep = {name for name in made if "head.deep" in name or "head.far" in name}
    made = {name: array for name, array in made.items() if name not in deep}
    level = Level("features.12", (), "head.near", 16, 3.0)
    cin = sum(networks.FIRES[7][1:])
    made["head.near.weight"] = np.ones((12, cin, 1, 1), np.float32)
    network = detectors.network(made, detectors.DESIGN._replace(levels=(level,)))
    assert network.variant == "squeezenet1_0_complex_bypass"
    assert network.shapes(128, 160)[-1][2] == len(detectors.LABELS) + 4
