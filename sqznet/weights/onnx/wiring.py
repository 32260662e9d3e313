"""Padding and pooling of a SqueezeNet in an ONNX graph, derived from its windows."""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.errors import WeightsError, shown
from sqznet.network.layers import pooled_size
from sqznet.network.variants import MAX_PADDING, Wiring
from sqznet.weights.onnx.found import FoundConv, FoundFire, FoundNetwork
from sqznet.weights.onnx.graph import Node

Size = tuple[int, int]

_NO_PADS = (0, 0, 0, 0)
_END_PADS = (0, 0, 1, 1)


def find_wiring(network: FoundNetwork, size: Size) -> tuple[Wiring, Mapping[str, str]]:
    """The wiring and its reasons, for an input of `size` (height, width) pixels.

    The size matters only if a node's meaning depends on it: auto_pad, an AveragePool, or pools of
    which only some have pads. Raises WeightsError, naming the node, if a window is not one of a
    SqueezeNet.
    """
    conv1, conv10 = network.conv1, network.conv10
    conv1_padding = _conv_padding(conv1, 2, size)
    height, width = ((side + 2 * conv1_padding - conv1.shape[2]) // 2 + 1 for side in size)
    ceil_modes: list[bool] = []
    decisive: list[bool] = []
    for block in network.blocks:
        if isinstance(block, FoundFire):
            _check_fire(block)
            continue
        ceil_mode = _ceil_mode(block)
        ceil_modes.append(ceil_mode)
        if height % 2 == 0 or width % 2 == 0:  # else the last window ends at the border
            decisive.append(ceil_mode)
        height, width = pooled_size(height, ceil_mode), pooled_size(width, ceil_mode)
    conv10_padding = _conv_padding(conv10, 1, (height, width))
    _check_average(network.average, (height + 2 * conv10_padding, width + 2 * conv10_padding))
    ceil_mode, reason = _agreed(network.pools, ceil_modes, decisive, size)
    wiring = Wiring(conv1_padding, conv10_padding, ceil_mode, network.softmax)
    reasons = {
        "conv1_padding": str(conv1.node),
        "conv10_padding": str(conv10.node),
        "ceil_mode": reason,
        "softmax": f"the graph {'ends in a' if network.softmax else 'has no'} Softmax",
    }
    return wiring, reasons


def _agreed(
    pools: list[Node], ceil_modes: list[bool], decisive: list[bool], size: Size
) -> tuple[bool, str]:
    """The mode that the pools agree on, and the reason."""
    if len(set(ceil_modes)) == 1:
        ceil_mode = ceil_modes[0]
        if any(pool.integer("ceil_mode", 0) for pool in pools):
            return ceil_mode, "the pools' ceil_mode"
        if ceil_mode:
            return ceil_mode, "the pools' pads at the end"
        return ceil_mode, "the pools have neither ceil_mode nor pads"
    # Exporters that express ceil mode as pads omit them where floor and ceil mode are the same for
    # the size of the graph's input.
    if len(set(decisive)) == 1:
        return decisive[0], f"the pools that matter at {size[0]}x{size[1]} pixels"
    raise WeightsError(
        f"some pools are in floor mode ({pools[ceil_modes.index(False)]}) "
        f"and some in ceil mode ({pools[ceil_modes.index(True)]})"
    )


def _ceil_mode(node: Node) -> bool:
    """Whether a pool includes its last, clipped window."""
    _check_window(node, 2)
    if node.integers("kernel_shape", ()) != (3, 3):
        raise WeightsError(
            f"{node} has windows of {list(node.integers('kernel_shape', ()))}, expected [3, 3]"
        )
    ceil_mode = bool(node.integer("ceil_mode", 0))
    pads = node.integers("pads", _NO_PADS)
    auto_pad = node.text("auto_pad", "NOTSET")
    if auto_pad == "VALID" or (auto_pad == "NOTSET" and pads == _NO_PADS):
        return ceil_mode and auto_pad != "VALID"
    # 3x3 windows with stride 2 over one additional row and column at the end are the same windows
    # as in ceil mode, for any size: (n + 1 - 3) // 2 = ceil((n - 3) / 2).
    if auto_pad == "NOTSET" and pads == _END_PADS and not ceil_mode:
        return True
    raise WeightsError(
        f"{node} is neither in floor nor in ceil mode: pads {list(pads)}, "
        f"auto_pad {shown(auto_pad)}, ceil_mode {int(ceil_mode)}"
    )


def _check_fire(fire: FoundFire) -> None:
    inner = [(fire.squeeze, 0), (fire.expand1x1, 0), (fire.expand3x3, 1)]
    if isinstance(fire.bypass, FoundConv):
        inner.append((fire.bypass, 0))
    for conv, expected in inner:
        # The size does not matter: at stride 1, auto_pad depends only on the kernel.
        padding = _conv_padding(conv, 1, (1, 1))
        if padding != expected:
            raise WeightsError(f"{conv.node} has a padding of {padding}, expected {expected}")


def _conv_padding(conv: FoundConv, stride: int, size: Size) -> int:
    """The zeros on each side of a convolution's input."""
    node, kernel = conv.node, conv.shape[2]
    _check_window(node, stride)
    auto_pad = node.text("auto_pad", "NOTSET")
    if auto_pad == "NOTSET":
        pads = node.integers("pads", _NO_PADS)
    elif auto_pad == "VALID":
        pads = _NO_PADS
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        pads = _same_pads(size, kernel, stride, auto_pad == "SAME_LOWER")
    else:
        raise WeightsError(f"{node} has the unknown auto_pad {shown(auto_pad)}")
    if len(pads) != 4 or len(set(pads)) != 1 or not 0 <= pads[0] <= MAX_PADDING:
        raise WeightsError(
            f"{node} has the pads {list(pads)}, expected the same on every side, 0 to {MAX_PADDING}"
        )
    return pads[0]


def _same_pads(size: Size, kernel: int, stride: int, more_before: bool) -> tuple[int, ...]:
    """The pads of auto_pad, so that the output has ceil(size / stride) rows and columns."""
    totals = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in size]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return tuple(more + less if more_before else less + more)


def _check_average(node: Node, size: Size) -> None:
    """Checks that an AveragePool covers the whole map; the other averages always do."""
    if node.op != "AveragePool":
        return
    kernel = node.integers("kernel_shape", ())
    if kernel != size:
        raise WeightsError(
            f"{node} averages windows of {list(kernel)}, expected the whole map, {list(size)}"
        )
    if any(node.integers("pads", _NO_PADS)) or node.text("auto_pad", "NOTSET").startswith("SAME"):
        raise WeightsError(f"{node} pads its input, expected the average of only the map")


def _check_window(node: Node, stride: int) -> None:
    for name, expected in (("strides", stride), ("dilations", 1)):
        found = node.integers(name, (1, 1))
        if found != (expected, expected):
            raise WeightsError(f"{node} has {name} {list(found)}, expected {[expected] * 2}")
