"""PyTorch: traced and frozen, channel-last.

`optimize_for_inference` (which moves the graph to oneDNN's own layout) was measured slower than
channel-last here, and `torch.compile` no faster after half a minute of compiling with a C++
compiler that users may not have.
"""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """The network is built here from the list of layers, so torchvision is not needed."""

    package = "torch"
    module = "torch"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        from benchmarks.model_files import torch_file

        return str(torch_file.write(plan, weights, shape, folder / "squeezenet.pt"))

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch
        jit: Any = torch.jit
        self._module: Any = jit.load(model)

    def feed(self, x: Array) -> Any:
        return self._torch.from_numpy(x).contiguous(memory_format=self._torch.channels_last)

    def infer(self, fed: Any) -> Array:
        with self._torch.inference_mode():
            logits: Array = self._module(fed).numpy()
        return logits
