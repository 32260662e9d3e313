# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""From a decoded photo to the network's input: resize, crop and normalise in one pass."""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDED_RO, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_FillInfo,
    PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport ceil, fabs
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memmove, strcmp

cdef extern from "sqz/kernels.h" namespace "sqz" nogil:
    int kTableVersion
    int kTapBlock
    struct ResampleTaps:
        const int32_t* first
        const int32_t* count
        const int32_t* coeff
        int taps, most
    struct ResizeRowsArgs:
        const uint8_t* src
        ptrdiff_t src_row, src_bytes
        int channels, out_w
        ResampleTaps taps
        bint reverse
        uint8_t* dst
        ptrdiff_t dst_row
    struct ResizeColumnsArgs:
        const uint8_t* src
        ptrdiff_t src_row
        int first_row, size
        ResampleTaps taps
        float mean[3]
        float scale[3]
        float* dst
        ptrdiff_t dst_row
        uint8_t* bytes
        ptrdiff_t bytes_row
    struct KernelTable:
        int version
        void (*resize_rows_u8)(const ResizeRowsArgs&, int, int) noexcept nogil
        void (*resize_columns_f32)(const ResizeColumnsArgs&, int, int) noexcept nogil

# The longest side of a photo or of its resized form. It keeps every index and every sum below
# 2^31, and the tap tables small.
cdef enum:
    MAX_SIDE = 65535
    # Rows between the two passes, beyond those that one output row needs: 32 KB at 224 columns.
    WINDOW = 48
    # Output rows at a time where the columns go first.
    BLOCK = 16
    COEFF_BITS = 22


include "taps.pxi"
include "yuv.pxi"

# --- The pass ---------------------------------------------------------------------------------

cdef struct Photo:
    const uint8_t* data
    int height, width, channels
    ptrdiff_t row, pixel, channel  # bytes, of any sign
    Chroma chroma  # `data` is luma where this is there; `channels` are those of RGBX


cdef void pack_rows(const Photo* p, int row, int rows, int column, int columns,
                    uint8_t* dst) noexcept nogil:
    """Copy a window of a photo with any strides, or YUV, to adjacent pixels."""
    cdef const uint8_t* line
    cdef const uint8_t* src
    cdef int y, x, c
    if p.chroma.u != NULL:
        pack_yuv_rows(p.data, p.row, &p.chroma, row, rows, column, columns, dst)
        return
    for y in range(row, row + rows):
        line = p.data + y * p.row
        for x in range(column, column + columns):
            src = line + x * p.pixel
            for c in range(p.channels):
                dst[0] = src[c * p.channel]
                dst += 1


cdef bint is_adjacent(const Photo* p) noexcept nogil:
    return (p.chroma.u == NULL and p.channel == 1 and p.pixel == p.channels
            and p.row >= <ptrdiff_t>p.width * p.channels)


cdef struct Rows:
    const uint8_t* data
    ptrdiff_t row, readable


cdef Rows source_rows(const Photo* p, const Taps* across, int row, int rows,
                      uint8_t* packed) noexcept nogil:
    """`rows` rows of the columns that take part, where they are or, if `packed`, copied there."""
    cdef int used = across.end - across.begin
    cdef Rows r
    if packed != NULL:
        pack_rows(p, row, rows, across.begin, used, packed)
        r.data, r.row = packed, <ptrdiff_t>used * p.channels
        r.readable = rows * r.row
    else:
        r.data = p.data + row * p.row + <ptrdiff_t>across.begin * p.channels
        r.row = p.row
        r.readable = ((p.height - 1 - row) * p.row
                      + <ptrdiff_t>(p.width - across.begin) * p.channels)
    return r


cdef void run_rows(const KernelTable* table, const Rows* source, int rows, int channels,
                   const Taps* across, int out_w, bint reverse, uint8_t* dst) noexcept nogil:
    cdef ResizeRowsArgs args
    args.src, args.src_row, args.src_bytes = source.data, source.row, source.readable
    args.channels = channels
    args.out_w = out_w
    args.taps = view_of(across)
    args.reverse = reverse
    args.dst = dst
    args.dst_row = middle_row(out_w)
    table.resize_rows_u8(args, 0, rows)


