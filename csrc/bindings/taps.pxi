# The resampling filter: which source samples make an output sample, and their weights.

cdef struct Taps:
    int32_t* first
    int32_t* count
    int32_t* coeff
    double* weight
    int taps        # coefficients per output sample
    int most        # the largest count
    int begin, end  # the source samples that take part


cdef int make_taps(Taps* t, int in_size, int resized, int offset, int size) noexcept nogil:
    """Triangle filter for output samples [offset, offset + size) of in_size -> resized.

    Pillow's `precompute_coeffs` (src/libImaging/Resample.c) for BILINEAR: an output sample sits
    at (i + 1/2) * scale; its triangle is one source sample wide to each side, or `scale` when
    shrinking; weights are taken at the centres of the source samples inside it, divided by their
    sum, and rounded half away from zero to 22 bits. Same order of the same double operations, so
    the integers are equal. Returns 0, or -1 without memory.
    """
    cdef double scale = <double>in_size / resized
    cdef double filter_scale = scale if scale > 1.0 else 1.0
    cdef double inverse = 1.0 / filter_scale
    cdef double centre, total, w
    cdef int widest = <int>ceil(filter_scale) * 2 + 1
    cdef int i, j, low, high
    t.taps = (widest + kTapBlock - 1) // kTapBlock * kTapBlock
    t.most = 1
    t.first = <int32_t*>malloc(size * sizeof(int32_t))
    t.count = <int32_t*>malloc(size * sizeof(int32_t))
    t.coeff = <int32_t*>calloc(<size_t>size * t.taps, sizeof(int32_t))
    t.weight = <double*>malloc(t.taps * sizeof(double))
    if t.first == NULL or t.count == NULL or t.coeff == NULL or t.weight == NULL:
        return -1
    for i in range(size):
        centre = (offset + i + 0.5) * scale
        low = <int>(centre - filter_scale + 0.5)
        if low < 0:
            low = 0
        high = <int>(centre + filter_scale + 0.5)
        if high > in_size:
            high = in_size
        high -= low
        total = 0.0
        for j in range(high):
            w = fabs((j + low - centre + 0.5) * inverse)
            w = 1.0 - w if w < 1.0 else 0.0
            t.weight[j] = w
            total += w
        for j in range(high):
            w = t.weight[j] / total if total != 0.0 else t.weight[j]
            t.coeff[<ptrdiff_t>i * t.taps + j] = <int32_t>(0.5 + w * (1 << COEFF_BITS))
        t.first[i] = low
        t.count[i] = high
        if high > t.most:
            t.most = high
    t.begin = t.first[0]
    t.end = t.first[size - 1] + t.count[size - 1]
    return 0


cdef void free_taps(Taps* t) noexcept nogil:
    free(t.first)
    free(t.count)
    free(t.coeff)
    free(t.weight)


cdef ResampleTaps view_of(const Taps* t) noexcept nogil:
    cdef ResampleTaps view
    view.first, view.count, view.coeff = t.first, t.count, t.coeff
    view.taps, view.most = t.taps, t.most
    return view
