"""ncnn's ``.param`` and its ``.bin``."""

from sqznet.weights.ncnn.reader import is_half_of_a_pair, looks_like, read

__all__ = ["is_half_of_a_pair", "looks_like", "read"]
