"""Finds the SqueezeNet in a network that a file describes layer by layer.

Caffe's and ncnn's files contain a whole network: layers with the names of what they read and write.
It is followed from its output back to its input. Every layer must be where a SqueezeNet has it, so
that everything that changes the answer is noticed. The names of the layers do not matter:
converters and users change them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqznet.errors import WeightsError, shown
from sqznet.network.variants import SIMPLE_BYPASS, TOPOLOGIES, Wiring

INPUT = "an input"
CONV = "a convolution"
RELU = "a ReLU"
MAX_POOL = "a max pool"
AVERAGE = "a global average"
CONCAT = "a concatenation"
ADD = "an addition"
SOFTMAX = "a softmax"
SIGMOID = "a sigmoid"
#: Passes its input on, such as a dropout or a split.
SAME = "an identity"
#: Changes only the shape; harmless after the global average.
FLATTEN = "a change of shape"

_ACTIVATIONS = {SOFTMAX: "softmax", SIGMOID: "sigmoid"}

# The position in torchvision's names of the layer after the stem and its ReLU.
_FIRST_POSITION = 2


@dataclass(frozen=True)
class Layer:
    """One layer in framework-independent terms.

    kind: one of this module's constants.
    inputs, outputs: names of what it reads and writes; a name may be written again.
    channels, kernel, stride, padding: of a convolution; the last three also of a max pool.
    relu: whether a convolution's result goes through a ReLU.
    ceil_mode: whether a max pool includes a last, clipped window.
    """

    name: str
    kind: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    channels: int = 0
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    relu: bool = False
    ceil_mode: bool = True


@dataclass(frozen=True)
class Recognized:
    """A SqueezeNet found in layers.

    names: torchvision's name by the convolution's own name.
    variant: one of `variants.VARIANTS`.
    wiring: that of the layers.
    """

    names: dict[str, str]
    variant: str
    wiring: Wiring

    def reasons(self, whose: str) -> dict[str, str]:
        """The reasons for the wiring, for a Checkpoint; `whose` is "the file's" or similar."""
        layer = {name: shown(own) for own, name in self.names.items()}
        return {
            "variant": f"{whose} layers",
            "conv1_padding": f"{whose} layer {layer['features.0']}",
            "conv10_padding": f"{whose} layer {layer['classifier.1']}",
            "ceil_mode": f"{whose} pooling layers",
            "softmax": f"{whose} last layer",
            "conv10_relu": f"{whose} layer {layer['classifier.1']}",
            **({"activation": f"{whose} last layer"} if self.wiring.activation else {}),
        }


@dataclass(frozen=True, eq=False)
class _Node:
    """A layer with the nodes that it reads; equal only to itself."""

    layer: Layer
    kind: str
    parents: tuple[_Node, ...] = ()

    def parent(self) -> _Node:
        return self.parents[0]

    def __str__(self) -> str:
        return f"layer {shown(self.layer.name)} is {self.kind}"


@dataclass(frozen=True)
class _Fire:
    """The convolutions of a fire; `bypass` is a convolution or None; `kind` as in `layers.Fire`."""

    squeeze: _Node
    expand1x1: _Node
    expand3x3: _Node
    kind: str | None = None
    bypass: _Node | None = None


def bypass_suffix(kinds: Sequence[str | None]) -> str | None:
    """The suffix of the variant whose fire modules have these bypasses, each "simple", "complex" or
    None. Gives None if no known network has them."""
    simple = ["simple" if i in SIMPLE_BYPASS else None for i in range(len(kinds))]
    known = {
        "": [None] * len(kinds),
        "_simple_bypass": simple,
        "_complex_bypass": [kind or "complex" for kind in simple],
    }
    return next((suffix for suffix, expected in known.items() if list(kinds) == expected), None)


def recognize(layers: Sequence[Layer]) -> Recognized:
    """Finds a SqueezeNet in layers in execution order.

    Raises WeightsError, naming the layer, if they are not a SqueezeNet.
    """
    last, activation = _output(_nodes(layers))
    average = _expect(last, AVERAGE, "the network's output")
    classifier = average.parent()
    has_relu = classifier.kind == RELU
    if has_relu:
        classifier = classifier.parent()
    classifier = _expect(classifier, CONV, "the classifier")
    modules: list[_Fire | _Node] = []
    node = classifier.parent()
    while node.kind in (MAX_POOL, CONCAT, ADD):
        if node.kind == MAX_POOL:
            modules.append(_checked_pool(node))
            node = node.parent()
        else:
            fire = _fire(node)
            modules.append(fire)
            node = fire.squeeze.parent()
    stem = _expect(_expect(node, RELU, "the input of the first module").parent(), CONV, "the stem")
    _expect(stem.parent(), INPUT, "the input of the stem")
    if (classifier.layer.kernel, classifier.layer.stride) != (1, 1):
        raise WeightsError(
            f"layer {shown(classifier.layer.name)} has {_geometry(classifier.layer)}, "
            "expected a 1x1 kernel, stride 1"
        )
    names, variant, ceil_mode = _recognized(stem, modules[::-1], classifier)
    wiring = Wiring(
        conv1_padding=stem.layer.padding,
        conv10_padding=classifier.layer.padding,
        ceil_mode=ceil_mode,
        softmax=activation == "softmax",
        conv10_relu=has_relu,
        activation=activation,
    )
    return Recognized(names, variant, wiring)


def _recognized(
    stem: _Node, modules: list[_Fire | _Node], classifier: _Node
) -> tuple[dict[str, str], str, bool]:
    """torchvision's names by the layers' own, the variant, and whether pools are in ceil mode."""
    names: dict[str, str] = {}

    def name(node: _Node, new: str) -> None:
        if node.layer.name in names:
            raise WeightsError(f"two layers have the name {shown(node.layer.name)}")
        names[node.layer.name] = new

    name(stem, "features.0")
    fires: dict[int, _Fire] = {}
    pools: dict[int, _Node] = {}
    for position, module in enumerate(modules, _FIRST_POSITION):
        if isinstance(module, _Node):
            pools[position] = module
            continue
        fires[position] = module
        name(module.squeeze, f"features.{position}.squeeze")
        name(module.expand1x1, f"features.{position}.expand1x1")
        name(module.expand3x3, f"features.{position}.expand3x3")
        if module.bypass:
            name(module.bypass, f"features.{position}.bypass")
    name(classifier, "classifier.1")
    ceil_modes = {pool.layer.ceil_mode for pool in pools.values()}
    if len(ceil_modes) > 1:
        raise WeightsError("some of its pools include a last, clipped window and some do not")
    base = _base(stem, tuple(fires), tuple(pools))
    variant = base + _bypass([fire.kind for fire in fires.values()])
    return names, variant, ceil_modes.pop() if ceil_modes else True


def _base(stem: _Node, fires: tuple[int, ...], pools: tuple[int, ...]) -> str:
    layer = stem.layer
    for base, topology in TOPOLOGIES.items():
        if (fires, pools, layer.kernel, layer.stride) == (
            topology.fires,
            topology.pools,
            topology.kernel,
            2,
        ):
            return base
    raise WeightsError(
        f"it is not a SqueezeNet 1.0 or 1.1: layer {shown(layer.name)} has {_geometry(layer)}, and "
        f"{len(fires)} fire modules and {len(pools)} pools follow it in another order or number"
    )


def _bypass(kinds: list[str | None]) -> str:
    suffix = bypass_suffix(kinds)
    if suffix is None:
        found = ", ".join(f"fire{i} {kind or 'none'}" for i, kind in enumerate(kinds, 2))
        raise WeightsError(
            f"its bypasses are not those of a known SqueezeNet: {found}; expected none, or simple "
            "ones around fire3, 5, 7 and 9 with or without complex ones around the others"
        )
    return suffix


def _nodes(layers: Iterable[Layer]) -> list[_Node]:
    """Each layer's node, linked to the nodes that it reads; identities are omitted."""
    written: dict[str, _Node] = {}
    nodes = []
    for layer in layers:
        for blob in layer.inputs:
            if blob not in written:
                raise WeightsError(
                    f"layer {shown(layer.name)} reads {shown(blob)}, "
                    "which no layer before it writes"
                )
        parents = tuple(written[blob] for blob in layer.inputs)
        wanted = {INPUT: 0, CONCAT: 2, ADD: 2}.get(layer.kind, 1)
        if len(parents) != wanted or not layer.outputs:
            raise WeightsError(
                f"layer {shown(layer.name)} has {len(parents)} inputs and {len(layer.outputs)} "
                f"outputs, unlike {layer.kind} of a SqueezeNet"
            )
        if layer.kind == FLATTEN and parents[0].kind not in (AVERAGE, *_ACTIVATIONS):
            raise WeightsError(
                f"layer {shown(layer.name)} changes the shape before the global average"
            )
        if layer.kind in (SAME, FLATTEN):
            node = parents[0]
        else:
            node = _Node(layer, layer.kind, parents)
            nodes.append(node)
        if layer.kind == CONV and layer.relu:
            node = _Node(layer, RELU, (node,))
            nodes.append(node)
        written.update(dict.fromkeys(layer.outputs, node))
    return nodes


