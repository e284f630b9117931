# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The steps of a closed window that cost most in calls of NumPy, each as one loop over the series. Compiled.

A small world has few series and hundreds of such calls a window. Each function here is the same as the NumPy code
beside which it is called (`detectors.columns.compiled`), to the last bit: the order of every sum and product is the
same, nothing is contracted, and logarithms and powers are taken by NumPy's own loops. Without a C compiler that code
does it all; `tests/detectors/columns/test_compiled.py` holds the two against each other. What is rare stays in NumPy
alone.

Tables come in as they are; their columns are written in place.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY, NAN, rint
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t

cimport numpy as cnp

import numpy as np

from detectors.single import binomial as _binomial

cnp.import_array()

cdef double _RATIO_MIN = _binomial.RATIO_MIN
cdef double _RATIO_MAX = _binomial.RATIO_MAX
cdef double _PRIOR_GOOD = _binomial.PRIOR_GOOD
cdef double _PRIOR_BAD = _binomial.PRIOR_BAD
cdef double _HOUR_RESULTS = _binomial.HOUR_RESULTS
cdef double _RECENT = _binomial.RESULTS_PER_RECENT
cdef double _SUSPECT = _binomial.SUSPECT
cdef double _MINUTE = _binomial.MINUTE
cdef double _SPARSE = _binomial.PRESENCE_SPARSE
cdef double _DENSITY = np.log(_binomial.PRESENCE_DENSE / _binomial.PRESENCE_SPARSE)
cdef double _GRAIN = 4294967296.0  # as `table.grained`


# what is at hand

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


cdef inline uint8_t *_b1(object column) except? NULL:
    return <uint8_t *>_data(column, cnp.NPY_BOOL)


cdef inline int8_t *_i1(object column) except? NULL:
    return <int8_t *>_data(column, cnp.NPY_INT8)


cdef inline uint16_t *_f2(object column) except? NULL:
    return <uint16_t *>_data(column, cnp.NPY_FLOAT16)


cdef inline double *_row(object column, Py_ssize_t row) except? NULL:
    """One row of a column that has several."""
    return <double *>(<char *>_f8(column) + row * cnp.PyArray_STRIDE(<cnp.ndarray>column, 0))


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
    return rint(value * _GRAIN) / _GRAIN


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


cdef class _Room:
    """Numbers for the time being."""

    cdef double *numbers
    cdef Py_ssize_t taken

    def __cinit__(self, Py_ssize_t size):
        self.taken = 0
        self.numbers = <double *>PyMem_Malloc(max(1, size) * sizeof(double))
        if self.numbers == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.numbers)

    cdef double *take(self, Py_ssize_t size) noexcept:
        cdef double *given = self.numbers + self.taken
        self.taken += size
        return given


cdef class _Loop:
    """NumPy's own loop of a function: its results differ from those of the C library in the last bit."""

    cdef cnp.PyUFuncGenericFunction run
    cdef void *argument

    def __cinit__(self, cnp.ufunc function):
        cdef int number, of, doubles
        for number in range(function.ntypes):
            doubles = 0
            for of in range(function.nargs):
                doubles += function.types[number * function.nargs + of] == cnp.NPY_DOUBLE
            if doubles == function.nargs:
                self.run, self.argument = function.functions[number], function.data[number]
                return
        raise ImportError(f"NumPy's {function.__name__} has no loop for doubles")

    cdef void one(self, double *values, double *into, Py_ssize_t size) noexcept:
        cdef char *columns[2]
        cdef cnp.npy_intp steps[2]
        cdef cnp.npy_intp many = size
        columns[0], columns[1] = <char *>values, <char *>into
        steps[0] = steps[1] = sizeof(double)
        if size:
            self.run(columns, &many, steps, self.argument)

    cdef void power(self, double base, double *values, double *into, Py_ssize_t size) noexcept:
        """One number to the power of each."""
        cdef char *columns[3]
        cdef cnp.npy_intp steps[3]
        cdef cnp.npy_intp many = size
        columns[0], columns[1], columns[2] = <char *>&base, <char *>values, <char *>into
        steps[0] = 0
        steps[1] = steps[2] = sizeof(double)
        if size:
            self.run(columns, &many, steps, self.argument)


