"""Finds the SqueezeNet that a set of tensors belongs to.

The tensors have torchvision's names (``features.0.weight`` ... ``classifier.1.bias``). The position
numbers in these names distinguish 1.0 from 1.1, because pools take up positions too. Channel counts
come from the tensors themselves, so networks with any number of classes and pruned ones load.

References: Iandola et al., arXiv:1602.07360 (architecture, bypass variants); torchvision's
``models/squeezenet.py`` (names, ceil-mode pools).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sqznet.errors import MAX_SHOWN, WeightsError, printable, shown
from sqznet.network.layers import Branch, Classifier, Conv, Fire, Layer, MaxPool, Network, Shape

if TYPE_CHECKING:
    from sqznet.network.detector import AnyDesign


class Wiring(NamedTuple):
    """What the tensors of a SqueezeNet leave open, and where published files differ.

    conv1_padding, conv10_padding: zero pixels around the input of that convolution, 0 to 3.
    ceil_mode: whether a pool's last, clipped window counts.
    softmax: whether the file's own network ends in a softmax; nothing here depends on it, since
        logits are the input of a softmax.
    conv10_relu: whether a ReLU follows the last convolution, as in all published networks.
    activation: what makes scores of logits, one of `ACTIVATIONS`; None if it is not known: then
        "softmax" for several classes, and "none" for a single output, which a softmax makes 1.
    """

    conv1_padding: int = 0
    conv10_padding: int = 0
    ceil_mode: bool = True
    softmax: bool = False
    conv10_relu: bool = True
    activation: str | None = None


class Topology:
    """What defines a variant: the stem's kernel size and the positions of fires and pools."""

    def __init__(self, kernel: int, fires: tuple[int, ...], pools: tuple[int, ...]) -> None:
        self.kernel = kernel
        self.fires = fires
        self.pools = pools


TOPOLOGIES = {
    "squeezenet1_0": Topology(7, (3, 4, 5, 7, 8, 9, 10, 12), (2, 6, 11)),
    "squeezenet1_1": Topology(3, (3, 4, 6, 7, 9, 10, 11, 12), (2, 5, 8)),
}
# The fires (counted from 0) that keep the channel count: fire3, 5, 7 and 9. Both published residual
# networks add the input itself around these.
SIMPLE_BYPASS = (1, 3, 5, 7)
BYPASSES = {"": None, "_simple_bypass": "simple", "_complex_bypass": "complex"}
VARIANTS = tuple(base + suffix for base in TOPOLOGIES for suffix in BYPASSES)
_DEFAULT_WIRING = Wiring()
_NO_OTHER_NAMES: Mapping[str, str] = MappingProxyType({})

#: What makes scores of logits: shares of one decision; a probability for each class by itself, so
#: that several may be true; or nothing, where the output is the answer, as in a regression.
ACTIVATIONS = ("softmax", "sigmoid", "none")

# Half of the largest kernel, 7x7: more padding would only add rows without a pixel of the photo.
MAX_PADDING = 3


def network_for(
    shapes: Mapping[str, Shape],
    variant: str | None = None,
    origin: str = "the tensors",
    wiring: Wiring = _DEFAULT_WIRING,
    own_names: Mapping[str, str] = _NO_OTHER_NAMES,
    detector: AnyDesign | None = None,
) -> Network:
    """The network that tensors with these names and shapes (OIHW) belong to, with this wiring.

    ``variant`` is one of ``VARIANTS``; it is needed only for a simple bypass, which adds no
    tensors, and is otherwise checked against them. ``own_names``: what messages call the tensors.
    ``detector``: how a detector's head, which takes the classifier's place, reads the trunk.
    Raises WeightsError, naming ``origin``, if the tensors are not those of a SqueezeNet or of that
    variant, or if the wiring is impossible.
    """
    tensors = _Tensors(shapes, origin, own_names)
    if variant is not None and variant not in VARIANTS:
        raise WeightsError(
            f"unknown variant '{printable(str(variant), MAX_SHOWN)}'; known: {', '.join(VARIANTS)}"
        )
    base = _base_variant(tensors)
    has_bypass_tensors = any(".bypass." in name for name in shapes)
    found = base + ("_complex_bypass" if has_bypass_tensors else "")
    variant = variant or found
    if variant != found and variant != base + "_simple_bypass":
        raise WeightsError(f"{origin} holds a {found}, not a {variant}")
    if variant == base + "_simple_bypass" and has_bypass_tensors:
        raise WeightsError(f"{origin} holds a {found}, not a {variant}")
    _check_wiring(wiring, origin)
    network = _network(tensors, base, variant, wiring, detector)
    _check(tensors, network)
    return network


class _Tensors:
    """Shapes of tensors by torchvision's names; where they come from, and their names there."""

    def __init__(
        self, shapes: Mapping[str, Shape], origin: str, own_names: Mapping[str, str]
    ) -> None:
        self.shapes = shapes
        self.origin = origin
        self.own_names = own_names

    def shown(self, name: str) -> str:
        return printable(self.own_names.get(name, name), MAX_SHOWN)

    def found(self, name: str) -> str:
        return str(self.shapes[name]) if name in self.shapes else "missing"


