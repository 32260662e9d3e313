"""Keras 2 and 3 ``.h5`` files, and Keras 3's ``.keras`` archives."""

from sqznet.weights.keras.reader import looks_like, read

__all__ = ["looks_like", "read"]