cdef _Loop _LOG = _Loop(np.log)
cdef _Loop _LOG1P = _Loop(np.log1p)
cdef _Loop _EXP = _Loop(np.exp)
cdef _Loop _EXP2 = _Loop(np.exp2)
cdef _Loop _POWER = _Loop(np.power)


# presence: in which share of its windows a series has results

def alarm_and_fade(presence):
    """`Presence._worked_out`: the evidence that alarms, and what is left of it after a window."""
    cdef Py_ssize_t i, size = presence.size
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    rules = presence.rules
    settings = rules.settings
    cdef double window = rules.window, slow = settings.fade_sparse_seconds, quick = presence.half_seconds
    cdef double sparse = settings.alarm_sparse, dense = presence.dense
    alarm, fade = _empty(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_DOUBLE)
    cdef double *alarms = _f8(alarm)
    cdef double *fades = _f8(fade)
    for i in range(size):
        fades[i] = present[i] / exposed[i] * _MINUTE / window / _SPARSE
    _LOG.one(fades, fades, size)
    for i in range(size):
        fades[i] = _least(_most(fades[i] / _DENSITY, 0.0), 1.0)
        alarms[i] = sparse + (dense - sparse) * fades[i]
    _POWER.power(quick / slow, fades, fades, size)
    for i in range(size):
        fades[i] = window / (slow * fades[i])
    _POWER.power(0.5, fades, fades, size)
    return alarm, fade


cdef void _see(object presence, double *n, int64_t start) except *:
    """`Presence.see`."""
    cdef Py_ssize_t i, size = presence.size
    cdef int64_t *first = _i8(presence.first)
    cdef int64_t *last = _i8(presence.last)
    for i in range(size):
        if n[i] > 0.0:
            if first[i] < 0:
                first[i] = start
            last[i] = start


cdef void _age(object presence, double *n) except *:
    """`Presence.age`."""
    cdef Py_ssize_t i, size = presence.size
    cdef int64_t *first = _i8(presence.first)
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    cdef double keep = presence.rules.day_keep
    for i in range(size):
        if first[i] >= 0:
            present[i] *= keep
            exposed[i] *= keep
            if n[i] > 0.0:
                present[i] += 1.0
            exposed[i] += 1.0
    presence._held = None


cdef void _patience(object presence, int64_t start, double *into) except *:
    """How many windows' worth one may say: two, where the last was empty."""
    cdef Py_ssize_t i, size = presence.size
    cdef int64_t *last = _i8(presence.last)
    cdef double window = presence.rules.window
    for i in range(size):
        into[i] = _least(2.0, (start - last[i]) / window if last[i] >= 0 else 1.0)


# evidence, and its cumulative sums

