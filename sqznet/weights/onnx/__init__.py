"""ONNX files, float and quantized."""

from sqznet.weights.onnx.reader import looks_like, read

__all__ = ["looks_like", "read"]