def _output(nodes: list[_Node]) -> tuple[_Node, str | None]:
    """The only result of the network before its softmax or sigmoid, and which of them it has."""
    read = {id(parent) for node in nodes for parent in node.parents}
    results: dict[int, _Node] = {}
    activation: str | None = None
    for node in nodes:
        if id(node) in read or node.kind == INPUT:
            continue
        if node.kind in _ACTIVATIONS:
            activation = _ACTIVATIONS[node.kind]
            node = node.parent()
        results[id(node)] = node
    if len(results) != 1:
        some = ", ".join(shown(node.layer.name) for node in list(results.values())[:3])
        raise WeightsError(f"it has {len(results)} results ({some or 'none'}), expected one")
    return results.popitem()[1], activation


def _fire(node: _Node) -> _Fire:
    """The fire that ends in a concatenation, or in the addition of its bypass."""
    if node.kind == CONCAT:
        return _plain_fire(node)
    for main, other in (node.parents, node.parents[::-1]):
        if main.kind != CONCAT:
            continue
        fire = _plain_fire(main)
        around = fire.squeeze.parent()
        if other is around:
            return _Fire(fire.squeeze, fire.expand1x1, fire.expand3x3, "simple")
        if other.kind == CONV and other.parent() is around:
            bypass = _convolution(other, 1)
            return _Fire(fire.squeeze, fire.expand1x1, fire.expand3x3, "complex", bypass)
    raise WeightsError(f"{node}, but does not add a fire module's input to its output")


