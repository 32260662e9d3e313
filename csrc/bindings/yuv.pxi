# YUV 4:2:0 frames: three planes, converted to RGB a few rows at a time, where they are resized.

cdef extern from "sqz/yuv.h" namespace "sqz" nogil:
    struct YuvMatrix:
        float black, luma, v_red, u_green, v_green, u_blue
    void yuv_to_rgbx(const uint8_t* luma, const uint8_t* u, const uint8_t* v, ptrdiff_t step,
                     const YuvMatrix& matrix, int first, int count, uint8_t* dst) noexcept

cdef struct Chroma:
    const uint8_t* u  # NULL where a photo is not YUV
    const uint8_t* v
    ptrdiff_t row, step
    YuvMatrix matrix


cdef void pack_yuv_rows(const uint8_t* luma, ptrdiff_t luma_row, const Chroma* c, int row, int rows,
                        int column, int columns, uint8_t* dst) noexcept nogil:
    """Convert a window of a frame to adjacent RGBX. Two by two pixels share their chroma."""
    cdef ptrdiff_t chroma
    cdef int y
    for y in range(row, row + rows):
        chroma = (y >> 1) * c.row
        yuv_to_rgbx(luma + y * luma_row, c.u + chroma, c.v + chroma, c.step, c.matrix, column,
                    columns, dst)
        dst += 4 * <ptrdiff_t>columns


cdef class Yuv420:
    """A YUV 4:2:0 frame where it lies; `resize_normalize` takes it as `pixels` of 3 channels.

    luma: a contiguous uint8 buffer, `height` rows of `width` bytes, each `luma_row` bytes on.
    u, v: the same for (height + 1) // 2 rows of (width + 1) // 2 samples, rows `chroma_row` bytes
        and samples `chroma_step` bytes apart: 1 for planes of their own, 2 where they interleave.
    matrix: the level of black, then what a level of luma adds to each colour, one of V to red, one
        of U and one of V take from green, one of U adds to blue; each from 0 to 255.
    The buffers are held as long as this is. Raises ValueError where they are too short.
    """
    cdef Py_buffer _luma, _u, _v
    cdef int held
    cdef Chroma chroma
    cdef ptrdiff_t luma_row
    cdef readonly int height, width

    def __cinit__(self, luma, u, v, int height, int width, Py_ssize_t luma_row,
                  Py_ssize_t chroma_row, int chroma_step, matrix):
        cdef int rows = (height + 1) // 2, columns = (width + 1) // 2
        cdef YuvMatrix m
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise ValueError(f"frames of {height} x {width} are not supported")
        if (chroma_step not in (1, 2) or not width <= luma_row < 1 << 31
                or not (columns - 1) * chroma_step < chroma_row < 1 << 31):
            raise ValueError("the rows overlap")
        PyObject_GetBuffer(luma, &self._luma, PyBUF_SIMPLE)
        self.held = 1
        PyObject_GetBuffer(u, &self._u, PyBUF_SIMPLE)
        self.held = 2
        PyObject_GetBuffer(v, &self._v, PyBUF_SIMPLE)
        self.held = 3
        needed = (rows - 1) * chroma_row + (columns - 1) * chroma_step + 1
        if (self._luma.len < (height - 1) * luma_row + width
                or self._u.len < needed or self._v.len < needed):
            raise ValueError("the planes are too short for the frame's size")
        self.height, self.width, self.luma_row = height, width, luma_row
        self.chroma.u = <const uint8_t*>self._u.buf
        self.chroma.v = <const uint8_t*>self._v.buf
        self.chroma.row, self.chroma.step = chroma_row, chroma_step
        if len(matrix) != 6 or not all(0 <= gain <= 255 for gain in matrix):
            raise ValueError("the matrix is out of range")
        m.black, m.luma, m.v_red, m.u_green, m.v_green, m.u_blue = matrix
        self.chroma.matrix = m

    def __dealloc__(self):
        if self.held > 0:
            PyBuffer_Release(&self._luma)
        if self.held > 1:
            PyBuffer_Release(&self._u)
        if self.held > 2:
            PyBuffer_Release(&self._v)

    def to_rgb(self, out):
        """Write the whole frame as RGB into `out`, writable and of height * width * 3 bytes."""
        cdef Py_buffer target
        cdef uint8_t* row = NULL
        cdef uint8_t* dst
        cdef int x, y
        PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if target.len != <Py_ssize_t>self.height * self.width * 3:
                raise ValueError("the output must have height x width x 3 bytes")
            row = <uint8_t*>malloc(4 * <size_t>self.width)
            if row == NULL:
                raise MemoryError
            dst = <uint8_t*>target.buf
            with nogil:
                for y in range(self.height):
                    pack_yuv_rows(<const uint8_t*>self._luma.buf, self.luma_row, &self.chroma, y, 1,
                                  0, self.width, row)
                    for x in range(self.width):
                        dst[0], dst[1], dst[2] = row[4 * x], row[4 * x + 1], row[4 * x + 2]
                        dst += 3
        finally:
            free(row)
            PyBuffer_Release(&target)
