"""The weights of a SqueezeNet in an ONNX graph, with all that the graph scales and adds folded in.

A convolution takes over what follows it up to its ReLU, W' = s W and b' = s b + t for each output
channel. It also takes over what lies between the ReLU before it and itself: W' = W s for each input
channel, and b' = b + W t.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqznet.errors import WeightsError
from sqznet.weights.checkpoint import RawTensor
from sqznet.weights.onnx.affine import IDENTITY, Affine, joined
from sqznet.weights.onnx.constants import Constants, Quantized, floats_of
from sqznet.weights.onnx.found import (
    NO_PADS,
    FoundConv,
    FoundFire,
    FoundNetwork,
    FoundPool,
    Producer,
)
from sqznet.weights.onnx.head import MATRICES

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]


def tensors(network: FoundNetwork, constants: Constants) -> dict[str, RawTensor]:
    """Every weight and bias by torchvision's names. Raises WeightsError, naming the node, if
    something between two layers cannot be folded."""
    read = _scales(network)
    made: dict[str, RawTensor] = {}
    for name, conv in network.convolutions.items():
        made[f"{name}.weight"], made[f"{name}.bias"] = _folded(
            conv, read.get(name, IDENTITY), constants
        )
    return made


def _scales(network: FoundNetwork) -> Mapping[str, Affine]:
    """How the input of each convolution in the graph differs from that in the network found."""
    read: dict[str, Affine] = {}
    state = IDENTITY
    channels = network.conv1.shape[0]
    for place, block in enumerate(network.blocks, start=2):
        around, state = state, _linked(state, block.producer, channels)
        if isinstance(block, FoundPool):
            if block.producer.pads != NO_PADS and state is not IDENTITY:
                raise WeightsError(f"{block.node} reads scaled values with zeros around them")
            if not state.keeps_order:
                raise WeightsError(f"{block.node} reads values with factors that are not above 0")
            continue
        name = f"features.{place}"
        read[f"{name}.squeeze"] = state
        read[f"{name}.expand1x1"] = block.expand1x1.producer.after
        read[f"{name}.expand3x3"] = block.expand3x3.producer.after
        if isinstance(block.bypass, FoundConv):
            read[f"{name}.bypass"] = _linked(around, block.bypass.producer, channels)
        state, channels = _after_fire(block, around)
    read["classifier.1"] = _linked(state, network.conv10.producer, channels)
    return read


def _linked(state: Affine, link: Producer, channels: int) -> Affine:
    if link.op in ("Add", "Sum", "QLinearAdd") and link.before is not IDENTITY:
        raise WeightsError(f"the result of {link} is scaled before a ReLU or a rounding")
    if link.relu and link.op in ("MaxPool", "Add", "Sum") and state is not IDENTITY:
        raise WeightsError(f"a ReLU follows {link}, and values are scaled before it")
    link.after.check(channels)
    return state.then(link.after)


def _after_fire(fire: FoundFire, around: Affine) -> tuple[Affine, int]:
    """How the result of a fire differs, and its channels; `around`: what its bypass starts from."""
    first, second = fire.expand1x1.shape[0], fire.expand3x3.shape[0]
    result = joined(fire.parts[0], first, fire.parts[1], second)
    if fire.add is None:
        return result, first + second
    main = result.then(fire.added[0])
    other = (around if fire.bypass == "simple" else IDENTITY).then(fire.added[1])
    if main is IDENTITY and other is IDENTITY:
        return IDENTITY, first + second
    for part in (main, other):
        part.check(first + second)
    if not Affine(main.scale, 0.0).same(Affine(other.scale, 0.0)):
        raise WeightsError(f"{fire.add} adds values that are scaled differently")
    return Affine(main.scale, main.shift + other.shift), first + second


def _folded(conv: FoundConv, read: Affine, constants: Constants) -> tuple[RawTensor, RawTensor]:
    weight, bias = _parameters(conv, constants)
    if read is IDENTITY and conv.scaled is IDENTITY:
        return weight, bias
    import numpy as np

    outputs, inputs, _, _ = conv.shape
    read.check(inputs)
    conv.scaled.check(outputs)
    is_padded = conv.shape[2] > 1 or any(conv.node.integers("pads", ())) or any(conv.producer.pads)
    if is_padded and not read.keeps_zero:
        raise WeightsError(
            f"{conv.node} pads its input with zeros after something was added to it, which cannot "
            "be folded into its weights"
        )
    with np.errstate(all="ignore"):  # layers refuse what is not finite
        kernel = floats_of(weight).astype(np.float64)
        shift = floats_of(bias).astype(np.float64)
        shift = shift + (kernel * np.reshape(read.shift, (1, -1, 1, 1))).sum(axis=(1, 2, 3))
        kernel = kernel * np.reshape(read.scale, (1, -1, 1, 1))
        kernel = kernel * np.reshape(conv.scaled.scale, (-1, 1, 1, 1))
        shift = shift * conv.scaled.scale + conv.scaled.shift
    return constants.computed(kernel, conv.node), constants.computed(shift, conv.node)


def _parameters(conv: FoundConv, constants: Constants) -> tuple[RawTensor, RawTensor]:
    """Weight (OIHW) and bias as in the graph, as floats or int8 with scales."""
    node = conv.node
    if node.op in MATRICES:
        return _matrix(conv, constants)
    if node.op == "ConvInteger":
        point = constants.required(node.input(3), node) if node.input(3) else None
        integers = Quantized(constants.required(node.input(1), node), (), point, 0)
        weight = constants.dequantized(integers, node.input(1), node.input(3))
    elif node.op == "QLinearConv":
        scale, zero_point = node.input(4), node.input(5)
        scales = constants.required(scale, node)
        points = constants.required(zero_point, node) if zero_point else None
        tensor = constants.required(node.input(3), node)
        weight = constants.dequantized(
            Quantized(tensor, (scales,), points, 0), node.input(3), scale, zero_point
        )
        if node.input(8):
            both = (constants.required(node.input(1), node), scales)
            tensor = constants.required(node.input(8), node)
            bias = constants.dequantized(
                Quantized(tensor, both, None, 0), node.input(8), node.input(1), scale
            )
            return weight, bias
    else:
        weight = constants.weight(node.input(1), node)
        if node.input(2):
            return weight, constants.weight(node.input(2), node)
    return weight, constants.zeros(conv.shape[0], node)


def _matrix(conv: FoundConv, constants: Constants) -> tuple[RawTensor, RawTensor]:
    """Those of alpha * A * B + beta * C, where A is the average."""
    import numpy as np

    node, outputs = conv.node, conv.shape[0]
    matrix = floats_of(constants.weight(node.input(1), node))
    if not node.integer("transB", 0):
        matrix = matrix.T
    weight = constants.computed(matrix.reshape(conv.shape) * node.number("alpha", 1.0), node)
    if not node.input(2):
        return weight, constants.zeros(outputs, node)
    added = floats_of(constants.weight(node.input(2), node)).reshape(-1)
    if added.size not in (1, outputs):
        raise WeightsError(f"{node} adds {added.size} numbers to its {outputs} outputs")
    bias = np.broadcast_to(added, outputs) * node.number("beta", 1.0)
    return weight, constants.computed(bias, node)