def _base_variant(tensors: _Tensors) -> str:
    shapes, origin = tensors.shapes, tensors.origin
    fires = {
        int(parts[1])
        for name in shapes
        if (parts := name.split("."))[0] == "features"
        and len(parts) == 4
        and parts[1].isascii()
        and parts[1].isdigit()
        and len(parts[1]) < 3
    }
    for base, topology in TOPOLOGIES.items():
        if fires == set(topology.fires):
            return base
    if not fires:
        some = ", ".join(tensors.shown(name) for name in sorted(shapes)[:3])
        found = f"none of its {len(shapes)} tensors ({some}, ...)" if some else "no tensor"
        raise WeightsError(
            f"{origin} is not a SqueezeNet: {found} is of a fire module, "
            "such as features.3.squeeze.weight"
        )
    base = min(TOPOLOGIES, key=lambda base: len(fires.symmetric_difference(TOPOLOGIES[base].fires)))
    expected = {
        f"features.{position}.{part}.{kind}"
        for position in TOPOLOGIES[base].fires
        for part in ("squeeze", "expand1x1", "expand3x3")
        for kind in ("weight", "bias")
    }
    lacks = sorted(expected.difference(shapes))
    more = f" and {len(lacks) - 1} more tensors" if lacks[1:] else ""
    lack = f" it lacks {tensors.shown(lacks[0])}{more}" if lacks else ""
    others = [name for name in shapes if name.startswith("features.") and name.count(".") == 3]
    extra = sorted(set(others).difference(expected))
    has = f"{';' * bool(lack)} it has {tensors.shown(extra[0])}" if extra else ""
    raise WeightsError(f"{origin} is not a SqueezeNet 1.0 or 1.1: like {base}, but{lack}{has}")


def _check_wiring(wiring: Wiring, origin: str) -> None:
    for name in ("conv1_padding", "conv10_padding"):
        padding = getattr(wiring, name)
        if type(padding) is not int or not 0 <= padding <= MAX_PADDING:
            raise WeightsError(f"{origin}: {name} is {padding!r}, expected 0 to {MAX_PADDING}")
    for name in ("ceil_mode", "conv10_relu"):
        value = getattr(wiring, name)
        if not isinstance(value, bool):
            raise WeightsError(f"{origin}: {name} is {value!r}, expected True or False")
    if wiring.activation is not None and wiring.activation not in ACTIVATIONS:
        raise WeightsError(
            f"{origin}: activation is {shown(wiring.activation)}, "
            f"expected one of {', '.join(ACTIVATIONS)}"
        )


def _activation(wiring: Wiring, classes: int, origin: str) -> str:
    if classes == 1 and wiring.activation == "softmax":
        raise WeightsError(
            f"{origin}: has one output, whose softmax is always 1; "
            "expected the activation sigmoid or none"
        )
    return wiring.activation or ("none" if classes == 1 else "softmax")


def _network(
    tensors: _Tensors, base: str, variant: str, wiring: Wiring, detector: AnyDesign | None
) -> Network:
    shapes, origin = tensors.shapes, tensors.origin

    def out_channels(name: str) -> int:
        weight = f"{name}.weight"
        shape = shapes.get(weight, ())
        if len(shape) != 4 or min(shape) < 1:
            raise WeightsError(
                f"{origin}: {tensors.shown(weight)} is {tensors.found(weight)}, expected the "
                f"weight of a convolution (out, in, height, width) for {variant}"
            )
        return shape[0]

    def keeps(position: int) -> bool:
        return topology.fires.index(position) in SIMPLE_BYPASS

    topology = TOPOLOGIES[base]
    bypass = BYPASSES[variant.removeprefix(base)]
    stem = Conv(
        "features.0",
        out_channels("features.0"),
        (detector and detector.stem) or topology.kernel,
        padding=wiring.conv1_padding,
    )
    trunk: list[Layer] = [stem]
    for position in sorted(topology.fires + topology.pools):
        if position in topology.pools:
            trunk.append(MaxPool(f"features.{position}", wiring.ceil_mode))
            continue
        name = f"features.{position}"
        kind = bypass
        if bypass == "simple" and not keeps(position):
            kind = None
        elif bypass == "complex" and keeps(position):
            kind = "simple"
        squeeze, e1, e3 = (
            out_channels(f"{name}.{part}") for part in ("squeeze", "expand1x1", "expand3x3")
        )
        trunk.append(Fire(name, squeeze, e1, e3, kind))
    heads: dict[str, tuple[Branch, ...]] = {}
    classes = 0
    if detector is not None:
        from sqznet.network.detector import HEAD, branches

        head = branches(detector, tuple(trunk), wiring.ceil_mode, out_channels, origin)
        return Network(variant, tuple(trunk), {HEAD: head}, "sigmoid")
    # Weights may be saved without the classifier, for extracting features.
    if any(name.startswith("classifier.") for name in shapes):
        classes = out_channels("classifier.1")
        layer = Classifier("classifier.1", classes, wiring.conv10_padding, wiring.conv10_relu)
        heads["classifier"] = (Branch(trunk[-1].name, (layer,), "logits"),)
    return Network(variant, tuple(trunk), heads, _activation(wiring, classes, origin))


def _check(tensors: _Tensors, network: Network) -> None:
    shapes, origin = tensors.shapes, tensors.origin
    expected = network.tensors()
    for name, shape in expected.items():
        if shapes.get(name) != shape:
            raise WeightsError(
                f"{origin}: {tensors.shown(name)} is {tensors.found(name)}, "
                f"expected {shape} for {network.variant}"
            )
    if extra := sorted(set(shapes) - set(expected)):
        raise WeightsError(
            f"{origin}: {tensors.shown(extra[0])} does not belong to a {network.variant}"
        )
    for layer, channels in network.inputs():
        if reason := layer.misfit(channels):
            raise WeightsError(f"{origin}: {reason}")