cdef ptrdiff_t middle_row(int out_w) noexcept nogil:
    return 3 * <ptrdiff_t>out_w + 1  # the rows kernel writes one byte more


cdef int rows_first(const KernelTable* table, const Photo* photo, const Taps* across,
                    const Taps* down, bint reverse, ResizeColumnsArgs* columns, int out_w,
                    int out_h) noexcept nogil:
    """Both passes, a window of source rows at a time. Returns 0, or -1 without memory."""
    cdef int window = down.most + WINDOW
    cdef ptrdiff_t row_bytes = middle_row(out_w)
    cdef bint adjacent = is_adjacent(photo)
    cdef uint8_t* middle = <uint8_t*>malloc(window * row_bytes)
    cdef uint8_t* packed = NULL
    cdef Rows source
    cdef int low = down.begin, high = down.begin  # the source rows that `middle` holds
    cdef int y = 0, stop, fresh
    if not adjacent:
        packed = <uint8_t*>malloc(
            window * <ptrdiff_t>(across.end - across.begin) * photo.channels)
    if middle == NULL or (packed == NULL and not adjacent):
        free(middle)
        free(packed)
        return -1
    columns.src, columns.src_row = middle, row_bytes
    columns.taps = view_of(down)
    while y < out_h:
        if down.first[y] > low:
            if high > down.first[y]:
                memmove(middle, middle + (down.first[y] - low) * row_bytes,
                        (high - down.first[y]) * row_bytes)
            else:
                high = down.first[y]
            low = down.first[y]
        fresh = down.end - high
        if fresh > window - (high - low):
            fresh = (window - (high - low)) & ~3  # rows are computed by fours
        if fresh > 0:
            source = source_rows(photo, across, high, fresh, packed)
            run_rows(table, &source, fresh, photo.channels, across, out_w, reverse,
                     middle + (high - low) * row_bytes)
            high += fresh
        stop = y
        while stop < out_h and down.first[stop] + down.count[stop] <= high:
            stop += 1
        columns.first_row = low
        table.resize_columns_f32(columns[0], y, stop)
        y = stop
    free(middle)
    free(packed)
    return 0


cdef int columns_first(const KernelTable* table, const Photo* photo, const Taps* across,
                       const Taps* down, bint reverse, ResizeColumnsArgs* columns, int out_w,
                       int out_h) noexcept nogil:
    """Columns, rows, then normalisation, BLOCK output rows at a time. Returns 0 or -1."""
    cdef int used = (across.end - across.begin) * photo.channels
    cdef bint adjacent = is_adjacent(photo)
    cdef int block = BLOCK if adjacent else 1
    cdef uint8_t* narrow = <uint8_t*>malloc(block * <ptrdiff_t>used)
    cdef uint8_t* middle = <uint8_t*>malloc(block * middle_row(out_w))
    cdef uint8_t* packed = NULL
    cdef int32_t[BLOCK] rising, ones, whole
    cdef ResampleTaps one_tap
    cdef ResizeColumnsArgs shrink
    cdef Rows source
    cdef float* dst = columns.dst
    cdef int y = 0, i, rows, last
    if not adjacent:
        packed = <uint8_t*>malloc(down.most * <ptrdiff_t>used)
    if narrow == NULL or middle == NULL or (packed == NULL and not adjacent):
        free(narrow)
        free(middle)
        free(packed)
        return -1
    for i in range(BLOCK):
        rising[i], ones[i], whole[i] = i, 1, 1 << COEFF_BITS
    one_tap.first, one_tap.count, one_tap.coeff = rising, ones, whole
    one_tap.taps = one_tap.most = 1
    columns.src, columns.src_row, columns.first_row = middle, middle_row(out_w), 0
    columns.taps = one_tap
    shrink.size = used
    shrink.dst = NULL
    shrink.bytes, shrink.bytes_row = narrow, used
    while y < out_h:
        rows = min(block, out_h - y)
        last = y + rows - 1
        source = source_rows(photo, across, down.first[y],
                             down.first[last] + down.count[last] - down.first[y], packed)
        shrink.src, shrink.src_row, shrink.first_row = source.data, source.row, down.first[y]
        shrink.taps.first, shrink.taps.count = down.first + y, down.count + y
        shrink.taps.coeff = down.coeff + <ptrdiff_t>y * down.taps
        shrink.taps.taps, shrink.taps.most = down.taps, down.most
        table.resize_columns_f32(shrink, 0, rows)
        source.data, source.row, source.readable = narrow, used, rows * <ptrdiff_t>used
        run_rows(table, &source, rows, photo.channels, across, out_w, reverse, middle)
        columns.dst = dst + y * columns.dst_row
        table.resize_columns_f32(columns[0], 0, rows)
        y += rows
    free(narrow)
    free(middle)
    free(packed)
    return 0


