"""Many machines: what Ray Data calls for each batch of photos, and whole runs on a Ray cluster."""

from sqznet.ray.batches import Classifier, Detector, Embedder, per_core

__all__ = ["Classifier", "Detector", "Embedder", "per_core"]
