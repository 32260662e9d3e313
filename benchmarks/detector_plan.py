"""A detector as the flat list of layers from which rivals' model files are generated.

The levels have no layer in common here, though they share weights: engines have no such layers. The
outputs of the levels are named after them, with the channels of all classes, then of the sides.
"""

from __future__ import annotations

from benchmarks.network import INPUT, Concat, Conv, Layer, Plan, Pool, Weights
from sqznet.network import layers
from sqznet.network.layers import Network


def plan_of(network: Network, weights: Weights) -> Plan:
    """The layers in the order in which they run. ``weights``: by the names of the network's."""
    made: list[Layer] = []
    sources = {layers.INPUT: INPUT}

    def conv(
        name: str, source: str, key: str, stride: int = 1, pad: int = 0, relu: bool = True
    ) -> str:
        out, inputs, kernel, _ = weights[f"{key}.weight"].shape
        made.append(Conv(name, source, key, inputs, out, kernel, stride, pad, relu))
        return name

    def joined(name: str, *parts: str) -> str:
        made.append(Concat(name, parts))
        return name

    def fire(name: str, source: str, key: str) -> str:
        squeezed = conv(f"{name}.squeeze", source, f"{key}.squeeze")
        ones = conv(f"{name}.expand1x1", squeezed, f"{key}.expand1x1")
        return joined(name, ones, conv(f"{name}.expand3x3", squeezed, f"{key}.expand3x3", pad=1))

    def add(layer: layers.Layer, name: str, source: str, output: str) -> str:
        if isinstance(layer, layers.Conv):
            return conv(name, source, layer.name, layer.stride, layer.padding, layer.relu)
        if isinstance(layer, layers.Fire):
            return fire(name, source, layer.name)
        if isinstance(layer, layers.MaxPool):
            made.append(Pool(name, source))
            return name
        assert isinstance(layer, layers.Joined)
        parts = [conv(f"{name}.{p.name}", source, p.name, relu=False) for p in layer.parts]
        return joined(output, *parts)

    names = iter(network.map_names)
    for branch in network.branches:
        source = sources[branch.input]
        for layer in branch.layers:
            source = add(layer, next(names), source, branch.output)
            sources[layer.name] = source
    return tuple(made)
