"""Finding the SqueezeNet that a set of tensors belongs to, and its shapes."""

from __future__ import annotations

from math import prod

import pytest

from sqznet.errors import SqznetError, WeightsError
from sqznet.network import layers, variants
from sqznet.network.layers import Classifier, Conv, Fire, MaxPool, Network
from sqznet.network.variants import Wiring

FIRES = [(16, 64, 64)] * 2 + [(32, 128, 128)] * 2 + [(48, 192, 192)] * 2 + [(64, 256, 256)] * 2
STEMS = {"squeezenet1_0": (96, 7), "squeezenet1_1": (64, 3)}
FIRE_POSITIONS = {
    "squeezenet1_0": (3, 4, 5, 7, 8, 9, 10, 12),
    "squeezenet1_1": (3, 4, 6, 7, 9, 10, 11, 12),
}
BASES = tuple(STEMS)
Shapes = dict[str, tuple[int, ...]]


def published(base: str, complex_bypass: bool = False, classes: int = 1000) -> Shapes:
    """The tensors of a published network: sizes from the papers' tables, names from torchvision."""
    shapes: Shapes = {}

    def conv(name: str, out: int, cin: int, kernel: int) -> None:
        shapes[f"{name}.weight"] = (out, cin, kernel, kernel)
        shapes[f"{name}.bias"] = (out,)

    channels, kernel = STEMS[base]
    conv("features.0", channels, 3, kernel)
    for position, (squeeze, e1, e3) in zip(FIRE_POSITIONS[base], FIRES, strict=True):
        name = f"features.{position}"
        conv(f"{name}.squeeze", squeeze, channels, 1)
        conv(f"{name}.expand1x1", e1, squeeze, 1)
        conv(f"{name}.expand3x3", e3, squeeze, 3)
        if complex_bypass and channels != e1 + e3:
            conv(f"{name}.bypass", e1 + e3, channels, 1)
        channels = e1 + e3
    conv("classifier.1", classes, channels, 1)
    return shapes


def parameters(shapes: Shapes) -> int:
    return sum(prod(shape) for shape in shapes.values())


@pytest.mark.parametrize(
    ("base", "complex_bypass", "count"),
    [
        ("squeezenet1_0", False, 1_248_424),
        ("squeezenet1_1", False, 1_235_496),
        # About 1.59 million: 1x1 convolutions around fire2, 4, 6 and 8, with biases.
        ("squeezenet1_0", True, 1_248_424 + 97 * 128 + 129 * 256 + 257 * 384 + 385 * 512),
    ],
)
def test_parameter_counts(base: str, complex_bypass: bool, count: int) -> None:
    shapes = published(base, complex_bypass)
    network = variants.network_for(shapes)
    assert network.tensors() == shapes
    assert parameters(network.tensors()) == count
    if complex_bypass:
        assert round(count / 1e6, 2) == 1.59


@pytest.mark.parametrize(
    ("base", "sides"),
    [
        ("squeezenet1_0", [109, 54, 54, 54, 54, 27, 27, 27, 27, 27, 13, 13, 1]),
        ("squeezenet1_1", [111, 55, 55, 55, 27, 27, 27, 13, 13, 13, 13, 13, 1]),
    ],
)
def test_shapes_at_224(base: str, sides: list[int]) -> None:
    network = variants.network_for(published(base))
    shapes = network.shapes(224, 224)
    assert [h for h, _, _ in shapes] == [w for _, w, _ in shapes] == sides
    fires = [c for (_, _, c), layer in zip(shapes, network.layers, strict=True) if fire(layer)]
    assert fires == [e1 + e3 for _, e1, e3 in FIRES]
    assert shapes[0][2] == STEMS[base][0]
    assert shapes[-1] == (1, 1, 1000)
    assert network.num_classes == 1000


def fire(layer: layers.Layer) -> bool:
    return isinstance(layer, Fire)


@pytest.mark.parametrize(
    ("base", "side", "ceil_mode", "last"),
    [  # known differences between frameworks
        ("squeezenet1_1", 227, True, 14),
        ("squeezenet1_1", 227, False, 13),
        ("squeezenet1_0", 224, False, 12),
        ("squeezenet1_0", 227, True, 13),
    ],
)
def test_pools_decide_the_last_map(base: str, side: int, ceil_mode: bool, last: int) -> None:
    network = variants.network_for(published(base), wiring=Wiring(ceil_mode=ceil_mode))
    assert network.shapes(side, side)[-2][:2] == (last, last)