def _plain_fire(node: _Node) -> _Fire:
    one, three = (_expect(part, RELU, "half of a fire module").parent() for part in node.parents)
    one, three = _convolution(one, 1), _convolution(three, 3)
    if one.parent() is not three.parent():
        raise WeightsError(f"{node} of two convolutions with different inputs")
    squeeze = _convolution(
        _expect(one.parent(), RELU, "the input of the expand convolutions").parent(), 1
    )
    return _Fire(squeeze, one, three)


def _convolution(node: _Node, kernel: int) -> _Node:
    """The node, if it is a convolution with this kernel, stride 1, that keeps the size."""
    layer = _expect(node, CONV, f"a {kernel}x{kernel} convolution").layer
    if (layer.kernel, layer.stride, layer.padding) != (kernel, 1, kernel // 2):
        raise WeightsError(
            f"layer {shown(layer.name)} has {_geometry(layer)}, "
            f"expected a {kernel}x{kernel} kernel, stride 1, padding {kernel // 2}"
        )
    return node


def _checked_pool(node: _Node) -> _Node:
    layer = node.layer
    if (layer.kernel, layer.stride, layer.padding) != (3, 2, 0):
        raise WeightsError(
            f"layer {shown(layer.name)} has {_geometry(layer)}, "
            "expected a 3x3 kernel, stride 2, padding 0"
        )
    return node


def _geometry(layer: Layer) -> str:
    return f"a {layer.kernel}x{layer.kernel} kernel, stride {layer.stride}, padding {layer.padding}"


def _expect(node: _Node, kind: str, where: str) -> _Node:
    if node.kind != kind:
        raise WeightsError(f"{node}, expected {kind} as {where}")
    return node