cdef int run(const KernelTable* table, const Photo* photo, int resized_h, int resized_w,
             int top, int left, bint reverse, ResizeColumnsArgs* columns, int out_w,
             int out_h) noexcept nogil:
    """Returns 0, or -1 without memory."""
    cdef Taps across, down
    cdef int i, failed
    failed = make_taps(&across, photo.width, resized_w, left, out_w)
    failed |= make_taps(&down, photo.height, resized_h, top, out_h)
    if not failed:
        for i in range(out_w):
            across.first[i] -= across.begin
        # The order in which Pillow 13 takes the two passes; releases before it always begin with
        # the rows. It matters to the rounding in between: at most one grey level.
        if (photo.height > resized_h and
                <int64_t>photo.height - resized_h > 2 * (<int64_t>photo.width - resized_w)):
            failed = columns_first(table, photo, &across, &down, reverse, columns, out_w, out_h)
        else:
            failed = rows_first(table, photo, &across, &down, reverse, columns, out_w, out_h)
    free_taps(&across)
    free_taps(&down)
    return failed


cdef const KernelTable* table_of(object capsule) except NULL:
    cdef const KernelTable* table = <const KernelTable*>PyCapsule_GetPointer(
        capsule, "sqz.kernel_table")
    if table.version != kTableVersion:
        raise RuntimeError(
            f"the kernels have table version {table.version}, expected {kTableVersion}: "
            "sqznet's two extension modules come from different builds"
        )
    return table


cdef int fill_photo(Photo* photo, const Py_buffer* buffer, int height, int width,
                    int channels) except -1:
    cdef ptrdiff_t[3] shape = [height, width, channels]
    cdef int i
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE) or channels not in (1, 3, 4):
        raise ValueError(f"photos of {height} x {width} x {channels} are not supported")
    photo.chroma.u = NULL
    photo.data = <const uint8_t*>buffer.buf
    photo.height, photo.width, photo.channels = height, width, channels
    photo.row, photo.pixel, photo.channel = <ptrdiff_t>width * channels, channels, 1
    if buffer.itemsize != 1:
        raise ValueError("the pixels must be bytes")
    if buffer.ndim == 1:
        if buffer.len != height * photo.row or buffer.strides[0] != 1:
            raise ValueError("the pixels are not those of height x width x channels")
        return 0
    if buffer.ndim != 3 and not (buffer.ndim == 2 and channels == 1):
        raise ValueError("the pixels must have the dimensions height, width, channels")
    for i in range(buffer.ndim):
        if buffer.shape[i] != shape[i]:
            raise ValueError("the pixels are not those of height x width x channels")
    photo.row, photo.pixel = buffer.strides[0], buffer.strides[1]
    # The stride of a dimension of size 1 may be anything.
    if channels > 1:
        photo.channel = buffer.strides[2]
    if width == 1:
        photo.pixel = channels
    if height == 1:
        photo.row = <ptrdiff_t>width * channels
    return 0