cdef void _contrary(object cusum, double *usual, double *doubt, double *into, double *room) except *:
    """`CusumColumns.contrary_drop`; `doubt` may be NULL. Of `room` it takes twice as much as there are series."""
    cdef Py_ssize_t i, each, best, found = 0, size = cusum.size
    cdef uint8_t *is_open = _b1(cusum.open)
    drops = cusum.rules.settings.drops
    cdef double middle = drops[len(drops) // 2], first = drops[0], most, lost, half
    cdef double *before = room
    cdef double *after = room + size
    cdef int many = len(drops)
    for i in range(size):
        into[i] = middle
        if is_open[i]:
            best, most = 0, _row(cusum.statistic, 0)[i]
            for each in range(1, many):
                if _row(cusum.statistic, each)[i] > most:
                    best, most = each, _row(cusum.statistic, each)[i]
            lost = 0.0
            if _row(cusum.probes, best)[i] > 0.0:
                lost = _row(cusum.short, best)[i] / _row(cusum.probes, best)[i]
            half = _least(_most(usual[i] - _most(0.0, lost) / 2.0, 0.02), _RATIO_MAX)
            before[found] = usual[i] / (1.0 - usual[i])
            after[found] = half / (1.0 - half)
            found += 1
    if found:
        _LOG.one(before, before, found)
        _LOG.one(after, after, found)
        found = 0
        for i in range(size):
            if is_open[i]:
                into[i] = _most(first, before[found] - after[found])
                found += 1
    if doubt != NULL:
        for i in range(size):
            into[i] = _least(into[i], doubt[i])


cdef void _evidence(
    double *drop, double *usual, double *k, double *n, double *into, double *room, Py_ssize_t size
) noexcept:
    """`evidence_columns`, a drop for each series."""
    cdef Py_ssize_t i
    for i in range(size):
        room[i] = -drop[i]
    _EXP.one(room, room, size)
    for i in range(size):
        room[i] = usual[i] * (room[i] - 1.0)
    _LOG1P.one(room, room, size)
    for i in range(size):
        into[i] = -drop[i] * k[i] - n[i] * room[i]


cdef void _step(
    object cusum, object evidence, double *healthy, double *n, double *short_, double *cap, double *alarm, double *fade,
    int64_t start,
) except *:
    """`CusumColumns.step`; the gate is half the alarm."""
    cdef Py_ssize_t i, size = cusum.size
    cdef int each, many = len(cusum.rules.settings.drops)
    settings = cusum.rules.settings
    cdef double ebb = cusum.rules.ebb, bound = settings.cap_nats, most = settings.statistic_max
    cdef double close = settings.close_nats, full = close + 2.0, value
    cdef double *well = _f8(cusum.well)
    cdef uint8_t *is_open = _b1(cusum.open)
    cdef double *statistic
    cdef double *probes
    cdef double *shorts
    cdef double *counted
    cdef int64_t *onset
    cdef double *says
    cdef _Room room = _Room(size)
    cdef double *high = room.take(size)
    for each in range(many):
        statistic, probes, shorts = _row(cusum.statistic, each), _row(cusum.probes, each), _row(cusum.short, each)
        counted, says = _row(cusum.counted, each), _row(evidence, each)
        onset = _row_i8(cusum.onset, each)
        for i in range(size):
            value = statistic[i] * fade[i]
            value = value + _least(says[i], cap[i])
            value = _least(value, most)
            if value < 1e-9:
                value = 0.0
            if value > 0.0:
                if statistic[i] == 0.0:
                    onset[i] = start
                probes[i] = probes[i] * ebb + n[i]
                shorts[i] = shorts[i] * ebb + short_[i]
                counted[i] += n[i]
            else:
                onset[i] = -1
                probes[i] = shorts[i] = counted[i] = 0.0
            statistic[i] = value
            if each == 0 or value > high[i]:
                high[i] = value
    for i in range(size):
        well[i] = well[i] * fade[i]
        well[i] = well[i] + _least(_most(healthy[i], -bound), bound)
        well[i] = _least(_most(well[i], 0.0), full)
        if not high[i] > alarm[i] / 2.0:
            is_open[i] = 0
            continue
        if not is_open[i]:
            well[i] = 0.0
        is_open[i] = 1
        if well[i] >= close:
            is_open[i] = 0
            for each in range(many):
                _row(cusum.statistic, each)[i] = _row(cusum.probes, each)[i] = 0.0
                _row(cusum.short, each)[i] = _row(cusum.counted, each)[i] = 0.0
                _row_i8(cusum.onset, each)[i] = -1


def top(cusum, alarm, shortfall, bar):
    """`CusumColumns.top` with half the alarm as its gate, as a share of `bar`; and whether any alarms."""
    cdef Py_ssize_t i, size = cusum.size
    cdef int each, many = len(cusum.rules.settings.drops)
    score = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(score)
    cdef double *alarms = _f8(alarm)
    cdef double *least = _f8(shortfall)
    cdef double *bars = _f8(bar)
    cdef double *statistic
    cdef double *probes
    cdef double *shorts
    cdef double value
    cdef bint loud = False
    for each in range(many):
        statistic, probes, shorts = _row(cusum.statistic, each), _row(cusum.probes, each), _row(cusum.short, each)
        for i in range(size):
            value = statistic[i]
            if value > alarms[i] / 2.0 and not shorts[i] >= least[i] * probes[i]:
                value = alarms[i] / 2.0
            if each == 0 or value > into[i]:
                into[i] = value
    for i in range(size):
        into[i] /= bars[i]
        loud |= into[i] >= 1.0
    return score, loud


def deep(cusum, alarm):
    """`CusumColumns.deep`."""
    cdef Py_ssize_t i, size = cusum.size
    cdef int each, best, many = len(cusum.rules.settings.drops)
    mask = _zeros(size, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef uint8_t *is_open = _b1(cusum.open)
    cdef double *alarms = _f8(alarm)
    cdef double least = cusum.rules.settings.shortfall_deep, of_suspects = _most(_SUSPECT, least), high, of
    cdef double *first = _row(cusum.statistic, 0)
    cdef Py_ssize_t stride = cnp.PyArray_STRIDE(<cnp.ndarray>cusum.statistic, 0) // <Py_ssize_t>sizeof(double)
    for i in range(size):
        best, high = 0, first[i]
        for each in range(1, many):
            if first[each * stride + i] > high:
                best, high = each, first[each * stride + i]
        if is_open[i] or high > _SUSPECT * alarms[i]:
            of = least if is_open[i] else of_suspects
            into[i] = _row(cusum.short, best)[i] >= of * _row(cusum.probes, best)[i]
    return mask


# networks on platforms

def expect(base, slots, double prior):
    """`BinomialColumns.expect`."""
    cdef Py_ssize_t i, size = base.size
    usual = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(usual)
    cdef double *good_all = _f8(base.good_global)
    cdef double *bad_all = _f8(base.bad_global)
    cdef double *level = _f8(base.level)
    cdef double *level_probes = _f8(base.level_probes)
    cdef float *goods = _f4(base.good)
    cdef float *bads = _f4(base.bad)
    cdef int8_t *used = _i1(base.slot)
    cdef int8_t *asked = _i1(slots)
    cdef cnp.ndarray good_root = base.good_root, bad_root = base.bad_root
    cdef double overall, good, bad, hourly
    for i in range(size):
        overall = good_all[i] / (good_all[i] + bad_all[i])
        if used[i] == asked[i]:
            good, bad = goods[i], bads[i]
        else:
            good = _half((<uint16_t *>cnp.PyArray_GETPTR2(good_root, asked[i], i))[0])
            bad = _half((<uint16_t *>cnp.PyArray_GETPTR2(bad_root, asked[i], i))[0])
            good, bad = good * good, bad * bad
        hourly = (good + prior * overall) / (good + bad + prior)
        into[i] = _least(_most(hourly + level[i] / (level_probes[i] + prior), _RATIO_MIN), _RATIO_MAX)
    return usual


def warm(cells, int64_t start):
    """`BinomialColumns.warm`."""
    cdef Py_ssize_t i, size = cells.size
    base, settings = cells.base, cells.rules.settings
    mask = _empty(size, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef int64_t *first = _i8(cells.presence.first)
    cdef double *good = _f8(base.good_global)
    cdef double *bad = _f8(base.bad_global)
    cdef double seconds = settings.warm_seconds, results = settings.warm_results
    for i in range(size):
        into[i] = (
            first[i] >= 0 and start - first[i] >= seconds and good[i] + bad[i] - _PRIOR_GOOD - _PRIOR_BAD >= results
        )
    return mask


def weigh(cells, k_, n_, usual_, known_, rest_, doubt_):
    """What a window says of each network: `BinomialColumns.weigh` up to what monitors of their own kind say.

    Returns the evidence, that of health, by what each is to be divided, and whether any network is judged.
    """
    cdef Py_ssize_t i, row, size = cells.size, found = 0
    cdef int each, many = len(cells.drops)
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = many, size
    evidence = cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, 0)
    healthy, scales = _zeros(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_DOUBLE)
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    cdef double *usual = _f8(usual_)
    cdef double *rest = _f8(rest_)
    cdef double *scale = _f8(scales)
    cdef uint8_t *known = _b1(known_)
    cdef double *dispersion = _f8(cells.base.dispersion)
    cdef double *probes = _row(cells.cusum.probes, 0)
    cdef _Room room = _Room(9 * size)
    cdef double *contrary = room.take(size)
    cdef double *spare = room.take(2 * size)
    _contrary(cells.cusum, usual, NULL if doubt_ is None else _f8(doubt_), contrary, spare)
    # The networks that are judged, side by side.
    cdef double *rows = room.take(size)
    cdef double *drop = room.take(size)
    cdef double *p = room.take(size)
    cdef double *some = room.take(size)
    cdef double *all_ = room.take(size)
    cdef double *says = room.take(size)
    for i in range(size):
        scale[i] = 1.0
        if n[i] > 0.0 and known[i]:
            scale[i] = dispersion[i] * (1.0 + (probes[i] + n[i]) / _most(1.0, rest[i]))
            rows[found], drop[found], p[found], some[found], all_[found] = i, contrary[i], usual[i], k[i], n[i]
            found += 1
    _evidence(drop, p, some, all_, says, spare, found)
    for row in range(found):
        _f8(healthy)[<Py_ssize_t>rows[row]] = -says[row]
    for each in range(many):
        for row in range(found):
            drop[row] = cells.drops[each, 0] if row == 0 else drop[0]
        _evidence(drop, p, some, all_, says, spare, found)
        for row in range(found):
            _row(evidence, each)[<Py_ssize_t>rows[row]] = says[row]
    return evidence, healthy, scales, found > 0


def step_networks(cells, int64_t start, evidence, healthy, k_, n_):
    """Add the evidence of a window up: the end of `BinomialColumns.weigh`."""
    cdef Py_ssize_t i, size = cells.size
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    cdef double *usual = _f8(cells.usual)
    cdef double nats = cells.rules.settings.cap_nats
    cdef _Room room = _Room(2 * size)
    cdef double *cap = room.take(size)
    cdef double *short_ = room.take(size)
    _patience(cells.presence, start, cap)
    for i in range(size):
        cap[i] = nats * cap[i]
        short_[i] = n[i] * usual[i] - k[i]
    alarm, fade = cells.presence._worked_out()
    _step(cells.cusum, evidence, _f8(healthy), n, short_, cap, _f8(alarm), _f8(fade), start)


def learn(cells, int64_t start, k_, n_, slow_, held_):
    """`BinomialColumns.learn` where nothing was guessed, up to the end of a block of time; the hour has been turned."""
    cdef Py_ssize_t i, found = 0, size = cells.size
    base, rules, presence = cells.base, cells.rules, cells.presence
    settings = rules.settings
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    cdef double *usual = _f8(cells.usual)
    cdef int64_t *held_until = _i8(base.held)
    cdef uint8_t *held = NULL if held_ is None else _b1(held_)
    cdef double *recent_good = _f8(base.recent_good)
    cdef double *recent_probes = _f8(base.recent_probes)
    cdef _Room room = _Room(4 * size)
    cdef double *keep = room.take(size)
    cdef double *k_then = room.take(size)
    cdef double *n_then = room.take(size)
    cdef double *usual_then = room.take(size)
    for i in range(size):
        if held != NULL and held[i]:
            held_until[i] = start
    _see(presence, n, start)
    for i in range(size):
        keep[i] = n[i] / -_RECENT
    _EXP2.one(keep, keep, size)
    for i in range(size):
        if n[i] > 0.0:
            recent_good[i] = recent_good[i] * keep[i] + k[i]
            recent_probes[i] = recent_probes[i] * keep[i] + n[i]
    # What has waited comes out, and this window goes in.
    cdef int64_t window = rules.window, lag = rules.lag, place = start // window % lag, then = start - lag * window
    cdef float *waiting_good = _f4(base.waiting_good[place])
    cdef float *waiting_probes = _f4(base.waiting_probes[place])
    cdef float *waiting_usual = _f4(base.waiting_usual[place])
    cdef uint16_t *waiting_shift = _f2(base.waiting_shift[place])
    cdef bint shifted = False
    cdef double shift
    for i in range(size):
        k_then[i], n_then[i], usual_then[i] = waiting_good[i], waiting_probes[i], waiting_usual[i]
        shifted |= (waiting_shift[i] & 32767) != 0
        waiting_good[i], waiting_probes[i], waiting_usual[i] = k[i], n[i], usual[i]
    if shifted:
        for i in range(size):
            shift = _half(waiting_shift[i])
            k_then[i] = _least(_most(k_then[i] - n_then[i] * shift, 0.0), n_then[i])
            usual_then[i] = usual_then[i] - shift
    if cells.usual is cells.own:
        for i in range(size):
            waiting_shift[i] = 0
    else:
        base.waiting_shift[place] = cells.usual - cells.own
    # How much of it becomes usual.
    alarm = presence._worked_out()[0]
    deep_ = deep(cells.cusum, alarm)
    cdef uint8_t *in_doubt = _b1(deep_)
    cdef uint8_t *slow = _b1(slow_)
    cdef int64_t *first = _i8(presence.first)
    gains = _empty(size, cnp.NPY_DOUBLE)
    cdef double *gain = _f8(gains)
    cdef double learn_slow = settings.learn_slow, prior = settings.prior_probes
    cdef double slot_decay = rules.slot_decay, global_decay = rules.global_decay
    cdef double level_keep = rules.level_keep, level_keep_slow = rules.level_keep_slow
    cells.gain = gains
    cdef float *goods = _f4(base.good)
    cdef float *bads = _f4(base.bad)
    cdef double *good_all = _f8(base.good_global)
    cdef double *bad_all = _f8(base.bad_global)
    cdef double *level = _f8(base.level)
    cdef double *level_probes = _f8(base.level_probes)
    cdef double *block_short = _f8(base.block_short)
    cdef double *block_variance = _f8(base.block_variance)
    cdef double *wander_short = _f8(base.wander_short)
    cdef double *wander_variance = _f8(base.wander_variance)
    cdef double *wander_probes = _f8(base.wander_probes)
    cdef double good, bad, hourly, left, offset, lost, scatter
    cdef bint is_slow, seen, frozen
    for i in range(size):
        is_slow, seen, frozen = slow[i] or in_doubt[i], first[i] >= 0, held_until[i] >= then
        gain[i] = (learn_slow if is_slow else 1.0) * seen
        if frozen:
            gain[i] = 0.0
        good, bad = goods[i], bads[i]
        hourly = gain[i]
        if is_slow:
            hourly = gain[i] * ((good + bad) / ((good + bad) + _HOUR_RESULTS))
        left = 1.0 - hourly * slot_decay
        lost = n_then[i] - k_then[i]
        goods[i] = (good + hourly * k_then[i]) * left
        bads[i] = (bad + hourly * lost) * left
        left = 1.0 - gain[i] * global_decay
        good_all[i] = good_all[i] * left + gain[i] * k_then[i]
        bad_all[i] = bad_all[i] * left + gain[i] * lost
        offset = level[i] / (level_probes[i] + prior)
        left = 1.0 if frozen else level_keep_slow if is_slow else level_keep
        level[i] = level[i] * left + gain[i] * (k_then[i] - n_then[i] * (usual_then[i] - offset))
        level_probes[i] = level_probes[i] * left + gain[i] * n_then[i]
        lost = k_then[i] - n_then[i] * usual_then[i]
        scatter = n_then[i] * usual_then[i] * (1.0 - usual_then[i])
        if not (is_slow or frozen):
            block_short[i] += lost
            block_variance[i] += scatter
        wander_short[i] += gain[i] * lost
        wander_variance[i] += gain[i] * scatter
        wander_probes[i] += gain[i] * n_then[i]
    _age(presence, n)


# countries and regions

def pool(pool_, int64_t start, member_, k_, n_, usual_, evidence, scale_, warm_, double cap_part):
    """`Bank._pool` and `Pool.weigh`: one window, summed over the members of each."""
    cdef Py_ssize_t i, of, size = pool_.size, members = cnp.PyArray_DIM(<cnp.ndarray>member_, 0)
    cdef int each, many = len(pool_.rules.settings.drops)
    cdef int64_t *member = _i8(member_)
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    cdef double *usual = _f8(usual_)
    cdef double *scale = _f8(scale_)
    cdef uint8_t *is_warm = _b1(warm_)
    good_, probes_, due_ = (_zeros(size, cnp.NPY_DOUBLE) for _ in range(3))
    cdef double *good = _f8(good_)
    cdef double *probes = _f8(probes_)
    cdef double *due = _f8(due_)
    recent = pool_.recent
    cdef double *recent_good = _f8(recent.good)
    cdef double *recent_probes = _f8(recent.probes)
    cdef double *recent_due = _f8(recent.expected)
    cdef _Room room = _Room(7 * size + 3 * members)
    cdef double *expected = room.take(size)
    cdef double *contrary = room.take(size)
    cdef double *spare = room.take(2 * size)
    cdef double *cap = room.take(size)
    cdef double *healthy = room.take(size)
    cdef double *short_ = room.take(size)
    cdef double *drop = room.take(members)
    cdef double *well = room.take(members)
    cdef double *member_spare = room.take(members)
    cdef double nats = pool_.rules.settings.cap_country_nats
    for i in range(members):
        of = member[i]
        probes[of] += n[i]
        good[of] += k[i]
        due[of] += _grained(n[i] * usual[i])
    for i in range(size):
        expected[i] = recent_due[i] / recent_probes[i] if recent_probes[i] > 0.0 else 1.0
        if probes[i] > 0.0:
            expected[i] = due[i] / probes[i]
        expected[i] = _least(_most(expected[i], _RATIO_MIN), _RATIO_MAX)
    _contrary(pool_.cusum, expected, NULL, contrary, spare)
    for i in range(members):
        drop[i] = contrary[member[i]]
    _evidence(drop, usual, k, n, well, member_spare, members)
    _patience(pool_.presence, start, cap)
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = many, size
    total = cnp.PyArray_ZEROS(2, shape, cnp.NPY_DOUBLE, 0)
    cdef double *into
    cdef double *says
    for each in range(many):
        into, says = _row(total, each), _row(evidence, each)
        for i in range(members):
            into[member[i]] += _grained(_least(says[i], cap_part * cap[member[i]]))
    for i in range(size):
        healthy[i] = 0.0
    for i in range(members):
        healthy[member[i]] += _grained(-well[i] / scale[i] if is_warm[i] else 0.0)
    for i in range(size):
        cap[i] = nats * cap[i]
        short_[i] = due[i] - good[i]
    pool_.k, pool_.n = good_, probes_
    alarm, fade = pool_.presence._worked_out()
    _step(pool_.cusum, total, healthy, probes, short_, cap, _f8(alarm), _f8(fade), start)
    _see(pool_.presence, probes, start)
    _age(pool_.presence, probes)
    for i in range(size):
        spare[i] = probes[i] / (-2.0 * _RECENT)
    _EXP2.one(spare, spare, size)
    for i in range(size):
        recent_good[i] = recent_good[i] * spare[i] + good[i]
        recent_probes[i] = recent_probes[i] * spare[i] + probes[i]
        recent_due[i] = recent_due[i] * spare[i] + due[i]
