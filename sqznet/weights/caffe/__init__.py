"""Caffe's ``.caffemodel``, with the ``.prototxt`` beside it if there is one."""

from sqznet.weights.caffe.reader import looks_like, read

__all__ = ["looks_like", "read"]
