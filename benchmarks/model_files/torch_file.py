"""TorchScript: the network traced and frozen in channel-last layout."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own convention)

from benchmarks.network import INPUT, OUTPUT, Concat, Conv, Plan, Pool, Shape, Weights


class _Network(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """The list of layers as a torch module."""

    def __init__(self, plan: Plan, weights: Weights) -> None:
        super().__init__()
        self.plan = plan
        self.convs = torch.nn.ModuleDict()
        for layer in plan:
            if isinstance(layer, Conv):
                conv = torch.nn.Conv2d(
                    layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.pad
                )
                for kind in ("weight", "bias"):
                    value = torch.from_numpy(weights[f"{layer.key}.{kind}"].copy())
                    setattr(conv, kind, torch.nn.Parameter(value, requires_grad=False))
                self.convs[layer.name] = conv

    def forward(self, x: Any) -> Any:
        values = {INPUT: x}
        for layer in self.plan:
            if isinstance(layer, Concat):
                values[layer.name] = torch.cat([values[s] for s in layer.sources], 1)
                continue
            source = values[layer.source]
            if isinstance(layer, Conv):
                values[layer.name] = F.relu(self.convs[layer.name](source))
            elif isinstance(layer, Pool):
                values[layer.name] = F.max_pool2d(source, 3, 2, ceil_mode=True)
            else:
                values[layer.name] = source.mean((2, 3))
        return values[OUTPUT]


def write(plan: Plan, weights: Weights, shape: Shape, path: Path) -> Path:
    """Write the frozen script; `shape` is (batch, height, width)."""
    batch, height, width = shape
    example = torch.zeros(batch, 3, height, width).contiguous(memory_format=torch.channels_last)
    network: Any = _Network(plan, weights).eval()
    network = network.to(memory_format=torch.channels_last)
    jit: Any = torch.jit
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript, in favor of compile
        script = jit.freeze(jit.trace(network, example))
        jit.save(script, str(path))
    return path
