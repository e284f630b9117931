# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Which numbers pairs have, looked for from where the last one stood. Compiled.

The same as `Pairs` does in NumPy: see `_stages.pyx`.
"""

from libc.stdint cimport int32_t, int64_t

cimport numpy as cnp

from detectors.columns._hands cimport _empty, _i4, _i8, _size

cnp.import_array()


def find_pairs(ascending_, order_, key_):
    """The number of each key, -1 for an unknown one; `order` has the numbers of the `ascending` keys, of which there is one.

    Results come by rounds of vantages: the next one mostly stands a few places on.
    """
    cdef Py_ssize_t i, low, high, middle, step, at = 0, size = _size(ascending_), many = _size(key_)
    cdef int64_t *ascending = _i8(ascending_)
    cdef int32_t *order = _i4(order_)
    cdef int64_t *keys = _i8(key_)
    number_ = _empty(many, cnp.NPY_INT64)
    cdef int64_t *number = _i8(number_)
    cdef int64_t key
    for i in range(many):
        key = keys[i]
        low, high = 0, at
        if ascending[at] < key:
            low, step = at + 1, 1
            while at + step < size and ascending[at + step] < key:
                low = at + step + 1
                step *= 2
            high = min(at + step, size)
        while low < high:
            middle = low + (high - low) // 2
            if ascending[middle] < key:
                low = middle + 1
            else:
                high = middle
        number[i] = order[low] if low < size and ascending[low] == key else -1
        at = min(low, size - 1)
    return number_
