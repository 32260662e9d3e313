"""Checks that the kernels agree with the reference on this machine, on generated inputs.

Integers must be the same bit for bit. Every other error is relative to the largest expected value.
Rounding to float32 stays below `BOUND`; a single wrong tap of a convolution causes an error
hundreds of times larger. Rounding to half precision stays below `HALF_BOUND`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sqznet import _kernels, api, weights
from sqznet.diagnostics import integers
from sqznet.engine import cpu
from sqznet.errors import reason_of
from sqznet.images.synthetic import photo
from sqznet.model import Model
from sqznet.network import reference
from sqznet.weights.checkpoint import Checkpoint

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Layer = (
    _kernels.Conv
    | _kernels.Squeeze
    | _kernels.Stem
    | _kernels.PaddedConv
    | _kernels.Fire
    | _kernels.Classifier
)

#: The largest allowed error, relative to the largest expected value.
BOUND = 5e-5
HALF_BOUND = 2e-2

#: SHA-256 of the files in sqznet/data, as the scripts in tools/ write them.
BUNDLED_SHA256 = {
    "imagenet_classes.txt": "ee4fa67b1dd46919ef87529b70e25bdd1ec9ebd350de3ad426e6640eb70320a1",
    "imagenet_hierarchy.txt": "93766c8603b5597ababb7fcf35cdd7f2502fd14af319b9cfa208f23988b69dba",
    "imagenet_synsets.txt": "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
    "squeezenet1_1.safetensors": "2330b00b5dbc451ec14a4b37e760dd67100f4b0581d67cbd4377f3add17da245",
    "squeezenet1_1_detector.sqz": (
        "93c95fc11046f4693136cc6afa44eabe0207c9aabc48da3490ed5890f728a22f"
    ),
}

# Input sizes of the whole network: a small rectangle and the normal size.
_SIZES = ((64, 83), (224, 224))
_THREADS = (1, 3)
_TILES = (0, 4, 5, 6, 7)  # of Winograd's algorithm; 0: the layer's own choice


@dataclass(frozen=True)
class Check:
    """The result of one check: its subject (an instruction set, or "files"), its name, whether it
    passed, and the finding."""

    subject: str
    name: str
    passed: bool
    finding: str


def checks(isa: str | None = None) -> Iterator[Check]:
    """Yields all checks, each as soon as it is done.

    ``isa``: the instruction set to check; default: all that run here. Raises UnsupportedIsaError
    for one that does not run here, and WeightsError if the bundled weights cannot be read.
    """
    sets = _kernels.instruction_sets()
    runnable = [name for name, families, runs, _ in sets if "f32" in families and runs]
    chosen = runnable if isa is None else [cpu.kernels(isa).f32.isa]
    with_integers = [name for name, families, runs, _ in sets if "int8" in families and runs]
    if isa is not None:
        with_integers = [cpu.kernels(isa).int8.isa]
    with_halves = [
        name
        for name, families, runs, _ in sets
        if "f16" in families and runs and isa in (None, name)
    ]
    yield from _files()
    whole = _whole_network(weights.bundled())
    for name in chosen:
        for kind, cases in _CASES.items():
            yield _compared(name, kind, _worst(cases(_kernels.kernels_named(name).f32)))
        model = api.load(isa=name, precision="float32")
        yield _photo(model)
        for x, logits in whole:
            size = f"the bundled network, {x.shape[2]} x {x.shape[3]}"
            yield _compared(name, size, _error(model.logits(x), logits))
    for name in with_halves:
        model = api.load(isa=name, precision="float16")
        for x, logits in whole:
            size = f"the bundled network in half precision, {x.shape[2]} x {x.shape[3]}"
            yield _compared(name, size, _error(model.logits(x), logits), HALF_BOUND)
    for name in with_integers:
        for height, width in _SIZES:
            found = [integers.digest(name, threads, height, width) for threads in _THREADS]
            what = f"the bundled network in int8, {height} x {width}"
            yield _same(name, what, found, integers.DIGESTS[height, width])
        detected = [integers.detector_digest(name, threads) for threads in _THREADS]
        what = f"the bundled detector in int8, {' x '.join(map(str, integers.DETECTED))}"
        yield _same(name, what, detected, integers.DETECTED_DIGEST)


def _files() -> Iterator[Check]:
    for name, expected in BUNDLED_SHA256.items():
        path = os.path.join(os.path.dirname(weights.BUNDLED_PATH), name)
        try:
            with open(path, "rb") as file:
                found = hashlib.sha256(file.read()).hexdigest()
        except OSError as error:
            yield Check("files", name, False, f"cannot be read: {reason_of(error)}")
            continue
        yield _same("files", name, [found], expected)


def _same(subject: str, name: str, found: Sequence[str], expected: str) -> Check:
    """Compares hashes with the one that is expected."""
    wrong = [digest for digest in found if digest != expected]
    finding = f"SHA-256 {(wrong or found)[0][:12]}..."
    return Check(
        subject, name, not wrong, finding + (f", expected {expected[:12]}..." if wrong else "")
    )


def _compared(subject: str, name: str, error: float, bound: float = BOUND) -> Check:
    # A NaN error fails, since it is not below the bound.
    return Check(subject, name, error <= bound, f"error {error:.1e}, bound {bound:.0e}")


def _error(found: Floats, expected: Doubles) -> float:
    """The largest difference, relative to the largest expected value; NaN if there is a NaN."""
    largest = float(np.abs(expected).max())
    return float(np.abs(found - expected).max()) / largest


# --- The whole network -----------------------------------------------------------------------


def _whole_network(checkpoint: Checkpoint) -> list[tuple[Floats, Doubles]]:
    """Inputs and their logits by the reference."""
    tensors = {
        name: np.frombuffer(raw.data, f"<{np.dtype(raw.dtype).str[1:]}").reshape(raw.shape)
        for name, raw in ((name, stored.floats()) for name, stored in checkpoint.tensors.items())
    }
    network = checkpoint.network()
    inputs = [_fed(checkpoint, *size) for size in _SIZES]
    return [(x, reference.forward(network, tensors, x)) for x in inputs]


def _fed(checkpoint: Checkpoint, height: int, width: int) -> Floats:
    """A generated photo of this size as input for the network, by plain arithmetic."""
    return _normalized(checkpoint, np.asarray(photo(height, width)))


def _normalized(checkpoint: Checkpoint, rgb: npt.NDArray[np.uint8]) -> Floats:
    wanted = checkpoint.preprocessing
    ordered = rgb[..., ::-1] if wanted.channel_order == "bgr" else rgb
    values = (ordered - np.array(wanted.mean)) / np.array(wanted.std)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)


def _photo(model: Model) -> Check:
    """Resizing and normalizing, compared with Pillow; its releases differ by one gray level."""
    from PIL import Image

    picture = photo(301, 403)
    height, width = model.preprocessing.size
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    expected = _normalized(model.checkpoint, np.asarray(resized))
    levels = float(np.abs(model.preprocess(picture) - expected).max())
    finding = f"error {levels:.2g} gray levels, bound 1"
    return Check(model.isa, "preprocessing, compared with Pillow", levels <= 1, finding)


# --- Single kernels --------------------------------------------------------------------------

# The found and expected results of each test case of a kernel.
Pairs = Iterator[tuple[Floats, Doubles]]


def _worst(pairs: Pairs) -> float:
    return float(np.max([_error(found, expected) for found, expected in pairs]))


def _values(seed: int, *shape: int) -> Floats:
    """Values with magnitudes from 1 to 2 and random signs, so that every term matters."""
    random = np.random.default_rng(seed)
    signs = random.choice((-1.0, 1.0), shape)
    return np.asarray(random.uniform(1, 2, shape) * signs, np.float32)


def _rectified(seed: int, *shape: int) -> Floats:
    """The same values after a ReLU, so that half of them are zero."""
    return np.asarray(np.maximum(_values(seed, *shape), 0), np.float32)


def _parameters(seed: int, out: int, cin: int, kernel: int) -> tuple[Floats, Floats]:
    return _values(seed, out, cin, kernel, kernel), _values(seed + 1, out)


def _tensor(array: Floats) -> _kernels.Tensor:
    """Weights (OIHW) or biases in the format of the kernels."""
    o, i, h, w = (*array.shape, 1, 1, 1)[:4]
    return _kernels.Tensor.from_bytes(array.tobytes(), "float32", (o, i, h, w))


def _nhwc(x: Floats) -> _kernels.Tensor:
    n, c, h, w = x.shape
    tensor = _kernels.Tensor((n, h, w, c))
    np.asarray(tensor)[...] = np.moveaxis(x, 1, -1)
    return tensor


def _nchw(tensor: _kernels.Tensor) -> Floats:
    return np.moveaxis(np.array(tensor), -1, 1)


def _empty(shape: tuple[int, ...]) -> _kernels.Tensor:
    """An (N, C, H, W) map full of NaN, so that values that are never written are detected."""
    return _nhwc(np.full(shape, np.nan, np.float32))


def _layer(layer: Layer, threads: int, x: Floats, shape: tuple[int, ...]) -> Floats:
    n, _, h, w = x.shape
    nbytes = max(1, layer.scratch(n, h, w, threads))
    scratch = _kernels.Tensor((1, 1, 1, nbytes), "uint8")
    np.asarray(scratch)[...] = 0xFF  # NaN, where it is read as floats
    y = _empty(shape)
    layer(_kernels.ThreadPool(threads), _nhwc(x), scratch, y)
    return _nchw(y)


def _convs(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cin, cout, kernel, stride, h, w in (
            (1, 1, 1, 1, 1, 1),
            (7, 9, 1, 1, 5, 3),
            (33, 31, 1, 1, 7, 13),
            (3, 65, 3, 2, 11, 8),
            (17, 16, 3, 1, 6, 9),
        ):
            x = _rectified(cin, 2, cin, h, w)
            weight, bias = _parameters(cout, cout, cin, kernel)
            expected = reference.conv2d(x, weight, bias, stride)
            conv = _kernels.Conv(table, _tensor(weight), _tensor(bias), stride, False)
            yield _layer(conv, threads, x, expected.shape), expected


def _squeezes(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cin, cout, h, w in ((1, 1, 1, 1), (7, 9, 5, 3), (70, 33, 7, 13)):
            x = _rectified(cin, 2, cin, h, w)
            weight, bias = _parameters(cout, cout, cin, 1)
            expected = reference.conv2d(x, weight, bias)
            squeeze = _kernels.Squeeze(table, _tensor(weight), _tensor(bias), False)
            yield _layer(squeeze, threads, x, expected.shape), expected


def _stems(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cout, h, w in ((1, 7, 7), (17, 23, 30), (96, 41, 37)):
            x = _values(cout, 1, 3, h, w)
            weight, bias = _parameters(cout, cout, 3, 7)
            expected = reference.relu(reference.conv2d(x, weight, bias, stride=2))
            stem = _kernels.Stem(table, _tensor(weight), _tensor(bias))
            yield _layer(stem, threads, x, expected.shape), expected


def _padded_convs(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cin, cout, h, w, relu in ((9, 7, 4, 11, False), (16, 33, 9, 13, True)):
            x = _rectified(cin, 1, cin, h, w)
            weight, bias = _parameters(cout, cout, cin, 3)
            expected = reference.conv2d(x, weight, bias, padding=1)
            expected = reference.relu(expected) if relu else expected
            for tile in _TILES:
                conv = _kernels.PaddedConv(table, _tensor(weight), _tensor(bias), relu, tile)
                yield _layer(conv, threads, x, expected.shape), expected


def _fires(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cin, squeeze, e1, e3, h, w in (
            (1, 1, 1, 1, 1, 1),
            (9, 3, 5, 7, 4, 11),
            (64, 16, 64, 64, 13, 9),
            (33, 17, 31, 65, 14, 14),
        ):
            x = _rectified(cin, 1, cin, h, w)
            parts = [
                _parameters(2, squeeze, cin, 1),
                _parameters(4, e1, squeeze, 1),
                _parameters(6, e3, squeeze, 3),
            ]
            expected = reference.fire(x, *parts)
            packed = [(_tensor(weight), _tensor(bias)) for weight, bias in parts]
            for tile in _TILES:
                fire = _kernels.Fire(table, *packed[0], *packed[1], *packed[2], tile)
                yield _layer(fire, threads, x, expected.shape), expected


def _classifiers(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for cin, classes, h, w, padding in (
            (1, 1, 1, 1, 0),
            (19, 33, 5, 3, 1),
            (64, 1000, 4, 7, 0),
        ):
            x = _rectified(cin, 2, cin, h, w)
            weight, bias = _parameters(classes, classes, cin, 1)
            expected = reference.classifier(x, weight, bias, padding)[:, :, None, None]
            last = _kernels.Classifier(table, _tensor(weight), _tensor(bias), padding)
            yield _layer(last, threads, x, expected.shape), expected


def _pools(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for channels, h, w in ((1, 3, 3), (17, 8, 11), (64, 13, 6)):
            for ceil_mode in (False, True):
                x = _values(channels, 2, channels, h, w)
                expected = reference.max_pool(x, ceil_mode)
                y = _empty(expected.shape)
                _kernels.max_pool(table, _kernels.ThreadPool(threads), _nhwc(x), y, ceil_mode)
                yield _nchw(y), expected


def _sums(table: _kernels.Float32Kernels) -> Pairs:
    for threads in _THREADS:
        for shape in ((1, 1, 1, 1), (2, 17, 5, 3)):
            a, b, y = _values(1, *shape), _values(2, *shape), _empty(shape)
            _kernels.add(table, _kernels.ThreadPool(threads), _nhwc(a), _nhwc(b), y)
            yield _nchw(y), a.astype(np.float64) + b


def _softmaxes(table: _kernels.Float32Kernels) -> Pairs:
    for classes in (1, 2, 7, 1000):
        x = 20 * _values(classes, 3, classes, 1, 1)
        y = _empty(x.shape)
        _kernels.softmax(table, _nhwc(x), y)
        yield _nchw(y)[:, :, 0, 0], reference.softmax(x[:, :, 0, 0])


_CASES: Mapping[str, Callable[[_kernels.Float32Kernels], Pairs]] = {
    "convolutions": _convs,
    "1x1 convolutions that skip zeros": _squeezes,
    "the 7x7 stem": _stems,
    "padded convolutions, every tile": _padded_convs,
    "fire modules, every tile": _fires,
    "the classifier with its average": _classifiers,
    "pools": _pools,
    "sums of a bypass": _sums,
    "softmax": _softmaxes,
}
