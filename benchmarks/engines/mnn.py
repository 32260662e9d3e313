"""MNN: converted from ONNX by its own converter, run through the Module interface at full fp32."""

from __future__ import annotations

from benchmarks.engines.base import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmarks.network import Array, Plan, Shape, Weights


class Adapter(Engine):
    """The default `precision` may use half floats on CPUs that have them; `high` never does."""

    package = "MNN"
    module = "MNN"

    @classmethod
    def write(cls, plan: Plan, weights: Weights, shape: Shape, folder: Path) -> str:
        # The compiled converter directly: `MNN.tools.mnnconvert`, its Python front, on import runs
        # `pip install` for a logging package and contacts a usage-statistics server.
        import _tools

        from benchmarks.model_files import onnx_file

        source = onnx_file.write(plan, weights, shape, folder / "for_mnn.onnx")
        target = folder / "squeezenet.mnn"
        arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)]
        _tools.mnnconvert(["mnnconvert", *arguments, "--bizCode", "benchmark"])
        if not target.is_file():
            raise RuntimeError("MNN's converter wrote no model")
        return str(target)

    def __init__(self, model: str, threads: int, shape: Shape) -> None:
        from MNN import expr, nn

        self._expr: Any = expr
        self._shape = [shape[0], 3, shape[1], shape[2]]
        config = {"backend": "CPU", "precision": "high", "numThread": threads}
        self._runtime: Any = nn.create_runtime_manager((config,))
        self._module: Any = nn.load_module_from_file(
            model, ["image"], ["logits"], runtime_manager=self._runtime
        )

    def feed(self, x: Array) -> Any:
        return self._expr.const(x, self._shape, self._expr.NCHW)

    def infer(self, fed: Any) -> Array:
        import numpy as np

        return np.array(self._module.forward(fed).read(), np.float32)
