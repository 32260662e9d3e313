# YUV 4:2:0 frames of three planes. The resize converts them to RGB, a few rows at a time.


cdef class Yuv420:
    """A YUV 4:2:0 frame in its own memory. `resize_normalize` accepts it as 3-channel `pixels`.

    luma: a contiguous uint8 buffer with `height` rows of `width` bytes. The rows are `luma_row`
        bytes apart.
    u, v: contiguous uint8 buffers with (height + 1) // 2 rows of (width + 1) // 2 samples. The
        rows are `chroma_row` bytes apart. The samples are `chroma_step` bytes apart: 1 for
        separate planes, 2 if U and V are interleaved.
    matrix: six values from 0 to 255. The first is the level of black. The others are changes per
        level: luma adds to all colors, V adds to red, U subtracts from green, V subtracts from
        green, U adds to blue.
    This object keeps the buffers alive. Raises ValueError if they are too small.
    """
    cdef Py_buffer _luma, _u, _v
    cdef int held
    cdef Photo photo

    def __cinit__(self, luma, u, v, int height, int width, Py_ssize_t luma_row,
                  Py_ssize_t chroma_row, int chroma_step, matrix):
        cdef int rows = (height + 1) // 2, columns = (width + 1) // 2
        cdef YuvMatrix gains
        if not (0 < height <= kMaxSide and 0 < width <= kMaxSide):
            raise ValueError(f"frames of {height} x {width} are not supported")
        if (chroma_step not in (1, 2) or not width <= luma_row < 1 << 31
                or not (columns - 1) * chroma_step < chroma_row < 1 << 31):
            raise ValueError("the strides of the rows or samples are out of range")
        PyObject_GetBuffer(luma, &self._luma, PyBUF_SIMPLE)
        self.held = 1
        PyObject_GetBuffer(u, &self._u, PyBUF_SIMPLE)
        self.held = 2
        PyObject_GetBuffer(v, &self._v, PyBUF_SIMPLE)
        self.held = 3
        needed = (rows - 1) * chroma_row + (columns - 1) * chroma_step + 1
        if (self._luma.len < (height - 1) * luma_row + width
                or self._u.len < needed or self._v.len < needed):
            raise ValueError("the planes are too small for the frame's size")
        self.photo.data = <const uint8_t*>self._luma.buf
        self.photo.height, self.photo.width, self.photo.channels = height, width, 4
        self.photo.row, self.photo.pixel, self.photo.channel = luma_row, 1, 1
        self.photo.chroma.u = <const uint8_t*>self._u.buf
        self.photo.chroma.v = <const uint8_t*>self._v.buf
        self.photo.chroma.row, self.photo.chroma.step = chroma_row, chroma_step
        if len(matrix) != 6 or not all(0 <= gain <= 255 for gain in matrix):
            raise ValueError("the matrix is out of range")
        gains.black, gains.luma, gains.v_red, gains.u_green, gains.v_green, gains.u_blue = matrix
        self.photo.chroma.matrix = gains

    def __dealloc__(self):
        if self.held > 0:
            PyBuffer_Release(&self._luma)
        if self.held > 1:
            PyBuffer_Release(&self._u)
        if self.held > 2:
            PyBuffer_Release(&self._v)

    def __reduce__(self):
        chroma = self.photo.chroma
        rows, columns = (self.photo.height + 1) // 2, (self.photo.width + 1) // 2
        luma = (self.photo.height - 1) * self.photo.row + self.photo.width
        each = (rows - 1) * chroma.row + (columns - 1) * chroma.step + 1
        gains = chroma.matrix
        return Yuv420, (
            PyBytes_FromStringAndSize(<char*>self._luma.buf, luma),
            PyBytes_FromStringAndSize(<char*>self._u.buf, each),
            PyBytes_FromStringAndSize(<char*>self._v.buf, each),
            self.photo.height, self.photo.width, self.photo.row, chroma.row, chroma.step,
            (gains.black, gains.luma, gains.v_red, gains.u_green, gains.v_green, gains.u_blue))

    @property
    def height(self):
        return self.photo.height

    @property
    def width(self):
        return self.photo.width

    def to_rgb(self, out):
        """Write the whole frame as RGB to `out`, a writable buffer of height * width * 3 bytes."""
        cdef Py_buffer target
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if target.len != <Py_ssize_t>self.photo.height * self.photo.width * 3:
                raise ValueError("the output must have height x width x 3 bytes")
            with nogil:
                convert_to_rgb(self.photo, <uint8_t*>target.buf)
        finally:
            PyBuffer_Release(&target)
