# Access to Pillow's memory without a copy.

# The Arrow C data interface (arrow.apache.org/docs/format/CDataInterface.html): a stable ABI.
cdef struct ArrowSchema:
    const char* format
    const char* name
    const char* metadata
    int64_t flags
    int64_t n_children
    ArrowSchema** children
    ArrowSchema* dictionary
    void (*release)(ArrowSchema*) noexcept
    void* private_data

cdef struct ArrowArray:
    int64_t length, null_count, offset, n_buffers, n_children
    const void** buffers
    ArrowArray** children
    ArrowArray* dictionary
    void (*release)(ArrowArray*) noexcept
    void* private_data


cdef class ArrowPixels:
    """The bytes of an image exported through Arrow, as a flat, read-only buffer.

    capsules: the result of `__arrow_c_array__()`, a schema and an array of `count` pixels with
        `channels` uint8 each (a plain uint8 array if `channels` is 1). This object keeps the
        memory alive.
    Raises ValueError if the array is anything else.
    """
    cdef object _capsules
    cdef const uint8_t* _data
    cdef Py_ssize_t _size

    def __cinit__(self, capsules, Py_ssize_t count, int channels):
        cdef ArrowSchema* schema = <ArrowSchema*>PyCapsule_GetPointer(capsules[0], "arrow_schema")
        cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(capsules[1], "arrow_array")
        cdef bint fits = array.length == count and array.offset == 0
        if fits and channels > 1:
            expected = b"+w:%d" % channels
            fits = (strcmp(schema.format, expected) == 0 and schema.n_children == 1
                    and array.n_children == 1)
            if fits:
                schema, array = schema.children[0], array.children[0]
                fits = array.length == count * channels and array.offset == 0
        if not fits or strcmp(schema.format, "C") != 0 or array.n_buffers != 2:
            raise ValueError("the image's Arrow array does not hold adjacent bytes")
        self._capsules = capsules
        self._data = <const uint8_t*>array.buffers[1]
        self._size = count * channels

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self._data, self._size, 1, flags)
