"""What runs for one input size: steps that use values, and the arena that stores the values.

A step is a kernel bound to its packed weights and to parts of one arena; running the network means
calling the steps in order. No step allocates. The kernels run one after another without the GIL:
taking it again after each kernel would mean waiting for other threads each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Literal

from sqznet import _kernels

Shape = tuple[int, int, int, int]
Dtype = Literal["float32", "int32", "int8", "uint8"]

ITEM_BYTES: Mapping[Dtype, int] = {"float32": 4, "int32": 4, "int8": 1, "uint8": 1}
LINE = 64  # bytes of a cache line


class Value:
    """A map between layers, or scratch memory of a layer: its NHWC shape and element type, and the
    first and last step that use it."""

    def __init__(self, shape: Shape, dtype: Dtype, first: int, last: int) -> None:
        self.shape = shape
        self.dtype = dtype
        self.first = first
        self.last = last
        self.offset = 0  # in bytes into the arena, set by `Program.allocate`

    @property
    def nbytes(self) -> int:
        """Its size in the arena: whole cache lines, so that every value starts on one."""
        n, h, w, c = self.shape
        return -(-n * h * w * c * ITEM_BYTES[self.dtype] // LINE) * LINE

    def rows(self, image: int, first: int, stop: int) -> Rows:
        return Rows(self, image, first, stop)


class Rows:
    """Rows ``first`` to ``stop`` of one image of a value, usable as a map."""

    def __init__(self, value: Value, image: int, first: int, stop: int) -> None:
        self.value = value
        self.image = image
        self.first = first
        self.stop = stop

    @property
    def dtype(self) -> Dtype:
        return self.value.dtype

    @property
    def shape(self) -> Shape:
        _, _, w, c = self.value.shape
        return 1, self.stop - self.first, w, c

    def part(self, first: int, stop: int) -> Rows:
        return Rows(self.value, self.image, self.first + first, self.first + stop)

    @property
    def offset(self) -> int:
        _, h, w, c = self.value.shape
        row = w * c * ITEM_BYTES[self.dtype]
        return self.value.offset + (self.image * h + self.first) * row


Operand = Value | Rows

# Run executes a step; Bind makes it from the step's tensors.
Run = Callable[[], None]
Bind = Callable[..., Run]


class Program:
    """Values and steps for one input size; the operands of a step have no memory yet.

    ``layer``: the index of the layer that the next steps belong to.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.steps: list[tuple[Bind, tuple[Operand, ...]]] = []
        self.layers: list[int] = []  # the layer of each step
        self.layer = 0

    def value(self, *shape: int, dtype: Dtype = "float32") -> Value:
        n, h, w, c = shape
        now = len(self.steps)
        self.values.append(Value((n, h, w, c), dtype, now, now))
        return self.values[-1]

    def scratch(self, nbytes: int) -> Value:
        """At least ``nbytes`` of memory for the step that is appended next."""
        return self.value(1, 1, max(1, -(-nbytes // LINE)), LINE, dtype="uint8")

    def step(self, bind: Bind, *operands: Operand) -> None:
        for operand in operands:
            value = operand.value if isinstance(operand, Rows) else operand
            value.last = len(self.steps)
        self.steps.append((bind, operands))
        self.layers.append(self.layer)

    def allocate(self) -> int:
        """Sets all offsets by first fit, largest first; returns the arena's size in bytes."""
        placed: list[Value] = []
        for value in sorted(self.values, key=lambda v: -v.nbytes):
            value.offset = 0
            for other in sorted(placed, key=lambda v: v.offset):
                overlap_in_time = value.first <= other.last and other.first <= value.last
                if overlap_in_time and value.offset + value.nbytes > other.offset:
                    value.offset = max(value.offset, other.offset + other.nbytes)
            placed.append(value)
        return max(v.offset + v.nbytes for v in placed)


class Workspace:
    """The memory and the steps for ``n`` images of one size. Used by one caller at a time.

    ``outputs``: maps (N, H, W, C) that stay valid after the run, by name: those of the heads, such
    as "logits" (N, 1, 1, classes), and of requested layers.

    ``border``: pixels around each image that belong to the input. They hold ``border_bytes``, a
    byte for each channel, or zeros. ``steps`` and ``operands`` (the tensors of each step) are for
    inspecting single steps. ``check``: called after each run, if the owner sets it.
    """

    def __init__(
        self,
        program: Program,
        entry: Value,
        outputs: Mapping[str, Value],
        border: int,
        border_bytes: bytes | None = None,
    ) -> None:
        self.nbytes = program.allocate()
        arena = _kernels.Tensor((1, 1, self.nbytes // LINE, LINE), "uint8")

        def tensor(operand: Operand) -> _kernels.Tensor:
            return arena.part(operand.offset, operand.shape, operand.dtype)

        self.operands = [list(map(tensor, operands)) for _, operands in program.steps]
        self.steps: list[Run] = [
            bind(*tensors) for (bind, _), tensors in zip(program.steps, self.operands, strict=True)
        ]
        self._run = _in_a_row(self.steps)
        self._layers = program.layers
        self._entry = tensor(entry)
        self._border = border
        if border and border_bytes:
            self._entry.fill(border_bytes)
        self.input = self._entry.inside(border)
        self.outputs = {name: tensor(value) for name, value in outputs.items()}
        self.check: Callable[[Workspace], None] | None = None

    def image(self, index: int) -> _kernels.Tensor:
        """The input of one image, (1, H, W, 3)."""
        _, h, w, c = self._entry.shape
        offset = index * h * w * c * ITEM_BYTES[self._entry.dtype]
        return self._entry.part(offset, (1, h, w, c), self._entry.dtype).inside(self._border)

    def run(self) -> None:
        """Computes ``outputs`` from ``input`` (N, H, W, 3); raises what ``check`` raises."""
        self._run()
        if self.check is not None:
            self.check(self)

    def by_layer(self) -> Iterator[tuple[int, list[Run]]]:
        """Yields the steps in order, consecutive steps of one layer together with its index.

        If a map is processed in bands of rows, each layer appears once per band.
        """
        for index, group in groupby(zip(self._layers, self.steps, strict=True), lambda s: s[0]):
            yield index, [step for _, step in group]


def _in_a_row(steps: list[Run]) -> Run:
    kernels = [step for step in steps if isinstance(step, _kernels.Step)]
    if len(kernels) == len(steps):
        return _kernels.Sequence(kernels)

    def run() -> None:
        for step in steps:
            step()

    return run
