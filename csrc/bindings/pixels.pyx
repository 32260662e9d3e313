# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Converts a decoded photo to the network's input: checks the buffers and calls core/resize.

Input buffers are never copied or converted. The loops are in C++ and run without the GIL.
"""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDED_RO, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_FillInfo,
    PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport strcmp

cdef extern from "sqz/pixels.h" namespace "sqz" nogil:
    int kPixelKernelsVersion
    struct PixelKernels:
        int version

cdef extern from "core/photo.h" namespace "sqz" nogil:
    int kMaxSide
    struct YuvMatrix:
        float black, luma, v_red, u_green, v_green, u_blue
    struct Chroma:
        const uint8_t* u
        const uint8_t* v
        ptrdiff_t row, step
        YuvMatrix matrix
    struct Photo:
        const uint8_t* data
        int height, width, channels
        ptrdiff_t row, pixel, channel
        Chroma chroma
    void convert_to_rgb(const Photo& frame, uint8_t* dst) except +

cdef extern from "core/resize.h" namespace "sqz" nogil:
    struct Resize:
        int height, width, top, left
        bint reverse
        float mean[3]
        float scale[3]
    struct NetworkInput:
        float* data
        int height, width
        ptrdiff_t row
    void resize_normalize_photo "sqz::resize_normalize" (
        const PixelKernels& kernels, const Photo& photo, const Resize& resize,
        const NetworkInput& out) except +


include "yuv.pxi"
include "arrow.pxi"


cdef const PixelKernels* unpacked(object capsule) except NULL:
    cdef const PixelKernels* kernels = <const PixelKernels*>PyCapsule_GetPointer(
        capsule, "sqz.pixel_kernels")
    if kernels.version != kPixelKernelsVersion:
        raise RuntimeError(
            f"the pixel kernels have version {kernels.version}, expected {kPixelKernelsVersion}: "
            "sqznet's two extension modules come from different builds"
        )
    return kernels


cdef int fill_photo(Photo* photo, const Py_buffer* buffer, int height, int width,
                    int channels) except -1:
    cdef ptrdiff_t[3] shape = [height, width, channels]
    cdef int i
    if not (0 < height <= kMaxSide and 0 < width <= kMaxSide) or channels not in (1, 3, 4):
        raise ValueError(f"photos of {height} x {width} x {channels} are not supported")
    photo.chroma.u = NULL
    photo.data = <const uint8_t*>buffer.buf
    photo.height, photo.width, photo.channels = height, width, channels
    photo.row, photo.pixel, photo.channel = <ptrdiff_t>width * channels, channels, 1
    if buffer.itemsize != 1:
        raise ValueError("the pixels must be bytes")
    if buffer.ndim == 1:
        if buffer.len != height * photo.row or buffer.strides[0] != 1:
            raise ValueError("the pixels do not match height x width x channels")
        return 0
    if buffer.ndim != 3 and not (buffer.ndim == 2 and channels == 1):
        raise ValueError("the pixels must have the dimensions height, width, channels")
    for i in range(buffer.ndim):
        if buffer.shape[i] != shape[i]:
            raise ValueError("the pixels do not match height x width x channels")
    photo.row, photo.pixel = buffer.strides[0], buffer.strides[1]
    # The stride of a dimension of size 1 can have any value.
    if channels > 1:
        photo.channel = buffer.strides[2]
    if width == 1:
        photo.pixel = channels
    if height == 1:
        photo.row = <ptrdiff_t>width * channels
    return 0


cdef int fill_yuv(Photo* photo, Yuv420 frame, int height, int width, int channels) except -1:
    if (height, width, channels) != (frame.photo.height, frame.photo.width, 3):
        raise ValueError("the frame does not match height x width x channels")
    photo[0] = frame.photo
    return 0


cdef int fill_output(NetworkInput* out, const Py_buffer* buffer) except -1:
    """Checks that the buffer is float32, 1 x H x W x 3, with adjacent pixels."""
    if buffer.ndim != 4 or buffer.shape[0] != 1 or buffer.shape[3] != 3:
        raise ValueError("the output must have the shape (1, height, width, 3)")
    if buffer.itemsize != 4 or buffer.format == NULL or strcmp(buffer.format, "f") != 0:
        raise ValueError("the output must be float32")
    if not (0 < buffer.shape[1] <= kMaxSide and 0 < buffer.shape[2] <= kMaxSide):
        raise ValueError("the output's size is not supported")
    if (buffer.strides[3] != 4 or buffer.strides[2] != 12 or buffer.strides[1] % 4
            or buffer.strides[1] < 12 * buffer.shape[2]):
        raise ValueError("the output's pixels must be adjacent")
    out.data = <float*>buffer.buf
    out.row = buffer.strides[1] // 4
    out.height, out.width = <int>buffer.shape[1], <int>buffer.shape[2]
    return 0


def resize_normalize(pixels, int height, int width, int channels, int resized_h, int resized_w,
                     int top, int left, out, mean, std, bint reverse, capsule):
    """Write the network's input for one photo into `out`.

    pixels: a uint8 buffer of height x width x channels with any strides, or a flat and contiguous
        one, or a Yuv420, which is converted to RGB. 1 channel is gray, 3 are RGB, 4 are RGB and
        a byte that is ignored. Sides can be up to 65535.
    resized_h, resized_w, top, left: the photo is resized to resized_h x resized_w (with the same
        gray levels as Pillow's BILINEAR) and cropped to the window of out's size at (top, left).
    out: a writable float32 buffer (1, H, W, 3) with adjacent pixels. There may be gaps between
        its rows.
    mean, std: three gray levels each, in out's channel order: (v - mean) / std.
    reverse: whether out is BGR.
    capsule: `PixelKernels.capsule()` of the instruction set to use.

    The GIL is released. Raises ValueError if the arguments do not match.
    """
    cdef const PixelKernels* kernels = unpacked(capsule)
    cdef Py_buffer source, target
    cdef Photo photo
    cdef Resize resize
    cdef NetworkInput network_input
    cdef int i
    resize.height, resize.width, resize.top, resize.left = resized_h, resized_w, top, left
    resize.reverse = reverse
    for i in range(3):
        resize.mean[i] = mean[i]
        resize.scale[i] = 1.0 / <double>std[i]
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
            fill_output(&network_input, &target)
            if not (0 <= top <= resized_h - network_input.height
                    and 0 <= left <= resized_w - network_input.width):
                raise ValueError("the window lies outside the resized photo")
            with nogil:
                resize_normalize_photo(kernels[0], photo, resize, network_input)
        finally:
            PyBuffer_Release(&target)
    finally:
        if not is_yuv:
            PyBuffer_Release(&source)
