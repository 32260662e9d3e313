"""Reads a SqueezeNet's wiring from the "model_config" of a whole Keras model.

It is the JSON from `Model.to_json()` (https://keras.io/api/models/model_saving_apis/), which is the
same in Keras 2 and 3 except for the input's key. Everything that would change the network's answer
is checked, so that another network is refused instead of being run as a SqueezeNet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqznet.errors import WeightsError, shown
from sqznet.images.preprocessing import MAX_SIDE, PRESETS
from sqznet.network.variants import TOPOLOGIES, Wiring
from sqznet.weights.strict_json import parse_json

_NESTED = ("Functional", "Model", "Sequential")
_HARMLESS = ("InputLayer", "Dropout", "SpatialDropout2D", "Flatten", "Reshape")
_RELU, _SOFTMAX, _SIGMOID = "relu", "softmax", "sigmoid"
_FIRES = 8
_MAX_NESTING = 8

# One after every convolution except a bypass's, or one after each fire's concatenation.
_RELU_COUNTS = (2 + 3 * _FIRES, 2 + 2 * _FIRES)
_CONVOLUTIONS = 2 + 3 * _FIRES

# By the number of additions and of convolutions around fires: whether it is a simple bypass.
_BYPASSES = {(0, 0): False, (4, 0): True, (8, 4): False}


@dataclass(frozen=True)
class _Layer:
    kind: str
    config: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"the model_config's layer {shown(self.config.get('name'))}"

    def pair(self, key: str) -> tuple[int, int]:
        """Two sizes, or one for both, as Keras stores kernels and strides."""
        value = self.config.get(key)
        sides = value if isinstance(value, list) else [value, value]
        if len(sides) == 2:
            first, second = sides
            if type(first) is int and type(second) is int:
                return first, second
        raise WeightsError(f"{self.title}: {key} is {shown(value)}, expected two integers")

    def expect(self, key: str, expected: tuple[int, int]) -> None:
        if (found := self.pair(key)) != expected:
            raise WeightsError(f"{self.title}: {key} is {found}, expected {expected}")

    @property
    def is_same(self) -> bool:
        """Whether its padding is "same" rather than "valid"."""
        padding = self.config.get("padding")
        if padding not in ("same", "valid"):
            raise WeightsError(
                f"{self.title}: padding is {shown(padding)}, expected 'same' or 'valid'"
            )
        return bool(padding == "same")


@dataclass(frozen=True)
class Config:
    """wiring: paddings, pooling and what follows the last convolution. size: the input's height and
    width in pixels, or None if any size is allowed. simple_bypass: whether four fires add their own
    input. rescaling: the factor and the addend for levels, if the model begins with them."""

    wiring: Wiring
    size: tuple[int, int] | None
    simple_bypass: bool
    rescaling: tuple[float, float] | None


def parse(text: str, base: str, convolutions: int) -> Config:
    """The config of a network with this topology and number of convolutions.

    Raises WeightsError if it is damaged or describes something other than a SqueezeNet.
    """
    layers = list(_layers(parse_json(text.encode("utf-8", "replace"), "model_config"), 0))
    of = {
        kind: [layer for layer in layers if layer.kind == kind]
        for kind in ("Conv2D", "MaxPooling2D", "Activation", "ReLU", "Add", "Softmax")
    }
    if len(of["Conv2D"]) != convolutions:
        raise WeightsError(
            f"the model_config describes {len(of['Conv2D'])} convolutions, "
            f"but the file holds {convolutions}"
        )
    _check_kinds(layers)
    _check_convolutions(of["Conv2D"])
    _check_pools(layers, of["MaxPooling2D"], base)
    activations = [
        layer.config.get("activation") for layer in (*of["Conv2D"], *of["Activation"])
    ] + [_relu(layer) for layer in of["ReLU"]]
    has_relu = _ends_in_relu(layers)
    _check_activations(activations, has_relu)
    size = _size(layers)
    activation = next((kind for kind in (_SOFTMAX, _SIGMOID) if kind in activations), None)
    if of["Softmax"]:
        activation = _SOFTMAX
    return Config(
        wiring=_wiring(
            of["Conv2D"][0],
            of["MaxPooling2D"],
            size or PRESETS["keras"].size,
        )._replace(softmax=activation == _SOFTMAX, conv10_relu=has_relu, activation=activation),
        size=size,
        simple_bypass=_is_simple_bypass(len(of["Add"]), convolutions),
        rescaling=_rescaling(layers),
    )


def _layers(model: object, depth: int) -> Iterator[_Layer]:
    config = model.get("config") if isinstance(model, dict) else None
    # Sequential models of early Keras 2 contain the list directly.
    layers = config.get("layers") if isinstance(config, dict) else config
    if not isinstance(layers, list) or depth > _MAX_NESTING:
        raise WeightsError("the model_config holds no list of layers")
    for layer in layers:
        kind = layer.get("class_name") if isinstance(layer, dict) else None
        if kind in _NESTED:
            yield from _layers(layer, depth + 1)
        elif isinstance(kind, str) and isinstance(layer.get("config"), dict):
            yield _Layer(kind, layer["config"])
        else:
            raise WeightsError("the model_config holds a layer without class_name and config")


def _check_kinds(layers: list[_Layer]) -> None:
    computing = (
        "Conv2D",
        "MaxPooling2D",
        "Activation",
        "ReLU",
        "Add",
        "Softmax",
        "Concatenate",
        "GlobalAveragePooling2D",
        "Rescaling",
    )
    for layer in layers:
        if layer.kind not in computing + _HARMLESS:
            raise WeightsError(
                f"{layer.title} is a {shown(layer.kind)}, which is not part of a SqueezeNet"
            )
    averages = sum(layer.kind == "GlobalAveragePooling2D" for layer in layers)
    if averages != 1:
        raise WeightsError(f"the model_config has {averages} global averages, expected 1")


def _check_convolutions(convolutions: list[_Layer]) -> None:
    first, *others = convolutions
    first.expect("strides", (2, 2))
    for layer in others:
        layer.expect("strides", (1, 1))
        if layer.pair("kernel_size") != (1, 1) and not layer.is_same:
            raise WeightsError(f"{layer.title}: padding is 'valid', expected 'same'")


def _check_pools(layers: list[_Layer], pools: list[_Layer], base: str) -> None:
    """Checks for three pools, each after as many fires as in this topology."""
    fires, found = 0, []
    for layer in layers:
        fires += layer.kind == "Concatenate"
        if layer.kind == "MaxPooling2D":
            found.append(fires)
    topology = TOPOLOGIES[base]
    expected = [sum(fire < pool for fire in topology.fires) for pool in topology.pools]
    if found != expected or fires != _FIRES:
        raise WeightsError(
            f"the model_config has {fires} fires, and pools after {shown(str(found))} of them; "
            f"expected {_FIRES} and {expected} for {base}"
        )
    for pool in pools:
        pool.expect("pool_size", (3, 3))
        pool.expect("strides", (2, 2))


def _relu(layer: _Layer) -> str:
    for key in ("max_value", "negative_slope", "threshold"):
        if layer.config.get(key):
            raise WeightsError(f"{layer.title} is not a plain ReLU: it has a {key}")
    return _RELU


def _ends_in_relu(layers: list[_Layer]) -> bool:
    """Whether a ReLU follows the last convolution, which is the last one in the list."""
    last = max(i for i, layer in enumerate(layers) if layer.kind == "Conv2D")
    after = takewhile(lambda layer: layer.kind != "GlobalAveragePooling2D", layers[last + 1 :])
    return layers[last].config.get("activation") == _RELU or any(
        layer.kind == "ReLU" or layer.config.get("activation") == _RELU for layer in after
    )


def _check_activations(activations: list[Any], has_last_relu: bool) -> None:
    for found in activations:
        if found not in (_RELU, _SOFTMAX, _SIGMOID, "linear"):
            raise WeightsError(
                f"the model_config has the activation {shown(found)}, expected relu, and softmax "
                "or sigmoid"
            )
    expected = [count - (not has_last_relu) for count in _RELU_COUNTS]
    if (count := activations.count(_RELU)) not in expected:
        raise WeightsError(f"the model_config has {count} ReLUs, expected {expected[0]}")


def _rescaling(layers: list[_Layer]) -> tuple[float, float] | None:
    """The factor and the addend of a Rescaling, which must come before the first convolution."""
    found = [i for i, layer in enumerate(layers) if layer.kind == "Rescaling"]
    if not found:
        return None
    layer = layers[found[0]]
    first = min(i for i, other in enumerate(layers) if other.kind == "Conv2D")
    factor, addend = layer.config.get("scale"), layer.config.get("offset", 0.0)
    if len(found) > 1 or found[0] > first:
        raise WeightsError(f"{layer.title} is not the only one, before the first convolution")
    if not (
        isinstance(factor, (int, float))
        and isinstance(addend, (int, float))
        and 1e-9 < factor < 1e6
        and abs(addend) < 1e9
    ):
        raise WeightsError(
            f"{layer.title}: its scale is {shown(factor)} and its offset {shown(addend)}, expected "
            "a number above 0 and a number"
        )
    return float(factor), float(addend)


def _is_simple_bypass(additions: int, convolutions: int) -> bool:
    around = convolutions - _CONVOLUTIONS
    if (additions, around) not in _BYPASSES:
        raise WeightsError(
            f"the model_config adds {additions} bypasses with {around} convolutions around fires, "
            "expected none, 4 with none or 8 with 4"
        )
    return _BYPASSES[additions, around]


def _size(layers: list[_Layer]) -> tuple[int, int] | None:
    """Height and width of the input, if the model fixes them."""
    for layer in layers:
        shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
        if shape is None:
            continue
        if not isinstance(shape, list) or len(shape) != 4:
            raise WeightsError(f"{layer.title}: its input is not a batch of images")
        height, width = shape[2:] if shape[1] == 3 else shape[1:3]
        if height is None or width is None:
            return None
        if not all(type(side) is int and 0 < side <= MAX_SIDE for side in (height, width)):
            raise WeightsError(
                f"{layer.title}: its input is {shown(height)} x {shown(width)} pixels, "
                f"expected 1 to {MAX_SIDE}"
            )
        return height, width
    return None


def _wiring(stem: _Layer, pools: list[_Layer], size: tuple[int, int]) -> Wiring:
    """Keras's "same" pads as much as the output size needs, and an odd pixel on the right. This
    equals our padding, or our ceil mode, only for one parity of the input."""
    kernel = stem.pair("kernel_size")[0]
    padding = 0
    if stem.is_same:
        padding = kernel // 2
        if not all(side % 2 for side in size):
            raise WeightsError(
                f"{stem.title} pads {size[0]} x {size[1]} pixels more on the right than on the "
                "left (padding 'same'), which sqznet cannot do"
            )
    kinds = {pool.is_same for pool in pools}
    sides = tuple((side + 2 * padding - kernel) // 2 + 1 for side in size)
    for _ in pools:
        if True in kinds and (False in kinds or any(side % 2 for side in sides)):
            raise WeightsError(
                f"the model_config's pools pad {sides[0]} x {sides[1]} pixels on the left "
                "(padding 'same'), which sqznet cannot do"
            )
        sides = tuple(side // 2 if True in kinds else (side - 1) // 2 for side in sides)
    return Wiring(conv1_padding=padding, ceil_mode=True in kinds)
