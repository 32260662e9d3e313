"""Where ncnn's int8 convolutions round: what each reads, to -127..127 in steps of its own scale.

The output is rounded too if the next convolution reads it directly
(https://github.com/Tencent/ncnn, src/layer/convolution.cpp, forward_int8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqznet.network.layers import INPUT, Fire, MaxPool, Network
from sqznet.weights.grids import Quantization
from sqznet.weights.ncnn.weights import StoredConv

Grids = Mapping[str, tuple[Quantization, ...]]

_HIGHEST = 127


def activations(network: Network, convs: Mapping[str, StoredConv]) -> Grids:
    """The roundings of a network, as in `Checkpoint.activations`.

    Empty if it has none, and also if layers that read the same map would round it differently: two
    convolutions with other scales, or a convolution and a bypass, which does not round.
    """
    found = {
        name: (_grid(conv.output_step),)
        for name, conv in convs.items()
        if conv.output_step is not None
    }
    for place, readers in _readers(network):
        steps = {convs[name].input_step for name in readers}
        if len(steps) > 1:
            return {}
        (step,) = steps
        if step is not None:
            found[place] = (*found.get(place, ()), _grid(step))
    is_plain = not any(isinstance(layer, Fire) and layer.bypass for layer in network.layers)
    return found if is_plain else {}


def _grid(step: float) -> Quantization:
    return Quantization(step, 0, -_HIGHEST, _HIGHEST)


def _readers(network: Network) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each place that convolutions read, with their names."""
    place = INPUT
    for layer in network.layers:
        if isinstance(layer, Fire):
            yield place, (f"{layer.name}.squeeze",)
            yield f"{layer.name}.squeeze", (f"{layer.name}.expand1x1", f"{layer.name}.expand3x3")
            place = f"{layer.name}.concat"
            continue
        if not isinstance(layer, MaxPool):
            yield place, (layer.name,)
        place = layer.name