cdef int fill_yuv(Photo* photo, Yuv420 frame, int height, int width, int channels) except -1:
    if (height, width, channels) != (frame.height, frame.width, 3):
        raise ValueError("the frame is not one of height x width x channels")
    photo.data, photo.row = <const uint8_t*>frame._luma.buf, frame.luma_row
    photo.height, photo.width, photo.channels = height, width, 4
    photo.pixel, photo.channel = 1, 1
    photo.chroma = frame.chroma
    return 0


cdef int fill_output(ResizeColumnsArgs* columns, const Py_buffer* out) except -1:
    """Checks that out is float32, 1 x H x W x 3, with adjacent pixels. Returns H."""
    if out.ndim != 4 or out.shape[0] != 1 or out.shape[3] != 3:
        raise ValueError("the output must have the shape (1, height, width, 3)")
    if out.itemsize != 4 or out.format == NULL or strcmp(out.format, "f") != 0:
        raise ValueError("the output must be float32")
    if not (0 < out.shape[1] <= MAX_SIDE and 0 < out.shape[2] <= MAX_SIDE):
        raise ValueError("the output's size is not supported")
    if (out.strides[3] != 4 or out.strides[2] != 12 or out.strides[1] % 4
            or out.strides[1] < 12 * out.shape[2]):
        raise ValueError("the output's pixels must be adjacent")
    columns.dst = <float*>out.buf
    columns.dst_row = out.strides[1] // 4
    columns.size = <int>out.shape[2] * 3
    return <int>out.shape[1]


def resize_normalize(pixels, int height, int width, int channels, int resized_h, int resized_w,
                     int top, int left, out, mean, std, bint reverse, table_capsule):
    """Write the network's input for one photo into `out`.

    pixels: a uint8 buffer of height x width x channels (any strides), or flat and contiguous, or
        a Yuv420, which is converted to RGB on the way;
        channels 1 is grey, 3 is RGB, 4 is RGB and a byte that is ignored; sides up to 65535.
    resized_h, resized_w, top, left: the photo is resized to the first two (Pillow's BILINEAR,
        the same grey levels), and the window of out's size at (top, left) is taken.
    out: a writable float32 buffer (1, H, W, 3) with adjacent pixels; rows may be apart.
    mean, std: three grey levels each, in out's channel order: (v - mean) / std.
    reverse: out is BGR.
    table_capsule: `KernelTable.capsule()` of the instruction set to use.

    The GIL is released. Raises ValueError where these do not fit together.
    """
    cdef const KernelTable* table = table_of(table_capsule)
    cdef Py_buffer source, target
    cdef Photo photo
    cdef ResizeColumnsArgs columns
    cdef int out_h, out_w, i, failed
    for i in range(3):
        columns.mean[i] = mean[i]
        columns.scale[i] = 1.0 / <double>std[i]
    cdef bint is_yuv = isinstance(pixels, Yuv420)
    if is_yuv:
        fill_yuv(&photo, pixels, height, width, channels)
    else:
        PyObject_GetBuffer(pixels, &source, PyBUF_STRIDED_RO)
    try:
        if not is_yuv:
            fill_photo(&photo, &source, height, width, channels)
        PyObject_GetBuffer(out, &target, PyBUF_STRIDES | PyBUF_WRITABLE | PyBUF_FORMAT)
        try:
            out_h = fill_output(&columns, &target)
            out_w = columns.size // 3
            if not (0 <= top <= resized_h - out_h and 0 <= left <= resized_w - out_w):
                raise ValueError("the window lies outside the resized photo")
            with nogil:
                failed = run(table, &photo, resized_h, resized_w, top, left, reverse, &columns,
                             out_w, out_h)
            if failed:
                raise MemoryError
        finally:
            PyBuffer_Release(&target)
    finally:
        if not is_yuv:
            PyBuffer_Release(&source)


include "arrow.pxi"
