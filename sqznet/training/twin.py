"""The twin of a network in torch: the same layers and weights, with gradients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sqznet.errors import WeightsError
from sqznet.network.layers import (
    INPUT,
    Classifier,
    Conv,
    Fire,
    Joined,
    MaxPool,
    Network,
    PaddedConv,
)
from sqznet.weights.checkpoint import RawTensor


class Twin(nn.Module):  # type: ignore[misc]  # torch has no types here
    """A network as `sqznet.network` describes it.

    Its parameters have the names of the network's tensors, so `state_dict` maps these names to
    float32 tensors of the same shapes. ``network``: the description.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        shapes = network.tensors()
        self.convolutions: dict[str, nn.Conv2d] = {}
        for name in network.convolutions:
            out, cin, kernel, _ = shapes[f"{name}.weight"]
            self.convolutions[name] = conv = nn.Conv2d(cin, out, kernel)
            *folders, last = name.split(".")
            place: nn.Module = self
            for folder in folders:
                inner = dict(place.named_children()).get(folder)
                if inner is None:
                    inner = nn.Module()
                    place.add_module(folder, inner)
                place = inner
            place.add_module(last, conv)

    def forward(self, x: Tensor, keep: Collection[str] = ()) -> dict[str, Tensor]:
        """The outputs of the heads by name: logits (N, classes), and maps (N, C, H, W).

        ``x``: a preprocessed input (N, 3, H, W). ``keep``: the names of layers whose maps are
        wanted, too.
        """
        read = {branch.input for branch in self.network.branches}
        maps = {INPUT: x}
        for branch in self.network.branches:
            y = maps[branch.input]
            for layer in branch.layers:
                y = _OPERATIONS[type(layer)](layer, self.convolutions, y)
                if layer.name in read or layer.name in keep:
                    maps[layer.name] = y
            maps[branch.output] = y
        return {name: maps[name] for name in (*self.network.outputs, *keep)}


def twin_of(network: Network, weights: Mapping[str, RawTensor], new: Collection[str] = ()) -> Twin:
    """The twin with these weights, as float32; those of float32 stay bit for bit.

    ``new``: the names of convolutions that start at random, from torch's generator, since
    ``weights`` are another network's there. Raises WeightsError if other tensors are missing or
    have another shape.
    """
    twin = Twin(network)
    state = twin.state_dict()
    for name, shape in network.tensors().items():
        if name.rpartition(".")[0] in new:
            continue
        raw = weights.get(name)
        if raw is None or raw.shape != shape:
            found = "missing" if raw is None else f"{raw.shape}"
            raise WeightsError(f"{name} is {found}, expected {shape} for {network.variant}")
        state[name] = torch.from_numpy(raw.array())
    twin.load_state_dict(state)
    for name in new:
        conv = twin.convolutions[name]
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.zeros_(conv.bias)
    return twin


def weights_of(twin: nn.Module) -> dict[str, RawTensor]:
    """The weights of a twin as they go into a file: float32, bit for bit."""
    return {
        name: _raw(value.detach().to("cpu", torch.float32).contiguous().numpy())
        for name, value in twin.state_dict().items()
    }


def _raw(values: npt.NDArray[np.float32]) -> RawTensor:
    data = values.astype("<f4").tobytes()
    return RawTensor("float32", values.shape, memoryview(data))


Convolutions = Mapping[str, nn.Conv2d]


def _convolved(
    convs: Convolutions, name: str, x: Tensor, stride: int = 1, padding: int = 0
) -> Tensor:
    conv = convs[name]
    return functional.conv2d(x, conv.weight, conv.bias, stride, padding)


def _conv(layer: Conv, convs: Convolutions, x: Tensor) -> Tensor:
    y = _convolved(convs, layer.name, x, layer.stride, layer.padding)
    return functional.relu(y, inplace=True) if layer.relu else y


def _max_pool(layer: MaxPool, convs: Convolutions, x: Tensor) -> Tensor:
    return functional.max_pool2d(x, layer.kernel, layer.stride, ceil_mode=layer.ceil_mode)


def _fire(layer: Fire, convs: Convolutions, x: Tensor) -> Tensor:
    s = functional.relu(_convolved(convs, f"{layer.name}.squeeze", x), inplace=True)
    parts = (
        _convolved(convs, f"{layer.name}.expand1x1", s),
        _convolved(convs, f"{layer.name}.expand3x3", s, padding=1),
    )
    y = functional.relu(torch.cat(parts, 1), inplace=True)
    if layer.bypass == "simple":
        return y + x
    if layer.bypass == "complex":
        return y + _convolved(convs, f"{layer.name}.bypass", x)
    return y


def _classifier(layer: Classifier, convs: Convolutions, x: Tensor) -> Tensor:
    if not layer.relu and not layer.padding:  # then the order makes no difference, but for time
        x = x.mean((2, 3), keepdim=True)
    y = _convolved(convs, layer.name, x, padding=layer.padding)
    return (functional.relu(y) if layer.relu else y).mean((2, 3))


def _joined(layer: Joined, convs: Convolutions, x: Tensor) -> Tensor:
    return torch.cat([_conv(part, convs, x) for part in layer.parts], 1)


def _padded_conv(layer: PaddedConv, convs: Convolutions, x: Tensor) -> Tensor:
    y = _convolved(convs, layer.name, x, padding=1)
    return functional.relu(y, inplace=True) if layer.relu else y


_OPERATIONS: Mapping[type, Callable[..., Tensor]] = {
    Conv: _conv,
    MaxPool: _max_pool,
    Fire: _fire,
    Classifier: _classifier,
    Joined: _joined,
    PaddedConv: _padded_conv,
}
