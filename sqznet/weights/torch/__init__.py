"""PyTorch's ``.pth`` and ``.ckpt``, zip or legacy pickle, read without executing anything."""

from sqznet.weights.torch.reader import looks_like, read

__all__ = ["looks_like", "read"]