@pytest.mark.parametrize(
    ("base", "wiring", "minimum"),
    [  # with ceil pools torchvision's own docstrings and checks say 17 and 21
        ("squeezenet1_1", Wiring(), 17),
        ("squeezenet1_0", Wiring(), 21),
        ("squeezenet1_1", Wiring(ceil_mode=False), 31),
        ("squeezenet1_0", Wiring(ceil_mode=False), 35),
        ("squeezenet1_1", Wiring(conv1_padding=1), 15),
        ("squeezenet1_0", Wiring(conv1_padding=3, ceil_mode=False), 29),
        ("squeezenet1_1", Wiring(conv10_padding=1), 17),
    ],
)
def test_minimum_size(base: str, wiring: Wiring, minimum: int) -> None:
    network = variants.network_for(published(base), wiring=wiring)
    smallest = next(side for side in range(100) if works(network, side))
    assert network.minimum_size == smallest == minimum
    for height, width in [(minimum - 1, 500), (500, minimum - 1), (0, 0), (1, 1), (-5, 224)]:
        with pytest.raises(SqznetError, match=f"{height}x{width} .*smallest side is {minimum}"):
            network.shapes(height, width)
    assert network.shapes(minimum, 500)[-1] == (1, 1, 1000)


@pytest.mark.parametrize("base", BASES)
def test_the_wiring_reaches_the_layers(base: str) -> None:
    network = variants.network_for(published(base), wiring=Wiring(2, 1, False, True))
    first, last = network.layers[0], network.layers[-1]
    assert isinstance(first, Conv)
    assert isinstance(last, Classifier)
    assert (first.padding, last.padding, network.padding) == (2, 1, 2)
    assert {layer.ceil_mode for layer in network.layers if isinstance(layer, MaxPool)} == {False}
    kernel = STEMS[base][1]
    assert network.shapes(224, 220)[0][:2] == ((228 - kernel) // 2 + 1, (224 - kernel) // 2 + 1)


@pytest.mark.parametrize(
    ("wiring", "named"),
    [
        (Wiring(conv1_padding=-1), "conv1_padding is -1, expected 0 to 3"),
        (Wiring(conv1_padding=4), "conv1_padding is 4"),
        (Wiring(conv10_padding=10**9), "conv10_padding is 1000000000"),
        (Wiring(conv10_padding=1.0), "conv10_padding is 1.0"),  # type: ignore[arg-type]
        (Wiring(conv1_padding=True), "conv1_padding is True"),
        (Wiring(ceil_mode=1), "ceil_mode is 1, expected True or False"),  # type: ignore[arg-type]
    ],
)
def test_invalid_wirings(wiring: Wiring, named: str) -> None:
    with pytest.raises(WeightsError, match=f"some.file: {named}"):
        variants.network_for(published("squeezenet1_1"), None, "some.file", wiring)


def works(network: Network, side: int) -> bool:
    try:
        network.shapes(side, side)
    except SqznetError:
        return False
    return True


@pytest.mark.parametrize("classes", [1, 2, 7, 1001])
@pytest.mark.parametrize("base", BASES)
def test_any_number_of_classes(base: str, classes: int) -> None:
    network = variants.network_for(published(base, classes=classes))
    assert (network.variant, network.num_classes) == (base, classes)


@pytest.mark.parametrize("base", BASES)
def test_bypasses(base: str) -> None:
    def kinds(network: Network) -> list[str | None]:
        return [layer.bypass for layer in network.layers if isinstance(layer, Fire)]

    plain, residual = published(base), published(base, complex_bypass=True)
    assert variants.network_for(plain).variant == base
    assert kinds(variants.network_for(plain)) == [None] * 8
    simple = variants.network_for(plain, f"{base}_simple_bypass")
    assert simple.variant == f"{base}_simple_bypass"
    assert kinds(simple) == [None, "simple"] * 4  # fire3, 5, 7 and 9
    for variant in (None, f"{base}_complex_bypass"):
        network = variants.network_for(residual, variant)
        assert network.variant == f"{base}_complex_bypass"
        assert kinds(network) == ["complex", "simple"] * 4


@pytest.mark.parametrize(
    ("complex_bypass", "variant"),
    [
        (False, "squeezenet1_0"),
        (False, "squeezenet1_0_simple_bypass"),
        (False, "squeezenet1_1_complex_bypass"),
        (True, "squeezenet1_1"),
        (True, "squeezenet1_1_simple_bypass"),
        (False, "resnet18"),
        (False, ""),
    ],
)
def test_a_variant_that_does_not_match_the_tensors(complex_bypass: bool, variant: str) -> None:
    with pytest.raises(WeightsError, match=variant or "variant"):
        variants.network_for(published("squeezenet1_1", complex_bypass), variant, "some.file")


@pytest.mark.parametrize("name", ["a\n\x1b[31m", "b" * 1_000_000])
def test_names_in_messages_are_short_and_printable(name: str) -> None:
    complete = published("squeezenet1_1", False)
    for shapes, variant in (
        ({name: (1,)}, None),
        (complete | {name: (1,)}, None),
        (complete, name),
    ):
        with pytest.raises(WeightsError) as caught:
            variants.network_for(shapes, variant)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize("base", BASES)
def test_every_tensor_is_needed_and_its_shape_checked(base: str) -> None:
    complete = published(base, complex_bypass=True)
    for name, shape in complete.items():
        wrong: list[tuple[int, ...] | None] = [None, (), (*shape, 1), shape[:-1], (0, *shape[1:])]
        wrong += [
            tuple(size + (i == axis) for i, size in enumerate(shape)) for axis in range(len(shape))
        ]
        for found in wrong:
            shapes = dict(complete)
            if found is None:
                del shapes[name]
            else:
                shapes[name] = found
            # The number of classes is free, but weight and bias must agree.
            with pytest.raises(WeightsError) as caught:
                variants.network_for(shapes, None, "some.file")
            message = str(caught.value)
            assert "some.file" in message
            assert len(message) < 400
            part = name.rsplit(".", 1)[0]
            # Another tensor that no longer fits may be named first, but only a neighbor.
            if found is None or found == ():
                assert part in message


@pytest.mark.parametrize(
    "name",
    [
        "features.1.weight",
        "features.3.squeeze.gamma",
        "features.3.bypass.weight",
        "classifier.0.weight",
        "",
        "fc.weight",
    ],
)
def test_an_extra_tensor_is_named(name: str) -> None:
    shapes = {**published("squeezenet1_1"), name: (1,)}
    with pytest.raises(WeightsError) as caught:
        variants.network_for(shapes, None, "some.file")
    assert name.removesuffix(".weight") in str(caught.value)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"weight": (1,)},
        {"conv1.weight": (64, 3, 7, 7), "fc.weight": (1000, 512)},
        {"features.³.squeeze.weight": (1, 1, 1, 1)},
        {"features.99999999999999999999999.squeeze.weight": (1, 1, 1, 1)},
        {f"features.{i}.squeeze.weight": (1, 1, 1, 1) for i in range(2, 13)},
    ],
)
def test_tensors_of_something_else(shapes: Shapes) -> None:
    with pytest.raises(WeightsError, match="not a SqueezeNet"):
        variants.network_for(shapes, None, "some.file")


