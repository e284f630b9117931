# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What was counted in a closed window, in one loop over its results. Compiled.

The same as `Tallies` does in NumPy: see `_stages.pyx`.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t

cimport numpy as cnp

from detectors.columns._hands cimport _b1, _data, _empty, _i4, _i8, _numbers, _size, _zeros

cnp.import_array()


def tally_rows(row_, ok_, mechanism_, weight_, order_, Py_ssize_t size, Py_ssize_t ways):
    """Which rows have results, in their order; results and successes of each, and its most frequent way to fail.

    Of ways that are as frequent the first in the list counts; it is `ways` where nothing failed.
    """
    cdef Py_ssize_t i, at, of, found = 0, many = _size(row_)
    short_ = cnp.PyArray_TYPE(<cnp.ndarray>row_) != cnp.NPY_INT64
    room_ = _empty(many if short_ else 0, cnp.NPY_INT64)
    cdef int64_t *row = _numbers(row_, <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>room_))
    cdef uint8_t *ok = _b1(ok_)
    cdef int16_t *mechanism = <int16_t *>_data(mechanism_, cnp.NPY_INT16)
    cdef int64_t *weight = NULL if weight_ is None else _i8(weight_)
    cdef int32_t *order = _i4(order_)
    n_, good_ = _zeros(size, cnp.NPY_INT64), _zeros(size, cnp.NPY_INT64)
    # Of each row the last failure, and of each failure the one before it, counted from 1.
    last_, before_ = _zeros(size, cnp.NPY_INT64), _empty(many, cnp.NPY_INT64)
    by_way_ = _zeros(ways, cnp.NPY_INT64)
    cdef int64_t *n = _i8(n_)
    cdef int64_t *good = _i8(good_)
    cdef int64_t *last = _i8(last_)
    cdef int64_t *before = _i8(before_)
    cdef int64_t *by_way = _i8(by_way_)
    cdef int64_t most
    cdef int64_t way, leading
    for i in range(many):
        of = row[i]
        n[of] += 1 if weight == NULL else weight[i]
        if ok[i]:
            good[of] += 1 if weight == NULL else weight[i]
        if mechanism[i] != 0:
            before[i] = last[of]
            last[of] = i + 1
    for i in range(size):
        found += n[order[i]] > 0
    there_ = _empty(found, cnp.NPY_INT32)
    n_there_, good_there_, leading_ = (_empty(found, cnp.NPY_INT64) for _ in range(3))
    cdef int32_t *there = _i4(there_)
    cdef int64_t *n_there = _i8(n_there_)
    cdef int64_t *good_there = _i8(good_there_)
    cdef int64_t *leads = _i8(leading_)
    found = 0
    for i in range(size):
        of = order[i]
        if n[of] <= 0:
            continue
        at = last[of]
        while at:
            by_way[mechanism[at - 1]] += 1 if weight == NULL else weight[at - 1]
            at = before[at - 1]
        leading, most = ways, -1
        at = last[of]
        while at:
            way = mechanism[at - 1]
            if by_way[way] > most or (by_way[way] == most and way < leading):
                leading, most = way, by_way[way]
            at = before[at - 1]
        at = last[of]
        while at:
            by_way[mechanism[at - 1]] = 0
            at = before[at - 1]
        there[found], n_there[found], good_there[found], leads[found] = of, n[of], good[of], leading
        found += 1
    return there_, n_there_, good_there_, leading_
