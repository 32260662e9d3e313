"""From photos to the outputs of a detector: the pipeline of a network with a detector's head."""

from __future__ import annotations

from sqznet import weights
from sqznet.detection.boxes import Ask, Boxes
from sqznet.detection.thresholds import DEFAULT, Threshold, by_class
from sqznet.engine.pipeline import Pipeline
from sqznet.errors import SqznetError, WeightsError, checked_count
from sqznet.images.preprocessing import Preprocessing
from sqznet.network.convdet import AnchorDesign
from sqznet.network.detector import HEAD, AnyDesign, num_classes
from sqznet.weights.labels import for_network as names_for

#: The smallest side of the input in pixels; its sides are multiples of `STEP`.
LEAST, STEP = 128, 32


class DetectionPipeline(Pipeline):
    """A pipeline that finds things on photos. ``labels``, ``size`` and ``boxes``: see
    ``sqznet.Detector``; ``design``, how its head reads the trunk."""

    def __init__(
        self,
        checkpoint: weights.Checkpoint,
        *,
        threads: int | None = None,
        isa: str | None = None,
        precision: str | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        if checkpoint.detector is None:
            raise WeightsError(
                f"{checkpoint.path}: is not a detector, which has an entry 'detector' in its "
                "metadata; sqznet.load and 'sqznet classify' open classifiers"
            )
        preprocessing = preprocessing or checkpoint.preprocessing
        _check_input(preprocessing, checkpoint.detector, checkpoint.path)
        super().__init__(
            checkpoint,
            threads=threads,
            isa=isa,
            preprocessing=preprocessing,
            precision=precision,
        )
        self.design = checkpoint.detector
        network = self.executor.network
        self.labels = names_for(
            None, checkpoint.labels, num_classes(network, self.design), checkpoint.path
        )
        self.size = preprocessing.size
        self.boxes = Boxes(
            self.design,
            [branch.output for branch in network.heads[HEAD]],
            self.labels,
            self.size,
            checkpoint.path,
        )

    def ask(self, threshold: Threshold = DEFAULT, top: int = 100) -> Ask:
        """What ``detect`` is asked for, checked."""
        most = min(checked_count("top", top), self.design.most)
        return Ask(by_class(threshold, self.labels), most)


def _check_input(preprocessing: Preprocessing, design: AnyDesign, origin: str) -> None:
    height, width = preprocessing.size
    step = STEP
    if isinstance(design, AnchorDesign):  # its maps may end anywhere, unless the stem pads one side
        step = 1 if design.stem is None else STEP // 2
    if preprocessing.fit != "squash" or preprocessing.resized != preprocessing.size:
        raise WeightsError(
            f"{origin}: crops photos, but a detector needs all of them: fit 'squash'"
        )
    if min(height, width) < LEAST or height % step or width % step:
        raise SqznetError(
            f"size is {height} x {width} pixels, expected sides from {LEAST} up"
            + (f" that are multiples of {step}" if step > 1 else "")
        )