def test_a_simple_bypass_needs_equal_channels() -> None:
    shapes = published("squeezenet1_1")
    for name, axis in (("4.expand3x3.weight", 0), ("4.expand3x3.bias", 0), ("6.squeeze.weight", 1)):
        shape = list(shapes[f"features.{name}"])
        shape[axis] += 8
        shapes[f"features.{name}"] = tuple(shape)
    assert variants.network_for(shapes).shapes(224, 224)[3][2] == 136
    with pytest.raises(WeightsError, match=r"features\.4 turns 128 channels into 136"):
        variants.network_for(shapes, "squeezenet1_1_simple_bypass")


def test_a_pruned_network_loads() -> None:
    """Channel counts come from the tensors, so any consistent counts work."""
    shapes = published("squeezenet1_1")
    shapes["features.3.squeeze.weight"] = (5, 64, 1, 1)
    shapes["features.3.squeeze.bias"] = (5,)
    shapes["features.3.expand1x1.weight"] = (64, 5, 1, 1)
    shapes["features.3.expand3x3.weight"] = (64, 5, 3, 3)
    network = variants.network_for(shapes)
    assert next(layer for layer in network.layers if isinstance(layer, Fire)).squeeze == 5


def test_layers_in_order() -> None:
    for base in BASES:
        layers = variants.network_for(published(base)).layers
        names = [layer.name for layer in layers if isinstance(layer, Fire)]
        assert names == [f"features.{position}" for position in FIRE_POSITIONS[base]]
        assert layers[0].name == "features.0"
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, MaxPool)]
        assert pools == ([1, 5, 10] if base == "squeezenet1_0" else [1, 4, 7])
        assert isinstance(layers[-1], Classifier)
