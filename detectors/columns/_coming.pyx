# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""How much comes of each vantage, window by window, as one loop over the vantages. Compiled.

The same as `RhythmColumns` and `Paths` do in NumPy, to the last bit: see `_stages.pyx`.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cimport numpy as cnp

from detectors.columns._hands cimport (
    _b1,
    _data,
    _empty,
    _f2,
    _f4,
    _f8,
    _half,
    _i8,
    _least,
    _most,
    _rounded_half,
    _size,
    _zeros,
)

import numpy as np

from detectors.columns import paths as _paths
from detectors.columns import rhythm as _rhythm

cnp.import_array()

cdef double _COMING_GAPS = _rhythm.COMING_GAPS, _RESULT_WORTH = _rhythm.RESULT_WORTH, _MOST_COME = _rhythm.MOST_COME
cdef double _FULL_SHARE = _rhythm.FULL_SHARE, _KEPT_WINDOWS = _rhythm.KEPT_WINDOWS, _KEPT_MOST = _rhythm.KEPT_MOST
cdef double _AMPLE_SHARE = _rhythm.AMPLE_SHARE, _KNOWN_WINDOWS = _rhythm.KNOWN_WINDOWS
cdef double _KEPT_LEAST = np.float16(_rhythm.KEPT_LEAST), _GAP_GAIN_HALF = np.float16(_rhythm.GAP_GAIN)
cdef double _PATH_DUE = _paths.PATH_DUE, _PATH_SHARE = _paths.PATH_SHARE, _AWAITED_LEAST = _paths.AWAITED_LEAST
cdef int64_t _BROKEN_SECONDS = _rhythm.BROKEN_SECONDS
cdef float _BROKEN_GAPS = _rhythm.BROKEN_GAPS


cdef uint32_t *_u4(object column) except? NULL:
    return <uint32_t *>_data(column, cnp.NPY_UINT32)


cdef inline double _gain(double gaps) noexcept nogil:
    """How much of a window's results a vantage learns that has so many gaps, in half precision as NumPy has it."""
    cdef double one_more = _half(_rounded_half(<float>gaps + <float>1.0))
    cdef double share = _half(_rounded_half(<double>(<float>1.0 / <float>one_more)))
    return _most(_GAP_GAIN_HALF, share)


cdef inline bint _broken(
    float promised, uint32_t rarer_since, uint16_t kept, uint32_t ample, int64_t start
) noexcept nogil:
    """`RhythmColumns.broken`, of one vantage."""
    return (
        promised > 0.0 and rarer_since == 0 and _half(kept) < _KEPT_LEAST and start - <int64_t>ample < _BROKEN_SECONDS
    )


def follow(rhythm, away_, place_, seen_, results_, int64_t start):
    """`RhythmColumns.follow` of those whose country is not `away`."""
    cdef Py_ssize_t i, row, size = rhythm.size, many = _size(seen_)
    cdef uint8_t *away = _b1(away_)
    cdef int64_t *place = _i8(place_)
    cdef int64_t *seen = _i8(seen_)
    cdef double *results = _f8(results_)
    cdef uint16_t *coming = _f2(rhythm.coming)
    cdef uint16_t *filled = _f2(rhythm.filled)
    cdef uint16_t *kept = _f2(rhythm.kept)
    cdef uint16_t *gaps = _f2(rhythm.gaps)
    cdef float *gap = _f4(rhythm.gap)
    cdef float *usual = _f4(rhythm.many)
    cdef float *promised = _f4(rhythm.promised)
    cdef uint32_t *rarer_since = _u4(rhythm.rarer_since)
    cdef uint32_t *ample = _u4(rhythm.ample)
    cdef uint32_t *well = _u4(rhythm.well)
    cdef uint32_t *full = _u4(rhythm.full)
    cdef uint8_t *thin = _b1(rhythm.thin)
    cdef uint8_t *torn = _b1(rhythm.torn)
    came_, fading_, keeping_ = _zeros(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_DOUBLE)
    worth_ = _empty(many, cnp.NPY_DOUBLE)
    is_seen_ = _zeros(size, cnp.NPY_BOOL)
    cdef double *came = _f8(came_)
    cdef double *fading = _f8(fading_)
    cdef double *keeping = _f8(keeping_)
    cdef double *worth = _f8(worth_)
    cdef uint8_t *is_seen = _b1(is_seen_)
    cdef double now, share, comes, fills, keeps, before
    cdef bint broken
    for i in range(size):
        fading[i] = -1.0 / (_COMING_GAPS * <double>gap[i])
        keeping[i] = -1.0 / _most(_KEPT_WINDOWS, _COMING_GAPS * <double>gap[i])
    np.exp(fading_, fading_)
    np.exp(keeping_, keeping_)
    for i in range(many):
        row = seen[i]
        is_seen[row] = 1
        worth[i] = -1.0 / _most(_COMING_GAPS, _KEPT_WINDOWS / <double>gap[row])
    np.expm1(worth_, worth_)
    for i in range(size):
        if away[place[i]]:
            fading[i] = keeping[i] = 1.0
        if not is_seen[i]:
            coming[i] = _rounded_half(_half(coming[i]) * fading[i])
            filled[i] = _rounded_half(_half(filled[i]) * fading[i])
            kept[i] = _rounded_half(_half(kept[i]) * keeping[i])
    for i in range(many):
        row = seen[i]
        now, before = results[row], <double>usual[row]
        broken = _broken(promised[row], rarer_since[row], kept[row], ample[row], start)
        share = now / (before if before > 0.0 else now)
        came[row] = share if not share > 1.0 else 1.0
        comes = _half(coming[row]) * fading[row] + _RESULT_WORTH
        fills = _half(filled[row]) * fading[row] + _RESULT_WORTH * came[row]
        keeps = _half(kept[row]) * keeping[row] - worth[i] * (_KEPT_MOST if share > _KEPT_MOST else share)
        coming[row], filled[row], kept[row] = _rounded_half(comes), _rounded_half(fills), _rounded_half(keeps)
        if not thin[row] and keeps >= _AMPLE_SHARE and _half(gaps[row]) * <double>gap[row] >= _KNOWN_WINDOWS:
            ample[row] = start
        if before > 0.0:
            usual[row] = before + (0.0 if thin[row] or broken else _gain(_half(gaps[row]))) * (now - before)
        else:
            usual[row] = now
        if comes >= _MOST_COME:
            well[row] = start
            torn[row] = 0
        if fills >= _FULL_SHARE and not thin[row]:
            full[row] = start
    return came_


