"""Files with the vectors of photos: .npz and Parquet.

An .npz file has the arrays "paths" (N strings), "vectors" (float32, N x D) and "weights", the
SHA-256 of the weights file that was used. A Parquet file has the columns "path" and "vector", and
the hash in its metadata under "sqznet.weights". Only vectors of the same weights are comparable.
"""

from __future__ import annotations

import math
import os
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqznet.errors import SqznetError, printable, reason_of, shown
from sqznet.files.parquet import parquet_library
from sqznet.files.part_file import written
from sqznet.files.paths import stored_text
from sqznet.weights import npy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: The suffixes of files that can be written and read.
ENDINGS = (".npz", ".parquet")

# The types of an array's elements, as .npy headers have them: text of any length, float32.
_KINDS = {"U": re.compile(r"[<>]U[1-9]\d{0,7}", re.ASCII), "f": re.compile("[<>]f4")}

_METADATA_KEY = b"sqznet.weights"


@dataclass(frozen=True)
class VectorFile:
    """paths: N of them; vectors: float32 (N, D); weights: the SHA-256 of the weights file."""

    paths: Sequence[str]
    vectors: npt.NDArray[np.float32]
    weights: str


def is_vector_file(path: str) -> bool:
    """Whether a path has the suffix of a vector file."""
    return os.path.splitext(path)[1].lower() in ENDINGS


def save(content: VectorFile, path: str) -> None:
    """Writes a file in the format that its suffix selects.

    Raises OSError if it cannot be written; then an existing file stays unchanged. Raises
    SqznetError if the library for the format is missing.
    """
    write = _save_parquet if _is_parquet(path) else _save_npz
    with written(path) as part:
        write(content, part)


def load(path: str) -> VectorFile:
    """Reads a file that ``save`` wrote. Raises SqznetError with its name for any other file."""
    name = printable(path)
    try:
        content = _load_parquet(path) if _is_parquet(path) else _load_npz(path)
    except OSError as error:
        raise SqznetError(f"{name}: cannot be read: {reason_of(error)}") from None
    except SqznetError as error:
        raise SqznetError(f"{name}: {error}") from None
    import numpy as np

    if len(content.paths) != len(content.vectors):
        raise SqznetError(
            f"{name}: {len(content.paths)} paths and {len(content.vectors)} vectors, expected the "
            "same number"
        )
    if not np.isfinite(content.vectors).all():
        raise SqznetError(f"{name}: some vectors are not finite, expected finite numbers")
    return content


def _is_parquet(path: str) -> bool:
    return path.lower().endswith(".parquet")


# --- .npz ----------------------------------------------------------------------------------------


def _save_npz(content: VectorFile, path: str) -> None:
    import numpy as np

    with open(path, "wb") as file:
        np.savez(
            file,
            paths=np.array(content.paths, dtype=np.str_),
            vectors=content.vectors,
            weights=np.array(content.weights),
        )


def _load_npz(path: str) -> VectorFile:
    try:
        with zipfile.ZipFile(path) as archive:
            paths = _member(archive, "paths", "U", 1)
            vectors = _member(archive, "vectors", "f", 2)
            weights = _member(archive, "weights", "U", 0)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise SqznetError(f"not an .npz file of vectors: {error}") from None
    import numpy as np

    return VectorFile(paths.tolist(), np.ascontiguousarray(vectors, np.float32), str(weights))


def _member(archive: zipfile.ZipFile, name: str, kind: str, dimensions: int) -> npt.NDArray[Any]:
    """An array of an archive. Reads and allocates no more than its entry states and the file
    holds."""
    import numpy as np

    expected = f"expected the array {name!r} as written by 'sqznet embed'"
    try:
        entry = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise SqznetError(f"it has no array {name!r}; {expected}") from None
    if entry.compress_type != zipfile.ZIP_STORED:
        raise SqznetError(f"its array {name!r} is compressed; {expected}")
    try:
        array = npy.parse(memoryview(archive.read(entry)))
    except SqznetError as error:
        raise SqznetError(f"its array {name!r} {error}") from None
    shape, data = array.shape, array.data
    turned = array.fortran and len(shape) > 1  # a list of one path is in both orders
    if not _KINDS[kind].fullmatch(array.kind) or len(shape) != dimensions or turned:
        found = f"{shown(array.kind)} of shape {shape}"
        raise SqznetError(f"its array {name!r} is {found}; {expected}")
    dtype = np.dtype(array.kind)
    if math.prod(shape) * dtype.itemsize != data.nbytes:
        raise SqznetError(
            f"its array {name!r} has {data.nbytes} bytes, "
            f"expected {math.prod(shape) * dtype.itemsize}"
        )
    codes = np.frombuffer(data, np.dtype("u4").newbyteorder(dtype.byteorder))
    if kind == "U" and codes.size and codes.max() > sys.maxunicode:
        raise SqznetError(f"its array {name!r} is not text; {expected}")
    return np.frombuffer(data, dtype).reshape(shape)


# --- Parquet -------------------------------------------------------------------------------------


def _save_parquet(content: VectorFile, path: str) -> None:
    pa = parquet_library()
    import numpy as np

    flat = np.ascontiguousarray(content.vectors, np.float32).reshape(-1)
    names = list(map(stored_text, content.paths))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat), content.vectors.shape[1])
    table = pa.table({"path": pa.array(names, pa.string()), "vector": vectors})
    metadata = {_METADATA_KEY: content.weights.encode()}
    pa.parquet.write_table(table.replace_schema_metadata(metadata), path)


def _load_parquet(path: str) -> VectorFile:
    pa = parquet_library()
    import numpy as np

    try:
        table = pa.parquet.read_table(path, partitioning=None)
    except pa.ArrowException as error:
        raise SqznetError(f"not a Parquet file: {str(error).splitlines()[0]}") from None
    names = table.column_names
    kinds = [table.schema.field(name).type for name in names]
    if (
        names != ["path", "vector"]
        or not pa.types.is_string(kinds[0])
        or not pa.types.is_fixed_size_list(kinds[1])
        or not pa.types.is_float32(kinds[1].value_type)
        or any(column.null_count for column in table.columns)
    ):
        raise SqznetError(
            f"it has the columns {', '.join(names)}; expected path and vector as written by "
            "'sqznet embed'"
        )
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = np.asarray(flat, np.float32).reshape(-1, kinds[1].list_size)
    stated = (table.schema.metadata or {}).get(_METADATA_KEY, b"")
    return VectorFile(table.column("path").to_pylist(), vectors, stated.decode("ascii", "replace"))
