"""Padding and pooling of a SqueezeNet in an ONNX graph, derived from its windows."""

from __future__ import annotations

from collections.abc import Mapping

from sqznet.errors import WeightsError, shown
from sqznet.network.layers import pooled_size
from sqznet.network.variants import MAX_PADDING, Wiring
from sqznet.weights.onnx.found import NO_PADS, FoundConv, FoundFire, FoundNetwork, FoundPool, Pads
from sqznet.weights.onnx.graph import Node

Size = tuple[int, int]

_KERNEL, _STRIDE = 3, 2


def find_wiring(network: FoundNetwork, size: Size) -> tuple[Wiring, Mapping[str, str]]:
    """The wiring and its reasons, for an input of `size` (height, width) pixels.

    The size matters where a node's meaning depends on it: auto_pad, an AveragePool, and pools with
    pads. Raises WeightsError, naming the node, if a window is not one of a SqueezeNet.
    """
    conv1, conv10 = network.conv1, network.conv10
    conv1_padding = _conv_padding(conv1, 2, size)
    height, width = ((side + 2 * conv1_padding - conv1.shape[2]) // 2 + 1 for side in size)
    modes: list[bool] = []
    decisive: list[bool] = []
    for block in network.blocks:
        if isinstance(block, FoundFire):
            _check_fire(block)
            continue
        ceil_mode = _ceil_mode(block, (height, width))
        modes.append(ceil_mode)
        if height % 2 == 0 or width % 2 == 0:  # else the last window ends at the border
            decisive.append(ceil_mode)
        height, width = pooled_size(height, ceil_mode), pooled_size(width, ceil_mode)
    conv10_padding = _conv_padding(conv10, 1, (height, width))
    _check_average(network.average, (height + 2 * conv10_padding, width + 2 * conv10_padding))
    ceil_mode, reason = _agreed([pool.node for pool in network.pools], modes, decisive, size)
    wiring = Wiring(
        conv1_padding,
        conv10_padding,
        ceil_mode,
        softmax=network.activation == "softmax",
        conv10_relu=conv10.relu,
        activation=network.activation,
    )
    end = (network.activation or "").capitalize()
    reasons = {
        "conv1_padding": str(conv1.node),
        "conv10_padding": str(conv10.node),
        "ceil_mode": reason,
        "softmax": f"the graph {'ends in a' if wiring.softmax else 'has no'} Softmax",
        "conv10_relu": f"{'a Relu follows' if conv10.relu else 'no Relu follows'} {conv10.node}",
        **({"activation": f"the graph ends in a {end}"} if end else {}),
    }
    return wiring, reasons


def _agreed(
    pools: list[Node], modes: list[bool], decisive: list[bool], size: Size
) -> tuple[bool, str]:
    """The mode that the pools agree on, and the reason."""
    if len(set(modes)) == 1:
        ceil_mode = modes[0]
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
        f"some pools are in floor mode ({pools[modes.index(False)]}) "
        f"and some in ceil mode ({pools[modes.index(True)]})"
    )


def _ceil_mode(pool: FoundPool, size: Size) -> bool:
    """Whether a pool that reads a map of this size includes its last, clipped window.

    Exporters write ceil mode as pads at the end. torch, before operator set 10, writes 1 or 2 of
    them, whatever the size needs (get_pool_ceil_padding in torch/onnx/symbolic_helper.py), so that
    only the number of windows tells.
    """
    node = pool.node
    _check_window(node, _STRIDE)
    kernel = node.integers("kernel_shape", ())
    if kernel != (_KERNEL, _KERNEL):
        raise WeightsError(f"{node} has windows of {list(kernel)}, expected [3, 3]")
    top, left, bottom, right = pads = _pads(node, pool.producer.pads, size, _KERNEL, _STRIDE)
    is_stated = bool(node.integer("ceil_mode", 0)) and node.text("auto_pad", "") != "VALID"
    if (top, left) == (0, 0) and len(pads) == 4:
        windows = [
            _windows(side, pad, is_stated) for side, pad in zip(size, (bottom, right), strict=True)
        ]
        fitting = [
            mode
            for mode in (is_stated or bool(bottom or right), True, False)
            if windows == [pooled_size(side, mode) for side in size]
        ]
        if fitting:
            return fitting[0]
    raise WeightsError(
        f"{node} is neither in floor nor in ceil mode for a map of {size[0]}x{size[1]}: pads "
        f"{list(pads)}, auto_pad {shown(node.text('auto_pad', 'NOTSET'))}, "
        f"ceil_mode {int(is_stated)}"
    )


def _windows(side: int, pad: int, ceil_mode: bool) -> int:
    """The windows along a side with pads at its end; in ceil mode, the last one starts before
    them."""
    over = side + pad - _KERNEL
    count = (-(-over // _STRIDE) if ceil_mode else over // _STRIDE) + 1
    return count - 1 if ceil_mode and (count - 1) * _STRIDE >= side else count


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
    node = conv.node
    _check_window(node, stride)
    pads = _pads(node, conv.producer.pads, size, conv.shape[2], stride)
    if len(set(pads)) != 1 or not 0 <= pads[0] <= MAX_PADDING:
        raise WeightsError(
            f"{node} has the pads {list(pads)}, expected the same on every side, 0 to {MAX_PADDING}"
        )
    return pads[0]


def _pads(node: Node, above: Pads, size: Size, kernel: int, stride: int) -> Pads:
    """The pads of a node that reads a map of this size, with those of a Pad node above it."""
    auto_pad = node.text("auto_pad", "NOTSET")
    size = size[0] + above[0] + above[2], size[1] + above[1] + above[3]
    if auto_pad == "NOTSET":
        own = node.integers("pads", NO_PADS)
    elif auto_pad == "VALID":
        own = NO_PADS
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        own = _same_pads(size, kernel, stride, auto_pad == "SAME_LOWER")
    else:
        raise WeightsError(f"{node} has the unknown auto_pad {shown(auto_pad)}")
    if len(own) != 4:
        raise WeightsError(f"{node} has the pads {list(own)}, expected four")
    top, left, bottom, right = (a + b for a, b in zip(own, above, strict=True))
    return top, left, bottom, right


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
    if any(node.integers("pads", NO_PADS)) or node.text("auto_pad", "NOTSET").startswith("SAME"):
        raise WeightsError(f"{node} pads its input, expected the average of only the map")


def _check_window(node: Node, stride: int) -> None:
    for name, expected in (("strides", stride), ("dilations", 1)):
        found = node.integers(name, (1, 1))
        if found != (expected, expected):
            raise WeightsError(f"{node} has {name} {list(found)}, expected {[expected] * 2}")