def few_come(rhythm, double filled_least, double kept_least):
    """Of how many vantages little comes: of late, and of what it promises. `Thinning.follow` asks it of every window."""
    cdef Py_ssize_t i, size = rhythm.size
    cdef uint16_t *filled = _f2(rhythm.filled)
    cdef uint16_t *kept = _f2(rhythm.kept)
    cdef Py_ssize_t few_filled = 0, few_kept = 0
    for i in range(size):
        few_filled += _half(filled[i]) < filled_least
        few_kept += _half(kept[i]) < kept_least
    return max(few_filled, few_kept)


def paced(rhythm, seen_, int64_t start):
    """Whether `RhythmColumns.note_pace` has anything to note of those seen."""
    cdef Py_ssize_t i, row
    cdef int64_t *seen = _i8(seen_)
    cdef uint32_t *full = _u4(rhythm.full)
    cdef float *after = _f4(rhythm.after)
    for i in range(_size(seen_)):
        row = seen[i]
        if (full[row] < start and full[row] > 0) or (full[row] == start and after[row] > 0.0):
            return True
    return False


def taught(rhythm, dark_, network_, seen_, heard_, int64_t start, int64_t window):
    """Whose gaps teach, of those seen: no dark network's, nor those of who is silent with others or keeps no promise."""
    cdef Py_ssize_t i, row, size = _size(seen_)
    cdef uint8_t *dark = _b1(dark_)
    cdef int64_t *network = _i8(network_)
    cdef int64_t *seen = _i8(seen_)
    cdef int64_t *heard = _i8(heard_)
    cdef uint8_t *torn = _b1(rhythm.torn)
    cdef uint8_t *thin = _b1(rhythm.thin)
    cdef uint16_t *kept = _f2(rhythm.kept)
    cdef float *gap = _f4(rhythm.gap)
    cdef float *promised = _f4(rhythm.promised)
    cdef uint32_t *rarer_since = _u4(rhythm.rarer_since)
    cdef uint32_t *ample = _u4(rhythm.ample)
    mask = _empty(size, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef float most
    for i in range(size):
        row = seen[i]
        into[i] = not (dark[network[row]] or torn[row] or thin[row])
        if into[i] and _broken(promised[row], rarer_since[row], kept[row], ample[row], start):
            most = _BROKEN_GAPS * gap[row] * <float>window
            into[i] = <double>(start - heard[row]) > <double>most
    return mask


def paths_shown(awaited_, came_, bint deaf):
    """Of what was due and came elsewhere: which paths nothing shows, which are away, and how much came on each."""
    cdef Py_ssize_t i, size = _size(awaited_)
    cdef double *awaited = _f8(awaited_)
    cdef double *came = _f8(came_)
    unshown_, away_ = _empty(size, cnp.NPY_BOOL), _empty(size, cnp.NPY_BOOL)
    share_ = _empty(size, cnp.NPY_DOUBLE)
    cdef uint8_t *unshown = _b1(unshown_)
    cdef uint8_t *away = _b1(away_)
    cdef double *share = _f8(share_)
    for i in range(size):
        unshown[i] = awaited[i] < _PATH_DUE
        away[i] = deaf or (not unshown[i] and came[i] < _PATH_SHARE * awaited[i])
        share[i] = 1.0 if unshown[i] else _least(1.0, came[i] / _most(awaited[i], _AWAITED_LEAST))
    return unshown_, away_, share_
