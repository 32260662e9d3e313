"""Runs large maps in bands of rows, so that a layer's output is still in the cache when the next
layer reads it.

The layers up to a pool run together: each band passes through all of them before the next band
starts. Between two layers, only a band's rows are stored. If a layer needs rows that it has already
read for the band before, these are first moved to the start of that memory. So nothing is computed
twice, and the memory grows only with a map's width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from sqznet import _kernels
from sqznet.engine.float_layers import PackedLayers
from sqznet.engine.program import ITEM_BYTES, Dtype, Program, Value
from sqznet.network.layers import Layer, MapShape, MaxPool

# Bytes of a map from which bands are faster: much of it has left the caches when it is read.
LARGE = 8 << 20

# Target size in bytes of a band of a group's largest map. In smaller bands, two threads have too
# little work to share; larger bands leave the caches, too (docs/performance.md).
BAND = 4 << 20

# After the pool, a band's rows are a multiple of this: the fires before it work on twice as many,
# which are whole tiles of 7 x 7 outputs.
STEP = 7


class Turn:
    """One layer's part of a band: it reads rows ``needed`` to ``read`` and writes rows ``first``
    to ``stop``. Its input rows up to ``kept`` already existed for the band before."""

    def __init__(self, needed: int, kept: int, read: int, first: int, stop: int) -> None:
        self.needed = needed
        self.kept = kept
        self.read = read
        self.first = first
        self.stop = stop


def groups(layers: Sequence[Layer], part: range) -> Iterator[range]:
    """Splits a part of the layers into groups of indices; all but maybe the last end in a pool."""
    start = part.start
    for index in part:
        if isinstance(layers[index], MaxPool):
            yield range(start, index + 1)
            start = index + 1
    if start < part.stop:
        yield range(start, part.stop)


def rows_of_a_band(group: range, shapes: Sequence[MapShape], dtypes: Sequence[Dtype]) -> int:
    """The rows of a band after a group's last layer; 0 if bands would not be faster.

    ``shapes``, ``dtypes``: the output shape (H, W, C) and type of each layer of the network.
    """
    index = max(group, key=lambda i: prod(shapes[i]))
    height, width, channels = shapes[index]
    pixel = channels * ITEM_BYTES[dtypes[index]]
    pooled = shapes[group[-1]][0]
    if height * width * pixel < LARGE or pooled == height:
        return 0
    rows_each = -(-height // pooled)  # rows of the largest map for each row after the pool
    steps = BAND // (width * pixel * rows_each * STEP)
    rows = max(1, steps) * STEP
    return rows if rows < pooled else 0


def add(
    program: Program,
    packed: PackedLayers,
    layers: Sequence[Layer],
    shapes: Sequence[MapShape],
    group: range,
    rows: int,
    x: Value,
    y: Value,
) -> None:
    """Appends the steps of a group in bands, from its input ``x`` to its output ``y``."""
    own = [layers[i] for i in group]
    heights = [x.shape[1], *(shapes[i][0] for i in group)]
    plan = plan_of(own, heights, rows)
    most = [max(turn.read - turn.needed for turn in turns) for turns in zip(*plan, strict=True)]
    between = [
        program.value(1, rows, *shapes[i][1:], dtype=packed.dtype_of(layers[i]))
        for rows, i in zip(most[1:], group[:-1], strict=True)
    ]
    for image in range(x.shape[0]):
        held = [0] * len(between)  # for each map, the row at the start of its value
        for band in plan:
            for i, turn in enumerate(band):
                if turn.first == turn.stop:  # finished with the band before
                    continue
                program.layer = group[i]
                if i < len(between):
                    _move(program, between[i], band[i + 1], held[i])
                    held[i] = band[i + 1].needed
                    target = between[i].rows(0, turn.first - held[i], turn.stop - held[i])
                else:
                    target = y.rows(image, turn.first, turn.stop)
                if i:
                    start = held[i - 1]
                    source = between[i - 1].rows(0, turn.needed - start, turn.read - start)
                else:
                    source = x.rows(image, turn.needed, turn.read)
                packed.add(program, own[i], source, target, max(0, turn.first - turn.needed))


def _move(program: Program, value: Value, reader: Turn, held: int) -> None:
    """Moves the rows that the reader needs again to the start of the value."""
    again, moved = reader.kept - reader.needed, reader.needed - held
    if again > 0 and moved > 0:
        program.step(
            _kernels.bind_move, value.rows(0, moved, moved + again), value.rows(0, 0, again)
        )


def plan_of(layers: Sequence[Layer], heights: Sequence[int], rows: int) -> list[list[Turn]]:
    """What each layer does for each band of ``rows`` rows after the last layer.

    ``heights``: the height of the first layer's input, with its border, and of each layer's output.
    """
    done = [0] * len(heights)
    bands = []
    for stop in range(rows, heights[-1] + rows, rows):
        stops = [min(stop, heights[-1])]
        for layer, height in zip(reversed(layers), reversed(heights[:-1]), strict=True):
            stops.insert(0, layer.rows_read(0, stops[0], height)[1])
        band = []
        for i, layer in enumerate(layers):
            needed, read = layer.rows_read(done[i + 1], stops[i + 1], heights[i])
            band.append(Turn(needed, done[i], read, done[i + 1], stops[i + 1]))
        bands.append(band)
        done = stops
    return bands
