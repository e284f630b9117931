# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What compiled code has at hand: columns as C sees them, and numbers of half precision."""

from libc.math cimport INFINITY, NAN, fabs, rint
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

cimport numpy as cnp


cdef inline void *_data(cnp.ndarray column, int kind) except? NULL:
    """Where a column begins whose values stand side by side."""
    cdef int last = cnp.PyArray_NDIM(column) - 1
    if cnp.PyArray_TYPE(column) != kind or last < 0:
        raise TypeError(f"a column of {column.dtype}, where NumPy's type {kind} is due")
    if cnp.PyArray_DIM(column, last) > 1 and cnp.PyArray_STRIDE(column, last) != cnp.PyArray_ITEMSIZE(column):
        raise TypeError("a column with gaps")
    return cnp.PyArray_DATA(column)


cdef inline double *_f8(object column) except? NULL:
    return <double *>_data(column, cnp.NPY_DOUBLE)


cdef inline float *_f4(object column) except? NULL:
    return <float *>_data(column, cnp.NPY_FLOAT)


cdef inline int64_t *_i8(object column) except? NULL:
    return <int64_t *>_data(column, cnp.NPY_INT64)


cdef inline int32_t *_i4(object column) except? NULL:
    return <int32_t *>_data(column, cnp.NPY_INT32)


cdef inline Py_ssize_t _size(object column):
    return cnp.PyArray_DIM(<cnp.ndarray>column, 0)


cdef inline uint8_t *_b1(object column) except? NULL:
    return <uint8_t *>_data(column, cnp.NPY_BOOL)


cdef inline int8_t *_i1(object column) except? NULL:
    return <int8_t *>_data(column, cnp.NPY_INT8)


cdef inline uint16_t *_f2(object column) except? NULL:
    return <uint16_t *>_data(column, cnp.NPY_FLOAT16)


cdef inline bint _is_written(double *number) noexcept nogil:
    """Whether it is no zero, to the bit: a page to which nothing else was ever written takes no memory, if left alone."""
    return (<int64_t *>number)[0] != 0


cdef inline double *_row(object column, Py_ssize_t row) except? NULL:
    """One row of a column that has several."""
    return <double *>(<char *>_f8(column) + row * cnp.PyArray_STRIDE(<cnp.ndarray>column, 0))


cdef inline Py_ssize_t _stride(object column) except -1:
    """How many doubles lie from one row of a column to the next."""
    return cnp.PyArray_STRIDE(<cnp.ndarray>column, 0) // <Py_ssize_t>sizeof(double)


cdef inline int _highest(double *first, Py_ssize_t stride, int rows, Py_ssize_t i) noexcept nogil:
    """In which of some rows the number of series `i` is highest; the first of equal ones."""
    cdef int each, best = 0
    for each in range(1, rows):
        if first[each * stride + i] > first[best * stride + i]:
            best = each
    return best


cdef inline int64_t *_row_i8(object column, Py_ssize_t row) except? NULL:
    return <int64_t *>(<char *>_i8(column) + row * cnp.PyArray_STRIDE(<cnp.ndarray>column, 0))


cdef inline object _empty(Py_ssize_t size, int kind):
    cdef cnp.npy_intp shape = size
    return cnp.PyArray_EMPTY(1, &shape, kind, 0)


cdef inline object _zeros(Py_ssize_t size, int kind):
    cdef cnp.npy_intp shape = size
    return cnp.PyArray_ZEROS(1, &shape, kind, 0)


cdef inline double _least(double one, double other) noexcept nogil:
    return one if one < other else other


cdef inline double _most(double one, double other) noexcept nogil:
    return one if one > other else other


cdef inline double _grained(double value) noexcept nogil:
    return rint(value * 4294967296.0) / 4294967296.0  # as `table.grained`


cdef inline double _half(uint16_t bits) noexcept nogil:
    """A number of half precision."""
    cdef int exponent = (bits >> 10) & 31
    cdef double value = bits & 1023
    if exponent == 0:
        value = value / 16777216.0
    elif exponent == 31:
        return NAN if value else INFINITY
    else:
        value = (value + 1024.0) / 33554432.0 * <double>(<int64_t>1 << exponent)
    return -value if bits & 32768 else value


cdef inline uint16_t _half_of(int whole) noexcept nogil:
    """A whole number up to 2,048 in half precision, which is exact."""
    cdef int exponent = 0
    if whole <= 0:
        return 0
    while whole >> (exponent + 1):
        exponent += 1
    return <uint16_t>((exponent + 15) << 10 | (whole << 10 >> exponent) & 1023)


cdef inline int64_t *_numbers(object column, int64_t *room) except? NULL:
    """A column of whole numbers, of either length; of those that are shorter copies in `room`."""
    cdef Py_ssize_t i
    cdef int32_t *short_
    if cnp.PyArray_TYPE(<cnp.ndarray>column) == cnp.NPY_INT64:
        return _i8(column)
    short_ = _i4(column)
    for i in range(_size(column)):
        room[i] = short_[i]
    return room


cdef inline uint16_t _rounded_half(double value) noexcept nogil:
    """The nearest number of half precision, the even one of two: as NumPy rounds a double."""
    cdef double size = fabs(value), scale
    cdef uint16_t sign = 32768 if value < 0.0 else 0
    cdef int64_t bits, power
    if size != size:
        return 32256
    if size >= 65520.0:
        return sign | 31744
    if size < 6.103515625e-05:  # too small for an exponent of its own
        return sign | <uint16_t>rint(size * 16777216.0)
    memcpy(&bits, &size, sizeof(bits))
    power = (bits >> 52) - 1023
    bits = (1033 - power) << 52
    memcpy(&scale, &bits, sizeof(bits))
    return sign | <uint16_t>(((power + 14) << 10) + <int64_t>rint(size * scale))
