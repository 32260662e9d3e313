"""One adapter per inference engine, found by name.

This module and `base` import nothing heavy: the cold-start measurement goes through them.
"""

from __future__ import annotations

from importlib import import_module

from benchmarks.engines.base import Engine

OURS = "sqznet"
RIVALS = ("onnxruntime", "ncnn", "openvino", "litert", "mnn", "opencv", "torch")
NAMES = (OURS, *RIVALS)
# The engines that run 8-bit networks. sqznet also runs the fp32 network and onnxruntime's file.
INT8 = {name: f"{name}_int8" for name in (OURS, "onnxruntime", "openvino", "litert", "ncnn", "mnn")}

OWN = (OURS, INT8[OURS], "sqznet_qdq")
# Those that compute in half precision, on ARM processors with fp16 arithmetic.
FP16 = ("sqznet_fp16", "ncnn_fp16")


def get(name: str) -> type[Engine]:
    """The adapter class; loading it does not import the engine itself."""
    known = (*NAMES, *INT8.values(), *OWN, *FP16)
    if name not in known:
        raise ValueError(f"unknown engine {name!r}; expected one of {', '.join(known)}")
    adapter: type[Engine] = import_module(f"benchmarks.engines.{name}").Adapter
    return adapter
