cdef struct Place:
    const unsigned char *at  # a NUL follows its last byte
    Py_ssize_t size  # below zero: there is no value
    long long offset
    long long stamp

cdef class PackedValues:
    cdef Place *places
    cdef Py_ssize_t many
    cdef list bodies
