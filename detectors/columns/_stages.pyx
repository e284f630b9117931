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
from libc.math cimport INFINITY, NAN, ceil, fabs, floor, rint, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport qsort

cimport numpy as cnp

from detectors.columns._hands cimport (
    _b1,
    _data,
    _empty,
    _f2,
    _f4,
    _f8,
    _grained,
    _half,
    _half_of,
    _highest,
    _i1,
    _i4,
    _i8,
    _is_written,
    _least,
    _most,
    _numbers,
    _row,
    _row_i8,
    _size,
    _stride,
    _zeros,
)

import numpy as np

# What is compiled is asked for here, whichever module it is in.
from detectors.columns._coming import few_come, follow, paced, paths_shown, taught
from detectors.columns._counting import tally_rows
from detectors.columns._finding import find_pairs

from detectors.columns import monitors as _monitors
from detectors.columns import paces as _paces
from detectors.columns import paths as _paths
from detectors.columns import rhythm as _rhythm
from detectors.columns import series as _series
from detectors.columns import silence as _silences
from detectors.columns import vantage_weights as _votes
from detectors.single import binomial as _binomial
from detectors.single import silence as _silence
from detectors.single import slowdown as _slowdown

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
cdef double _GRAIN = 4294967296.0  # as `table.grained`
cdef double _DENSITY = np.log(_binomial.PRESENCE_DENSE / _binomial.PRESENCE_SPARSE)


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


    cdef void raised(self, double *values, double to, double *into, Py_ssize_t size) noexcept:
        """Each number to one power; NumPy squares without its loop."""
        cdef char *columns[3]
        cdef cnp.npy_intp steps[3]
        cdef cnp.npy_intp many = size
        cdef Py_ssize_t i
        if to == 2.0:
            for i in range(size):
                into[i] = values[i] * values[i]
            return
        columns[0], columns[1], columns[2] = <char *>values, <char *>&to, <char *>into
        steps[0] = steps[2] = sizeof(double)
        steps[1] = 0
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
    cdef Py_ssize_t i, best, found = 0, size = cusum.size, stride = _stride(cusum.statistic)
    cdef uint8_t *is_open = _b1(cusum.open)
    cdef double *statistic = _row(cusum.statistic, 0)
    drops = cusum.rules.settings.drops
    cdef double middle = drops[len(drops) // 2], first = drops[0], lost, half
    cdef double *before = room
    cdef double *after = room + size
    cdef int many = len(drops)
    for i in range(size):
        into[i] = middle
        if is_open[i]:
            best, lost = _highest(statistic, stride, many, i), 0.0
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
                    onset[i] = ~start  # as it is held, folded
                probes[i] = probes[i] * ebb + n[i]
                shorts[i] = shorts[i] * ebb + short_[i]
                counted[i] += n[i]
            elif onset[i] != 0 or _is_written(probes + i) or _is_written(shorts + i) or _is_written(counted + i):
                onset[i] = 0
                probes[i] = shorts[i] = counted[i] = 0.0
            if value != 0.0 or _is_written(statistic + i):
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
                _row_i8(cusum.onset, each)[i] = 0


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
    cdef int best, many = len(cusum.rules.settings.drops)
    mask = _zeros(size, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef uint8_t *is_open = _b1(cusum.open)
    cdef double *alarms = _f8(alarm)
    cdef double least = cusum.rules.settings.shortfall_deep, of_suspects = _most(_SUSPECT, least), high, of
    cdef double *first = _row(cusum.statistic, 0)
    cdef Py_ssize_t stride = _stride(cusum.statistic)
    for i in range(size):
        best = _highest(first, stride, many, i)
        high = first[best * stride + i]
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
    # Both are held as the bits in which they differ from their fill.
    cdef uint16_t good_fill = base.fields["good_root"].bits, bad_fill = base.fields["bad_root"].bits
    cdef double overall, good, bad, hourly
    for i in range(size):
        overall = good_all[i] / (good_all[i] + bad_all[i])
        if used[i] == asked[i]:
            good, bad = goods[i], bads[i]
        else:
            good = _half((<uint16_t *>cnp.PyArray_GETPTR2(good_root, asked[i], i))[0] ^ good_fill)
            bad = _half((<uint16_t *>cnp.PyArray_GETPTR2(bad_root, asked[i], i))[0] ^ bad_fill)
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


cdef void _waited(object base, int64_t place, double *k, double *n, double *usual, Py_ssize_t size) except *:
    """`BinomialColumns._waited`."""
    cdef Py_ssize_t i
    cdef float *good = _f4(base.waiting_good[place])
    cdef float *probes = _f4(base.waiting_probes[place])
    cdef float *expected = _f4(base.waiting_usual[place])
    cdef uint16_t *shifts = _f2(base.waiting_shift[place])
    cdef bint shifted = False
    cdef double shift
    for i in range(size):
        k[i], n[i], usual[i] = good[i], probes[i], expected[i]
        shifted |= (shifts[i] & 32767) != 0
    if shifted:
        for i in range(size):
            shift = _half(shifts[i])
            k[i] = _least(_most(k[i] - n[i] * shift, 0.0), n[i])
            usual[i] = usual[i] - shift


cdef object _gains(object cells, int64_t then, uint8_t *slow):
    """`BinomialColumns._gain`: how much of a window that has waited is learned."""
    cdef Py_ssize_t i, size = cells.size
    gains = _empty(size, cnp.NPY_DOUBLE)
    cdef double *gain = _f8(gains)
    cdef double learn_slow = cells.rules.settings.learn_slow
    cdef int64_t *first = _i8(cells.presence.first)
    cdef int64_t *held_until = _i8(cells.base.held)
    for i in range(size):
        gain[i] = (learn_slow if slow[i] else 1.0) * (first[i] >= 0)
        if held_until[i] >= then:
            gain[i] = 0.0
    cells.gain = gains
    return gains


cdef void _take_in(object cells, int64_t then, uint8_t *slow, double *k, double *n, double *usual) except *:
    """`BinomialColumns._learn`, up to the end of a block of time; the hour has been turned."""
    cdef Py_ssize_t i, size = cells.size
    base, rules = cells.base, cells.rules
    cdef double *gain = _f8(_gains(cells, then, slow))
    cdef double prior = rules.settings.prior_probes
    cdef double slot_decay = rules.slot_decay, global_decay = rules.global_decay
    cdef double level_keep = rules.level_keep, level_keep_slow = rules.level_keep_slow
    cdef int64_t *held_until = _i8(base.held)
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
    cdef bint frozen
    for i in range(size):
        frozen = held_until[i] >= then
        good, bad = goods[i], bads[i]
        hourly = gain[i]
        if slow[i]:
            hourly = gain[i] * ((good + bad) / ((good + bad) + _HOUR_RESULTS))
        left = 1.0 - hourly * slot_decay
        lost = n[i] - k[i]
        goods[i] = (good + hourly * k[i]) * left
        bads[i] = (bad + hourly * lost) * left
        left = 1.0 - gain[i] * global_decay
        good_all[i] = good_all[i] * left + gain[i] * k[i]
        bad_all[i] = bad_all[i] * left + gain[i] * lost
        offset = level[i] / (level_probes[i] + prior)
        left = 1.0 if frozen else level_keep_slow if slow[i] else level_keep
        level[i] = level[i] * left + gain[i] * (k[i] - n[i] * (usual[i] - offset))
        level_probes[i] = level_probes[i] * left + gain[i] * n[i]
        lost = k[i] - n[i] * usual[i]
        scatter = n[i] * usual[i] * (1.0 - usual[i])
        if not (slow[i] or frozen):
            block_short[i] += lost
            block_variance[i] += scatter
        wander_short[i] += gain[i] * lost
        wander_variance[i] += gain[i] * scatter
        wander_probes[i] += gain[i] * n[i]


def learn(cells, int64_t start, k_, n_, slow_, held_):
    """`BinomialColumns.learn` where nothing was guessed, up to the end of a block of time; the hour has been turned."""
    cdef Py_ssize_t i, size = cells.size
    base, rules, presence = cells.base, cells.rules, cells.presence
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
    cdef int64_t window = rules.window, lag = rules.lag, place = start // window % lag
    _waited(base, place, k_then, n_then, usual_then, size)
    cdef float *waiting_good = _f4(base.waiting_good[place])
    cdef float *waiting_probes = _f4(base.waiting_probes[place])
    cdef float *waiting_usual = _f4(base.waiting_usual[place])
    for i in range(size):
        waiting_good[i], waiting_probes[i], waiting_usual[i] = k[i], n[i], usual[i]
    base.waiting_shift[place] = 0.0 if cells.usual is cells.own else cells.usual - cells.own
    slows = deep(cells.cusum, presence._worked_out()[0])
    cdef uint8_t *in_doubt = _b1(slows)
    cdef uint8_t *slow = _b1(slow_)
    for i in range(size):
        in_doubt[i] |= slow[i]
    _take_in(cells, start - lag * window, in_doubt, k_then, n_then, usual_then)
    _age(presence, n)


def learn_waited(cells, int64_t then, int64_t place, slow_):
    """Learn a window that has waited, as `learn` does, where none takes its place."""
    cdef Py_ssize_t size = cells.size
    cdef _Room room = _Room(3 * size)
    cdef double *k = room.take(size)
    cdef double *n = room.take(size)
    cdef double *usual = room.take(size)
    _waited(cells.base, place, k, n, usual, size)
    _take_in(cells, then, _b1(slow_), k, n, usual)


def idle(cells, int64_t then, double windows, slow_):
    """`BinomialColumns._idle`, up to the end of a block of time; the hour has been turned."""
    cdef Py_ssize_t i, size = cells.size
    base, rules = cells.base, cells.rules
    cdef uint8_t *slow = _b1(slow_)
    cdef double *gain = _f8(_gains(cells, then, slow))
    cdef double slot_decay = rules.slot_decay, global_decay = rules.global_decay
    cdef int64_t *held_until = _i8(base.held)
    cdef float *goods = _f4(base.good)
    cdef float *bads = _f4(base.bad)
    cdef double *good_all = _f8(base.good_global)
    cdef double *bad_all = _f8(base.bad_global)
    cdef double *level = _f8(base.level)
    cdef double *level_probes = _f8(base.level_probes)
    cdef _Room room = _Room(size + 5)
    cdef double *hourly = room.take(size)
    # What is left where all is learned, and where little is: all others are left as they are.
    cdef double *left = room.take(5)
    cdef double good, bad, keep
    cdef bint any_slow = False
    left[0], left[1] = 1.0 - slot_decay, 1.0 - global_decay
    left[2] = 1.0 - <double>rules.settings.learn_slow * global_decay
    left[3], left[4] = rules.level_keep, rules.level_keep_slow
    _POWER.raised(left, windows, left, 5)
    for i in range(size):
        good, bad = goods[i], bads[i]
        hourly[i] = 1.0
        if slow[i] and gain[i] != 0.0:
            any_slow = True
            hourly[i] = 1.0 - gain[i] * ((good + bad) / ((good + bad) + _HOUR_RESULTS)) * slot_decay
    if any_slow:
        _POWER.raised(hourly, windows, hourly, size)
    for i in range(size):
        if gain[i] != 0.0:
            keep = hourly[i] if slow[i] else left[0]
            goods[i], bads[i] = <double>goods[i] * keep, <double>bads[i] * keep
            keep = left[2] if slow[i] else left[1]
            good_all[i] *= keep
            bad_all[i] *= keep
        if held_until[i] < then:
            keep = left[4] if slow[i] else left[3]
            level[i] *= keep
            level_probes[i] *= keep


def rest_both(presence, cusum, int64_t windows, fair_, double fair_fade):
    """`binomial.rest_both`; evidence fades by `fair_fade` where there is a fair ratio."""
    cdef Py_ssize_t i, each, size = presence.size, stride = _stride(cusum.statistic)
    cdef int drops = cusum.statistic.shape[0]
    cdef double *statistic = _row(cusum.statistic, 0)
    cdef double *well = _f8(cusum.well)
    cdef bint void = True
    for each in range(drops):
        for i in range(size):
            void &= statistic[each * stride + i] == 0.0
    for i in range(size):
        void &= well[i] == 0.0
    fades = None if void else presence._worked_out()[1]
    keep_ = presence.rules.day_keep
    left_ = keep_**windows
    cdef double left = left_, more = (1.0 - left_) / (1.0 - keep_)
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    cdef int64_t *first = _i8(presence.first)
    for i in range(size):
        if first[i] >= 0:
            present[i] *= left
            exposed[i] = exposed[i] * left + more
    presence._held = None
    if void:
        return
    alarms, after_ = presence._worked_out()
    cdef double *alarm = _f8(alarms)
    cdef double *before = _f8(fades)
    cdef double *after = _f8(after_)
    cdef double *fair = NULL if fair_ is None else _f8(fair_)
    cdef _Room room = _Room(2 * size)
    cdef double *fade = room.take(size)
    cdef double *highest = room.take(size)
    for i in range(size):
        fade[i] = fair_fade if fair != NULL and fair[i] > 0.0 else sqrt(before[i] * after[i])
        highest[i] = 0.0
    _POWER.raised(fade, <double>windows, fade, size)
    cdef double ebb = presence.rules.ebb**windows
    cdef double *probes
    cdef double *short_
    cdef double *counted
    cdef int64_t *onset
    for each in range(drops):
        statistic, probes, short_ = _row(cusum.statistic, each), _row(cusum.probes, each), _row(cusum.short, each)
        counted, onset = _row(cusum.counted, each), _row_i8(cusum.onset, each)
        for i in range(size):
            if _is_written(statistic + i):
                statistic[i] *= fade[i]
                if statistic[i] < 1e-9:
                    statistic[i] = 0.0
            highest[i] = _most(highest[i], statistic[i])
            if statistic[i] == 0.0:
                if onset[i] != 0 or _is_written(probes + i) or _is_written(short_ + i) or _is_written(counted + i):
                    probes[i] = short_[i] = counted[i] = 0.0
                    onset[i] = 0
            else:
                probes[i] *= ebb
                short_[i] *= ebb
    cdef uint8_t *is_open = _b1(cusum.open)
    for i in range(size):
        well[i] *= fade[i]
        is_open[i] &= highest[i] > alarm[i] / 2.0


# countries and regions

def pool(
    pool_, int64_t start, member_, k_, n_, usual_, evidence, scale_, warm_, double cap_part, double contrary_cap
):
    """`Bank._pool` and `Pool.weigh`: one window, summed over the members of each."""
    cdef Py_ssize_t i, of, size = pool_.size, members = _size(member_)
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
    cdef double most, least, says_well
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
            most = cap_part * cap[member[i]]
            least = contrary_cap * cap[member[i]]
            into[member[i]] += _grained(_least(_most(says[i], -least), most))
    for i in range(size):
        healthy[i] = 0.0
    for i in range(members):
        least = contrary_cap * cap[member[i]]
        says_well = -well[i] / scale[i] if is_warm[i] else 0.0
        healthy[member[i]] += _grained(_least(_most(says_well, -least), least))
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


# vantages: who has a rhythm, and whether the path to them works

cdef float _STEADY_GAPS = _rhythm.STEADY_GAPS, _STEADY_WINDOWS = _rhythm.STEADY_WINDOWS
cdef float _FIRST_GAPS = _rhythm.FIRST_GAPS, _FIRST_WINDOWS = _rhythm.FIRST_WINDOWS
cdef float _FIRST_SECONDS = _rhythm.FIRST_SECONDS, _GAP_GAIN_SINGLE = _rhythm.GAP_GAIN
cdef float _PROMISE_KEPT = _rhythm.PROMISE_KEPT, _DEPLOY_GAPS = _paths.DEPLOY_GAPS
cdef double _GAP_GAIN = _rhythm.GAP_GAIN, _GAPS_KNOWN = _rhythm.GAPS_KNOWN, _GAPS_MANY = _rhythm.GAPS_MANY
cdef double _DUE_GAPS = _rhythm.DUE_GAPS, _DUE_WINDOWS = _rhythm.DUE_WINDOWS, _DAY = _binomial.DAY
cdef double _PATH_KEEP = _paths.PATH_KEEP, _LONGEST_HALF = _rhythm.LONGEST_HALF_SECONDS
cdef double _FALLING_SHARE = _paths.FALLING_SHARE, _LEFT_SHARE = _paths.LEFT_SHARE
cdef int64_t _FALLING_FROM = _paths.FALLING_FROM, _FALLING_TO = _paths.FALLING_TO
cdef int64_t _FALLING_VANTAGES = _paths.FALLING_VANTAGES, _GONE_SECONDS = _paths.GONE_SECONDS
cdef int64_t _RETURN_WINDOWS = _rhythm.RETURN_WINDOWS, _RETURN_TO = _paths.RETURN_TO
cdef int64_t _VANTAGES_MANY = _paths.VANTAGES_MANY


cdef void _steady(object rhythm, int64_t window, uint8_t *into) except *:
    """`RhythmColumns.steady`, in single precision as there."""
    cdef Py_ssize_t i, size = rhythm.size
    cdef uint16_t *gaps = _f2(rhythm.gaps)
    cdef float *gap = _f4(rhythm.gap)
    cdef float *longest = _f4(rhythm.longest)
    cdef float *promised = _f4(rhythm.promised)
    cdef float seconds = window, usual, least, mean
    cdef double known
    for i in range(size):
        mean = gap[i]
        known = _half(gaps[i]) * mean * <double>window
        usual = _STEADY_GAPS * mean + _STEADY_WINDOWS if known >= _DAY else _FIRST_GAPS * mean + _FIRST_WINDOWS
        least = seconds * mean / _GAP_GAIN_SINGLE
        least = least if least > _FIRST_SECONDS else _FIRST_SECONDS
        into[i] = known >= least and longest[i] <= usual
        if not into[i] and promised[i] > 0.0:
            least = promised[i] if promised[i] > seconds else seconds
            into[i] = mean * seconds <= _PROMISE_KEPT * least


cdef void _due(object rhythm, int64_t start, int64_t window, uint8_t *into) except *:
    """`RhythmColumns.due`."""
    cdef Py_ssize_t i, size = rhythm.size
    cdef uint16_t *gaps = _f2(rhythm.gaps)
    cdef float *gap = _f4(rhythm.gap)
    cdef int64_t *last = _i8(rhythm.last)
    cdef int64_t *left = _i8(rhythm.left)
    cdef double waited
    for i in range(size):
        waited = <double>(start - last[i]) / <double>window
        into[i] = (
            _half(gaps[i]) >= _GAPS_KNOWN
            and left[i] <= start
            and floor(_most(_DUE_WINDOWS, _DUE_GAPS * <double>gap[i]) - waited) + 1.0 >= 1.0
        )


def steady(rhythm, int64_t window):
    """`RhythmColumns.steady`."""
    mask = _empty(rhythm.size, cnp.NPY_BOOL)
    _steady(rhythm, window, _b1(mask))
    return mask


def due(rhythm, int64_t start, int64_t window):
    """`RhythmColumns.due`."""
    mask = _empty(rhythm.size, cnp.NPY_BOOL)
    _due(rhythm, start, window, _b1(mask))
    return mask


def await_results(paths, place_, seen_, due_):
    """What is due in a window, and what came, by country: the beginning of `Paths.step`."""
    rhythm, path = paths.rhythm, paths.path
    cdef Py_ssize_t i, row, size = rhythm.size, places = path.size
    cdef int64_t *place = _i8(place_)
    cdef int64_t *seen = _i8(seen_)
    cdef Py_ssize_t many = _size(seen_)
    cdef uint8_t *is_due = _b1(due_)
    cdef float *gap = _f4(rhythm.gap)
    cdef double *awaited = _f8(path.awaited)
    cdef double *came = _f8(path.came)
    cdef _Room room = _Room(2 * places)
    cdef double *more = room.take(places)
    cdef double *here = room.take(places)
    for i in range(places):
        more[i] = here[i] = 0.0
    for i in range(size):
        if is_due[i]:
            more[place[i]] += _grained(1.0 / _most(1.0, <double>gap[i]))
    for i in range(many):
        row = seen[i]
        if is_due[row]:
            here[place[row]] += 1.0
    for i in range(places):
        awaited[i] = awaited[i] * _PATH_KEEP + more[i]
        came[i] = came[i] * _PATH_KEEP + here[i]


def falling(rhythm, place_, simulated_, due_, heard_, seen_, int64_t start, int64_t window):
    """In which countries vantages have just fallen silent, or come back, one after another: part of `Paths.step`.

    Returns those, the vantages that fell silent (None: none), whether any has left, and whether any is heard again after
    so long that its country is to be looked at.
    """
    cdef Py_ssize_t i, row, size = rhythm.size, places = _size(simulated_)
    cdef Py_ssize_t many = _size(seen_)
    cdef int64_t *place = _i8(place_)
    cdef int64_t *heard = _i8(heard_)
    cdef int64_t *seen = _i8(seen_)
    cdef uint8_t *simulated = _b1(simulated_)
    cdef uint8_t *is_due = _b1(due_)
    cdef float *gap = _f4(rhythm.gap)
    cdef uint32_t *returned = <uint32_t *>_data(rhythm.returned, cnp.NPY_UINT32)
    cdef int64_t *left = _i8(rhythm.left)
    cdef int64_t *last = _i8(rhythm.last)
    steady_, fell_ = _empty(size, cnp.NPY_BOOL), _zeros(size, cnp.NPY_BOOL)
    cdef uint8_t *often = _b1(steady_)
    cdef uint8_t *fell = _b1(fell_)
    mask = _empty(places, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef _Room room = _Room(2 * places)
    cdef double *stirs = room.take(places)
    cdef double *all_ = room.take(places)
    cdef double stirs_of[2]
    cdef double all_of[2]
    cdef int64_t waited
    cdef bint any_fell = False, any_left = False, any_long = False
    cdef float least, steady_windows = _rhythm.STEADY_WINDOWS, return_windows = _rhythm.RETURN_WINDOWS
    _steady(rhythm, window, often)
    for i in range(places):
        stirs[i] = all_[i] = 0.0
    for i in range(size):
        often[i] = often[i] and gap[i] < steady_windows
        any_left |= left[i] > start
        if often[i] and left[i] <= start:
            waited = (start - heard[i]) // window
            fell[i] = _FALLING_FROM <= waited <= _FALLING_TO
    for i in range(many):
        row = seen[i]
        fell[row] = 0
        least = _DEPLOY_GAPS * gap[row]
        least = least if least > return_windows else return_windows
        least = least * <float>window
        any_long |= last[row] >= 0 and <double>(start - heard[row]) > <double>least
    stirs_of[0] = stirs_of[1] = all_of[0] = all_of[1] = 0.0
    for i in range(size):
        any_fell |= fell[i]
        if fell[i] or (often[i] and start - <int64_t>returned[i] <= _RETURN_TO * window):
            stirs[place[i]] += 1.0
            stirs_of[simulated[place[i]]] += 1.0
        if is_due[i]:
            all_[place[i]] += 1.0
            all_of[simulated[place[i]]] += 1.0
    for i in range(places):
        into[i] = stirs_of[simulated[i]] - stirs[i] >= _most(
            <double>_FALLING_VANTAGES, _FALLING_SHARE * (all_of[simulated[i]] - all_[i])
        )
    return mask, fell_ if any_fell else None, any_left, any_long


def see(rhythm, rows_, heard_, promised_, taught_, int64_t start, int64_t window):
    """`RhythmColumns.see`. Returns whether any is heard again after a silence."""
    cdef Py_ssize_t i, row, size = _size(rows_)
    cdef int64_t *rows = _i8(rows_)
    cdef int64_t *heard = _i8(heard_)
    cdef double *promises = _f8(promised_)
    cdef uint8_t *taught = _b1(taught_)
    cdef int64_t *last = _i8(rhythm.last)
    cdef int64_t *lit = _i8(rhythm.lit)
    cdef int64_t *fell = _i8(rhythm.fell)
    cdef int64_t *back = _i8(rhythm.back)
    cdef uint32_t *returned = <uint32_t *>_data(rhythm.returned, cnp.NPY_UINT32)
    cdef uint16_t *gaps = _f2(rhythm.gaps)
    cdef float *means = _f4(rhythm.gap)
    cdef float *longest = _f4(rhythm.longest)
    cdef float *promised = _f4(rhythm.promised)
    cdef _Room room = _Room(3 * size)
    cdef double *keep = room.take(size)
    cdef double *gap = room.take(size)
    cdef double *usual = room.take(size)
    cdef double mean, many, whole, promise
    cdef bint known, silent, any_silent = False
    for i in range(size):
        # Windows in which the path was away make no gap shorter than it was; of one that is long for this rhythm, only
        # what is left without them says something.
        row = rows[i]
        promise = _most(promises[i], <double>promised[row])
        usual[i] = _most(
            <double>(_STEADY_GAPS * means[row] + _STEADY_WINDOWS), _PROMISE_KEPT * promise / <double>window
        )
        gap[i] = _most(1.0, (start - last[row]) / <double>window)
        if last[row] > heard[i]:
            whole = _most(1.0, (start - heard[i]) / <double>window)
            if whole <= usual[i]:
                gap[i] = whole
        keep[i] = gap[i] * <double>window / _LONGEST_HALF
    _POWER.power(0.5, keep, keep, size)
    for i in range(size):
        row = rows[i]
        known = last[row] >= 0 and taught[i]
        if known and last[row] > heard[i]:
            whole = _most(1.0, (start - heard[i]) / <double>window)
            known = whole <= usual[i] or gap[i] > usual[i]
        silent = last[row] >= 0 and start - heard[i] > _RETURN_WINDOWS * window
        if known:
            mean, many = means[row], _half(gaps[row])
            means[row] = mean + _most(_GAP_GAIN, 1.0 / (1.0 + many)) * (gap[i] - mean)
            gaps[row] = _half_of(<int>_least(_GAPS_MANY, many + 1.0))
            longest[row] = _most(gap[i], <double>longest[row] * keep[i])
            if silent:
                returned[row] = start
        if silent:
            fell[row], back[row] = heard[i], start
            any_silent = True
        last[row] = start
        if taught[i]:
            lit[row] = start
        if promises[i] > 0.0:
            promised[row] = promises[i]
    return any_silent


def settle_paths(paths, network_, Py_ssize_t networks, int64_t start, int64_t window):
    """`Paths.settle`: which networks are steady, gone and excused."""
    rhythm = paths.rhythm
    cdef Py_ssize_t i, of, size = rhythm.size
    cdef int64_t *network = _i8(network_)
    cdef int64_t *last = _i8(rhythm.last)
    cdef int64_t *left = _i8(rhythm.left)
    steady_, due_ = _empty(size, cnp.NPY_BOOL), _empty(size, cnp.NPY_BOOL)
    cdef uint8_t *regular = _b1(steady_)
    cdef uint8_t *is_due = _b1(due_)
    of_steady, of_gone, of_excused = (_zeros(networks, cnp.NPY_BOOL) for _ in range(3))
    cdef uint8_t *into_steady = _b1(of_steady)
    cdef uint8_t *into_gone = _b1(of_gone)
    cdef uint8_t *into_excused = _b1(of_excused)
    cdef _Room room = _Room(3 * networks)
    cdef double *all_of = room.take(networks)
    cdef double *recent_of = room.take(networks)
    cdef double *left_of = room.take(networks)
    cdef bint here, any_left = False
    _steady(rhythm, window, regular)
    _due(rhythm, start, window, is_due)
    for i in range(networks):
        all_of[i] = recent_of[i] = left_of[i] = 0.0
    for i in range(size):
        of, here = network[i], left[i] <= start
        any_left |= not here
        if last[i] >= 0 and start - last[i] < _GONE_SECONDS:
            recent_of[of] += 1.0
            if regular[i] and here:
                all_of[of] += 1.0
                left_of[of] += is_due[i]
    if any_left:
        for i in range(size):
            if left[i] > start:
                into_excused[network[i]] = 1
        for i in range(size):
            if is_due[i]:
                into_excused[network[i]] = 0
    for i in range(networks):
        into_steady[i] = all_of[i] > 0.0 and 2.0 * all_of[i] >= recent_of[i]
        into_gone[i] = all_of[i] >= _VANTAGES_MANY and left_of[i] <= _LEFT_SHARE * all_of[i]
    return of_steady, of_gone, of_excused


# silence

cdef double _OFTEN = _silence.OFTEN, _FAINT = _silence.FAINT, _RESULTS_FAINT = _silence.RESULTS_FAINT
cdef double _HOURS_PRIOR = _silence.HOURS_PRIOR, _HOURS_RESULTS = _silence.HOURS_RESULTS
cdef double _HOURS_KNOWN = _silence.HOURS_KNOWN, _ASLEEP = _silence.ASLEEP, _AWAKE = _silence.AWAKE
cdef double _HAZARD_MAX = _silence.HAZARD_MAX, _SHARE_MAX = _silence.SHARE_MAX, _GAPS_PRIOR = _silence.GAPS_PRIOR
cdef double _TRICKLE = _silence.TRICKLE, _STEADY_SHARE = _silence.STEADY_SHARE, _GAPS_MIN = _silence.GAPS_MIN
cdef double _LONGEST_FACTOR = _silence.LONGEST_FACTOR, _LONGEST_NATS = _silence.LONGEST_NATS
cdef double _SPARSE_SHARE = _silence.SPARSE_SHARE, _SILENT_NATS = _silence.SILENT_NATS, _STAYED = _silence.STAYED
cdef double _TOGETHER_WINDOWS = _silence.TOGETHER_WINDOWS, _TOGETHER_NATS = _silence.TOGETHER_NATS
cdef double _TOGETHER_STEADY = _silence.TOGETHER_STEADY, _TOGETHER_SOONEST = _silence.TOGETHER_SOONEST
cdef double _ALONE_WINDOWS = _silence.ALONE_WINDOWS, _ALONE_TIMES = _silence.ALONE_TIMES
cdef double _EARLIER_WINDOWS = _silence.EARLIER_WINDOWS, _LATER_WINDOWS = _silence.LATER_WINDOWS
cdef double _SURE_NATS = _silence.SURE_NATS
cdef double _FORGOTTEN_SECONDS = _silence.FORGOTTEN_SECONDS, _RARE_SECONDS = _silence.RARE_SECONDS
cdef double _HELD_WINDOWS = _silence.HELD_WINDOWS, _RESUMED_NATS = _silence.RESUMED_NATS
cdef double _BACK_SPARSE = _silence.BACK_SPARSE, _BACK_WINDOWS = _silence.BACK_WINDOWS
cdef double _NETWORKS_SPARSE = _silence.NETWORKS_SPARSE, _NETWORKS_TOGETHER = _silence.NETWORKS_TOGETHER
cdef float _LONGEST_MIN = _silence.LONGEST_MIN, _LONGEST_MARGIN = _silence.LONGEST_MARGIN
cdef float _SEEN_WINDOWS = _silence.SEEN_WINDOWS, _KNOWN_WINDOWS = _silence.KNOWN_WINDOWS
cdef int64_t _HOUR = _binomial.HOUR


cdef inline float *_row_f4(object column, Py_ssize_t row) except? NULL:
    return <float *>(<char *>_f4(column) + row * cnp.PyArray_STRIDE(<cnp.ndarray>column, 0))


def listen(silence, country_, Py_ssize_t countries, listening, bint by_country):
    """The beginning of `SilenceColumns.step`: shares, whose silence counts, and which countries speak as a whole.

    Without `by_country` none does. The last says whether any does.
    """
    cdef Py_ssize_t i, size = silence.size
    cdef int64_t *country = _i8(country_)
    cdef double *present = _f8(silence.present)
    cdef double *exposed = _f8(silence.exposed)
    cdef int64_t *first = _i8(silence.first)
    cdef uint8_t *away = _b1(listening.away)
    cdef uint8_t *excused = _b1(listening.excused)
    cdef uint8_t *regular = _b1(listening.steady)
    shares, counted_, scarce = _empty(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_BOOL), _zeros(countries, cnp.NPY_BOOL)
    cdef double *share = _f8(shares)
    cdef uint8_t *counts = _b1(counted_)
    cdef uint8_t *few = _b1(scarce)
    cdef _Room room = _Room(size + 3 * countries + 1)
    cdef double *empty = room.take(size)
    cdef double *empty_of = room.take(countries)
    cdef double *all_of = room.take(countries)
    cdef double *steady_of = room.take(countries)
    cdef double *least = room.take(1)
    cdef bint any_few = False
    for i in range(countries):
        empty_of[i] = all_of[i] = steady_of[i] = 0.0
    for i in range(size):
        share[i] = (present[i] + 1.0) / (exposed[i] + 2.0)
        empty[i] = -share[i]
        counts[i] = not (away[country[i]] or excused[i])
        if first[i] >= 0:
            all_of[country[i]] += 1.0
            steady_of[country[i]] += regular[i]
    if by_country:
        least[0] = -_OFTEN
        _LOG1P.one(empty, empty, size)
        _LOG1P.one(least, least, 1)
        for i in range(size):
            empty_of[country[i]] += _grained(empty[i])
        for i in range(countries):
            few[i] = empty_of[i] > least[0] or not 2.0 * steady_of[i] >= _most(1.0, all_of[i])
            any_few |= few[i]
    return shares, counted_, scarce, any_few


cdef void _awake(
    double *share, double *quiet, float *present, float *exposed, int64_t *country, Py_ssize_t countries,
    double *into, double *now, double *like, double *all_due, Py_ssize_t size,
) noexcept:
    """`SilenceColumns.awake`; it takes room for a number a network, and two a country."""
    cdef Py_ssize_t i
    cdef double prior, hourly, due_, known
    for i in range(countries):
        like[i] = all_due[i] = 0.0
    for i in range(size):
        like[country[i]] += _grained(<double>present[i])
        all_due[country[i]] += _grained(<double>exposed[i] * share[i])
    for i in range(countries):
        like[i] = (like[i] + _HOURS_RESULTS) / (all_due[i] + _HOURS_RESULTS)
    for i in range(size):
        due_, known = <double>exposed[i] * share[i], _HOURS_KNOWN * share[i]
        hourly = (<double>present[i] + known + quiet[i] * share[i]) / (due_ + known)
        now[i] = -_least(_SHARE_MAX, _least(1.0, hourly) * share[i])
        into[i] = -_least(_SHARE_MAX, share[i])
    _LOG1P.one(now, now, size)
    _LOG1P.one(into, into, size)
    for i in range(size):
        now[i] = _least(1.0, _least(_HAZARD_MAX, -now[i]) / _least(_HAZARD_MAX, -into[i]))
        due_, prior = <double>exposed[i] * share[i], _most(_HOURS_PRIOR * share[i], _HOURS_RESULTS)
        hourly = (<double>present[i] + prior * (like[country[i]] if share[i] < _OFTEN else 1.0)) / (due_ + prior)
        hourly = (hourly - _ASLEEP) / (_most(_AWAKE, 1.0 - share[i]) - _ASLEEP)
        into[i] = _least(_most(hourly, 0.0), 1.0) * now[i]


cdef void _density(double *share, double window, double *into, Py_ssize_t size) noexcept:
    """`density_columns`."""
    cdef Py_ssize_t i
    for i in range(size):
        into[i] = share[i] * _MINUTE / window / _SPARSE
    _LOG.one(into, into, size)
    for i in range(size):
        into[i] = _least(_most(into[i] / _DENSITY, 0.0), 1.0)


cdef void _geometric(double *keep, double windows, double *into, Py_ssize_t size) noexcept:
    """`table.geometric`."""
    cdef Py_ssize_t i
    cdef double fades
    for i in range(size):
        into[i] = 1.0 - _most(1.0 - keep[i], 1e-300)
    _POWER.raised(into, windows, into, size)
    for i in range(size):
        fades = _most(1.0 - keep[i], 1e-300)
        into[i] = windows if fades < 1e-15 else (1.0 - into[i]) / fades


cdef void _rarest(object silence, float *into, Py_ssize_t size) except *:
    """The longest silence that is usual at any hour of each network."""
    cdef int row, hours = silence.longest.shape[0]
    cdef float *longest
    cdef Py_ssize_t i
    for i in range(size):
        into[i] = _LONGEST_MIN
    for row in range(hours):
        longest = _row_f4(silence.longest, row)
        for i in range(size):
            into[i] = longest[i] if longest[i] > into[i] else into[i]


cdef inline double _capped(double nats, double most) noexcept nogil:
    """Nats of one silence, no more than what alarms, in whole grains: these add up to the same in any order."""
    return rint(_least(_most(nats, 0.0), most) * _GRAIN)


def hear(silence, int64_t start, n_, country_, shares, counted_, few_, of_whole_, listening, double windows):
    """`SilenceColumns.step`, from what `listen` gave on; `of_whole` is what countries say that speak as a whole."""
    cdef Py_ssize_t i, of, size = silence.size, countries = _size(few_)
    cdef int row, hour = start % <int64_t>_DAY // _HOUR, hours = silence.longest.shape[0]
    settings = silence.rules.settings
    cdef double window = silence.rules.window, alarm_full = settings.alarm_silence
    cdef double warm_seconds = settings.warm_seconds, warm_results = settings.warm_results
    cdef double learn_slow = settings.learn_slow
    cdef double *n = _f8(n_)
    cdef int64_t *country = _i8(country_)
    cdef double *share = _f8(shares)
    cdef uint8_t *counts = _b1(counted_)
    cdef uint8_t *few = _b1(few_)
    cdef double *of_whole = NULL if of_whole_ is None else _f8(of_whole_)
    cdef uint8_t *holds = _b1(listening.falling)
    cdef uint8_t *regular = _b1(listening.steady)
    cdef uint8_t *gone = _b1(listening.gone)
    cdef uint8_t *dark = _b1(silence.dark)
    cdef uint8_t *joint = _b1(silence.joint)
    cdef int64_t *back = _i8(silence.back)
    cdef int64_t *onset = _i8(silence.onset)
    cdef int64_t *first = _i8(silence.first)
    cdef int64_t *last = _i8(silence.last)
    cdef double *quiet = _f8(silence.quiet)
    cdef double *missed = _f8(silence.missed)
    cdef double *present = _f8(silence.present)
    cdef double *exposed = _f8(silence.exposed)
    cdef double *results = _f8(silence.results)
    cdef double *gaps = _f8(silence.gaps)
    cdef double *gap_sum = _f8(silence.gap_sum)
    cdef double *gap_square = _f8(silence.gap_square)
    cdef double *seen = _f8(silence.seen)
    cdef float *present_hour = _row_f4(silence.present_hour, hour)
    cdef float *exposed_hour = _row_f4(silence.exposed_hour, hour)
    cdef float *results_hour = _row_f4(silence.results_hour, hour)
    cdef float *pending_hour = _row_f4(silence.pending, hour)
    cdef float *longest_hour = _row_f4(silence.longest, hour)
    cdef float *longest
    cdef float *pending
    cdef float *lately = _f4(silence.lately)
    cdef float *last_missing = _f4(silence.last_missing)
    cdef double hour_keep = silence._hour_keep, long_keep = silence._long_keep
    cdef double gap_fade = silence._gap_keep ** windows, long_fade = silence._long_keep ** windows
    nats_, excess_, score_ = (_empty(size, cnp.NPY_DOUBLE) for _ in range(3))
    cdef double *nats = _f8(nats_)
    cdef double *excess = _f8(excess_)
    cdef double *score = _f8(score_)
    cdef _Room room = _Room(12 * size + 6 * countries + 15)
    cdef double *hazard = room.take(size)
    cdef double *there = room.take(size)
    cdef double *awake = room.take(size)
    cdef double *spare = room.take(size)
    cdef double *density = room.take(size)
    cdef double *bound = room.take(size)
    cdef double *together = room.take(size)
    cdef double *gap = room.take(size)
    cdef uint8_t *marks = <uint8_t *>room.take(size)  # 1 waits, 2 silent, 4 alive, 8 warm, 16 awake by day, 32 was dark
    cdef double *living = room.take(countries)
    cdef double *silent_of = room.take(countries)
    cdef double *total = room.take(countries)
    cdef double *before = room.take(countries)  # silent for long, and sure of it
    cdef double *like = room.take(countries)
    cdef double *all_due = room.take(countries)
    cdef float *rarest = <float *>room.take(size)
    cdef uint8_t *pace = <uint8_t *>room.take(size)  # which of the rates each learns at
    cdef int64_t *ended = <int64_t *>room.take(size)  # whose silence is over
    # What is learned at each of the rates there are: of more windows than one, fading in the course of them.
    cdef double *rates = room.take(3)
    cdef double *keeps = room.take(3)
    cdef double *hourlies = room.take(3)
    cdef double *sums_ = room.take(3)
    cdef double *hourly_sums = room.take(3)
    cdef double usual, due_, alarm, own, value, gain, keep, hourly, length, rate
    cdef double *ways = _f8(silence.log_factorials())
    cdef Py_ssize_t many, absent, each, over = 0
    cdef bint any_silent = False, waits, known, by_day
    for i in range(size):
        hazard[i] = 1.0 / ((gap_square[i] + _GAPS_PRIOR) / (2.0 * (gap_sum[i] + _GAPS_PRIOR)))
    _LOG1P.one(hazard, hazard, size)
    _density(share, window, density, size)
    _awake(share, quiet, present_hour, exposed_hour, country, countries, awake, spare, like, all_due, size)
    _rarest(silence, rarest, size)
    for i in range(countries):
        living[i] = silent_of[i] = total[i] = before[i] = 0.0
    # Each silence by itself.
    for i in range(size):
        hazard[i] = _least(_HAZARD_MAX, hazard[i])
        usual = results[i] / _most(1.0, exposed[i])
        usual = (<double>results_hour[i] + _HOURS_PRIOR * usual) / (<double>exposed_hour[i] + _HOURS_PRIOR)
        there[i] = n[i] > 0.0 and not gone[i] and (regular[i] or not (
            (usual >= _RESULTS_FAINT and n[i] < _FAINT * usual) or (dark[i] and n[i] < _TRICKLE * usual)
        ))
        if there[i] != 0.0:
            value = _least(_most(1.0 - n[i] / _most(usual, 1.0), 0.0), 1.0)
            last_missing[i] = value if regular[i] else 0.0
        known = first[i] >= 0
        waits = known and there[i] == 0.0
        by_day = exposed_hour[i] >= _SEEN_WINDOWS and <double>present_hour[i] > 0.5 * share[i] * <double>exposed_hour[i]
        gap[i] = quiet[i] + 1.0
        due_ = usual
        if share[i] >= _STEADY_SHARE and by_day:
            due_ = _least(_most(2.0 * (usual - 1.0), 0.0), usual)
        quiet[i] = quiet[i] + (windows * awake[i] if counts[i] else 0.0) if waits else 0.0
        missed[i] = missed[i] + (windows * due_ if counts[i] else 0.0) if waits else 0.0
        alarm = alarm_full * _SPARSE_SHARE + (alarm_full - alarm_full * _SPARSE_SHARE) * density[i]
        excess[i] = _most(0.0, _LONGEST_FACTOR * <double>longest_hour[i] * hazard[i] - _LONGEST_NATS)
        nats[i] = hazard[i] * quiet[i]
        own = nats[i] / (alarm + excess[i])
        bound[i] = (alarm + excess[i]) / hazard[i]
        if gaps[i] >= _GAPS_MIN and quiet[i] > 0.0:
            own = _most(own, quiet[i] / <double>(_LONGEST_MARGIN * rarest[i]))
        if not regular[i] and share[i] >= _OFTEN:
            own = _least(own, missed[i] / alarm_full)
        score[i], together[i], marks[i] = own, 0.0, waits | (by_day << 4) | (dark[i] << 5)
        if known and start - first[i] >= warm_seconds and share[i] * _RARE_SECONDS >= window and seen[i] >= warm_results:
            marks[i] |= 8
            if start - last[i] < _FORGOTTEN_SECONDS:
                marks[i] |= 4
                living[country[i]] += 1.0
                if nats[i] >= _SILENT_NATS and (
                    quiet[i] >= _TOGETHER_WINDOWS or quiet[i] + <double>last_missing[i] >= _TOGETHER_STEADY
                ):
                    marks[i] |= 2
                    silent_of[country[i]] += 1.0
                    any_silent = True
                    own = _capped(nats[i] - excess[i], alarm_full)
                    total[country[i]] += own
                    if own >= _SURE_NATS * _GRAIN and quiet[i] >= _EARLIER_WINDOWS:
                        before[country[i]] += 1.0
    # Who fell long after half of the others, and may be between two results, is none of them.
    if any_silent:
        for i in range(countries):
            if 2.0 * before[i] < silent_of[i]:
                before[i] = 0.0
        for i in range(size):
            of = country[i]
            if marks[i] & 2 and before[of] > 0.0 and quiet[i] < _LATER_WINDOWS:
                own = _capped(nats[i] - excess[i], alarm_full)
                if own < _SURE_NATS * _GRAIN:
                    marks[i] &= ~2
                    silent_of[of] -= 1.0
                    total[of] -= own
    # What they say together.
    for i in range(size):
        of = country[i]
        if of_whole != NULL and marks[i] & 4 and few[of] and of_whole[of] >= 1.0 and living[of] >= _NETWORKS_SPARSE:
            together[i] = of_whole[of]
        own = _capped(nats[i] - excess[i], alarm_full)
        if marks[i] & 2 and 2.0 * silent_of[of] * own >= total[of]:
            value = 0.0
            if living[of] >= _NETWORKS_TOGETHER and 2.0 * silent_of[of] > living[of] and not few[of]:
                many, absent = <Py_ssize_t>living[of], <Py_ssize_t>silent_of[of]
                value = ways[many] - ways[absent] - ways[many - absent]
                value = (total[of] / _GRAIN - value) / _TOGETHER_NATS
            together[i] = _most(together[i], value)
        own = score[i]
        if few[of] and not regular[i]:  # the country speaks, and hardly a network by itself
            if share[i] >= _OFTEN and <double>lately[i] >= _OFTEN * _DAY / window:
                own = _least(own, _least(quiet[i] / _ALONE_WINDOWS, missed[i] / (_ALONE_TIMES * alarm_full)))
            else:
                own = 0.0
        value = _most(own, together[i])
        # Vantages fall silent one after another: a deploy, that will reach them all, or be over.
        if ((holds[of] and quiet[i] < _HELD_WINDOWS) or not counts[i]) and not dark[i]:
            value = _least(value, _STAYED)
        score[i] = value if marks[i] & 8 else 0.0
        if together[i] >= 1.0 and share[i] >= _STEADY_SHARE:
            joint[i] = 1
    silence._nats, silence._excess, silence.score = nats_, excess_, score_
    # What goes dark, comes back, and is learned.
    for i in range(size):
        spare[i] = <double>(last[i] - start) / _DAY
    _EXP.one(spare, spare, size)
    for i in range(size):
        waits, by_day, known = marks[i] & 1, marks[i] & 16, first[i] >= 0
        if not dark[i] and score[i] >= 1.0:
            onset[i], back[i], dark[i] = last[i] + <int64_t>window, 0, 1
        if dark[i]:
            if there[i] != 0.0:
                back[i] += 1
            if quiet[i] * hazard[i] > _RESUMED_NATS:
                back[i] = 0
            if back[i] >= _BACK_SPARSE + (_BACK_WINDOWS - _BACK_SPARSE) * density[i]:
                dark[i], joint[i], onset[i], back[i] = 0, 0, -1, 0
        gain = 1.0
        if dark[i]:
            if exposed_hour[i] >= _KNOWN_WINDOWS and (
                <double>present_hour[i] > 0.5 * share[i] * <double>exposed_hour[i]
            ):
                gain = learn_slow
            if regular[i] or joint[i] or (share[i] >= _OFTEN and by_day):
                gain = 0.0
        if waits and by_day and ((regular[i] and nats[i] >= _SILENT_NATS) or share[i] >= _STEADY_SHARE):
            gain = 0.0
        if not counts[i] and there[i] == 0.0:
            gain = 0.0
        rate = gain if known or there[i] != 0.0 else 0.0
        pace[i] = 0 if rate == 0.0 else 1 if rate == 1.0 else 2
        gap_sum[i] *= gap_fade
        gap_square[i] *= gap_fade
        if quiet[i] > <double>pending_hour[i]:
            pending_hour[i] = quiet[i]
        spare[i] = 1.0 + <double>lately[i] * spare[i]
        awake[i] = gain
        if there[i] != 0.0 and known and gap[i] > 1.0:
            ended[over] = i
            over += 1
    rates[0], rates[1], rates[2] = 0.0, 1.0, learn_slow
    for each in range(3):
        keeps[each], hourlies[each] = 1.0 - rates[each] * (1.0 - long_keep), 1.0 - rates[each] * (1.0 - hour_keep)
        sums_[each] = hourly_sums[each] = 1.0
    if windows != 1.0:
        _geometric(keeps, windows, sums_, 3)
        _geometric(hourlies, windows, hourly_sums, 3)
        _POWER.raised(keeps, windows, keeps, 3)
        _POWER.raised(hourlies, windows, hourlies, 3)
    for i in range(size):
        each = pace[i]
        rate, keep, hourly = rates[each], keeps[each], hourlies[each]
        present[i] = present[i] * keep + rate * there[i] * sums_[each]
        exposed[i] = exposed[i] * keep + rate * sums_[each]
        results[i] = results[i] * keep + rate * n[i] * sums_[each]
        present_hour[i] = <double>present_hour[i] * hourly + rate * there[i] * hourly_sums[each]
        exposed_hour[i] = <double>exposed_hour[i] * hourly + rate * hourly_sums[each]
        results_hour[i] = <double>results_hour[i] * hourly + rate * n[i] * hourly_sums[each]
        share[i] = (present[i] + 1.0) / (exposed[i] + 2.0) if marks[i] & 32 and share[i] >= _OFTEN else -1.0
    for row in range(hours):
        longest, pending = _row_f4(silence.longest, row), _row_f4(silence.pending, row)
        exposed_hour, present_hour = _row_f4(silence.exposed_hour, row), _row_f4(silence.present_hour, row)
        for i in range(size):
            longest[i] = <double>longest[i] * long_fade
        for each in range(over):
            i = ended[each]
            value = pending[i]
            # A darkness that is over makes no silence usual of the hours at which they were awake.
            if share[i] >= 0.0 and exposed_hour[i] >= _SEEN_WINDOWS and (
                <double>present_hour[i] > 0.5 * share[i] * <double>exposed_hour[i]
            ):
                value = 0.0
            longest[i] = _most(<double>longest[i], awake[i] * value)
            pending[i] = 0.0
    for i in range(size):
        if there[i] == 0.0:
            continue
        if first[i] >= 0:
            length = _least(gap[i], _most(1.0, 1.5 * bound[i]))
            gap_sum[i] += awake[i] * length
            gap_square[i] += awake[i] * length * (length - 1.0)
            gaps[i] += 1.0
        else:
            first[i] = start
        lately[i], last[i] = spare[i], start
        seen[i] += 1.0


def quiet_windows(silence, int64_t start, country_, Py_ssize_t countries):
    """`SilenceColumns.quiet_windows`: for how long a silence goes on before it counts; None: nobody is waited for."""
    cdef Py_ssize_t i, size = silence.size
    settings = silence.rules.settings
    cdef double window = silence.rules.window, warm_seconds = settings.warm_seconds
    cdef double warm_results = settings.warm_results, alarm = _SPARSE_SHARE * <double>settings.alarm_silence
    cdef double first_step = _silences.STEPS[0] * alarm, last_step = _silences.STEPS[1] * alarm
    cdef double early = _silences.STEPS[0], late = _silences.STEPS[1]
    cdef int64_t *country = _i8(country_)
    cdef double *present = _f8(silence.present)
    cdef double *exposed = _f8(silence.exposed)
    cdef double *seen = _f8(silence.seen)
    cdef double *quiet = _f8(silence.quiet)
    cdef double *gaps = _f8(silence.gaps)
    cdef double *gap_sum = _f8(silence.gap_sum)
    cdef double *gap_square = _f8(silence.gap_square)
    cdef int64_t *first = _i8(silence.first)
    cdef int64_t *last = _i8(silence.last)
    cdef uint8_t *dark = _b1(silence.dark)
    cdef _Room room = _Room(4 * size + countries + 1)
    cdef float *rarest = <float *>room.take(size)
    cdef double *share = room.take(size)
    cdef double *hazard = room.take(size)
    cdef double *empty = room.take(size)
    cdef double *empty_of = room.take(countries)
    cdef double *least = room.take(1)
    cdef double alone, irregular, margin, nats, left = INFINITY
    cdef bint anybody = False
    _rarest(silence, rarest, size)
    for i in range(countries):
        empty_of[i] = 0.0
    least[0] = -_OFTEN
    for i in range(size):
        share[i] = (present[i] + 1.0) / (exposed[i] + 2.0)
        empty[i] = -share[i]
        hazard[i] = 1.0 / ((gap_square[i] + _GAPS_PRIOR) / (2.0 * (gap_sum[i] + _GAPS_PRIOR)))
    _LOG1P.one(least, least, 1)
    _LOG1P.one(empty, empty, size)
    _LOG1P.one(hazard, hazard, size)
    for i in range(size):
        empty_of[country[i]] += _grained(empty[i])
    for i in range(size):
        if first[i] < 0 or dark[i] or start - first[i] < warm_seconds or start - last[i] >= _FORGOTTEN_SECONDS:
            continue
        if share[i] * _RARE_SECONDS < window or seen[i] < warm_results:
            continue
        anybody = True
        nats = _least(_HAZARD_MAX, hazard[i])
        alone = _SILENT_NATS
        if empty_of[country[i]] > least[0]:
            alone = nats * quiet[i]
            if alone < first_step - 1.0:
                alone = first_step
            elif alone < last_step:
                alone = last_step
        alone = _most(_TOGETHER_SOONEST, alone / nats)
        if gaps[i] >= _GAPS_MIN:
            margin = <double>(_LONGEST_MARGIN * rarest[i])
            irregular = quiet[i]
            if irregular < early * margin - 1.0:
                irregular = early * margin
            elif irregular < late * margin:
                irregular = late * margin
            alone = _least(alone, irregular)
        left = _least(left, alone - quiet[i])
    return left if anybody else None


# the votes of vantages

cdef double _VOTES_RECENT = _votes.RESULTS_PER_EXCESS, _VOTES_APART = _votes.APART, _SEATS_GAIN = _votes.GAP_GAIN
cdef double _PROBES_MANY = _votes.PROBES_MANY, _WEIGHT_GRAIN = _votes.WEIGHT_GRAIN
cdef int64_t _VOTES_FROM = _votes.VANTAGES
cdef float _LATELY_GAPS = _votes.LATELY_GAPS, _LATELY_WINDOWS = _votes.LATELY_WINDOWS

cdef void _sort(float *values, Py_ssize_t size) noexcept:
    """Put a few values in ascending order; many, by halves."""
    cdef Py_ssize_t i, j
    cdef float value
    if size > 24:
        qsort(values, size, sizeof(float), _order)
        return
    for i in range(1, size):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value


cdef int _order(const void *one, const void *other) noexcept nogil:
    cdef float a = (<const float *>one)[0], b = (<const float *>other)[0]
    return (a > b) - (a < b)


cdef void _medians(
    int64_t *group, float *values, Py_ssize_t many, Py_ssize_t size, int64_t *count, double *low, double *high,
    float *sorted_, int64_t *begin,
) noexcept:
    """`table.medians`; it takes room for the values, and for a number a group and one more."""
    cdef Py_ssize_t i, of
    for i in range(size):
        count[i] = 0
    for i in range(many):
        count[group[i]] += 1
    begin[0] = 0
    for i in range(size):
        begin[i + 1] = begin[i] + count[i]
    for i in range(many):
        of = group[i]
        sorted_[begin[of]] = values[i]
        begin[of] += 1
    for i in range(size):
        low[i] = high[i] = 0.0
        if count[i]:
            begin[i] -= count[i]
            _sort(sorted_ + begin[i], count[i])
            low[i] = sorted_[begin[i] + count[i] - 1 - count[i] // 2]
            high[i] = sorted_[begin[i] + count[i] - 1 - (count[i] - 1) // 2]


def medians(group_, values_, Py_ssize_t size):
    """`table.medians`."""
    cdef Py_ssize_t i, many = _size(group_)
    cdef float *values = _f4(values_)
    count, low, high = _empty(size, cnp.NPY_INT64), _empty(size, cnp.NPY_DOUBLE), _empty(size, cnp.NPY_DOUBLE)
    cdef _Room room = _Room(2 * many + size + 1)
    cdef int64_t *group = _numbers(group_, <int64_t *>room.take(many))
    cdef float *sorted_ = <float *>room.take(many)
    _medians(group, values, many, size, _i8(count), _f8(low), _f8(high), sorted_, <int64_t *>room.take(size + 1))
    return count, low, high


def vote(seats, cell_, well_watched_, rows_, k_, n_, due_, int64_t start, int64_t window):
    """`vantage_weights.weigh`."""
    cdef Py_ssize_t i, row, of, found = 0, sits = 0, size = _size(rows_)
    cdef Py_ssize_t cells = _size(well_watched_), all_ = _size(cell_)
    cdef int32_t *cell = _i4(cell_)
    cdef uint8_t *well_watched = _b1(well_watched_)
    cdef int64_t *rows = _i8(rows_)
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    cdef double *due_of = _f8(due_)
    cdef float *excess = _f4(seats.excess)
    cdef float *gap = _f4(seats.gap)
    cdef int64_t *last = _i8(seats.last)
    weights = _empty(size, cnp.NPY_DOUBLE)
    cdef double *weight = _f8(weights)
    cdef _Room room = _Room(size + 3 * (all_ + size) + 7 * cells + 1)
    cdef double *share = room.take(size)
    cdef int64_t *theirs = <int64_t *>room.take(all_ + size)
    cdef float *values = <float *>room.take(all_ + size)
    cdef float *sorted_ = <float *>room.take(all_ + size)
    cdef double *busy = room.take(cells)
    cdef double *strangers = room.take(cells)
    cdef int64_t *count = <int64_t *>room.take(cells)
    cdef double *low = room.take(cells)
    cdef double *high = room.take(cells)
    cdef double *middle = room.take(cells)
    cdef int64_t *begin = <int64_t *>room.take(cells + 1)
    cdef double most = 0.0, least = 0.0, bound
    cdef float allowed
    for i in range(size):
        share[i] = n[i] / -_VOTES_RECENT
    _EXP2.one(share, share, size)
    for i in range(cells):
        busy[i] = strangers[i] = 0.0
    for i in range(size):
        row = rows[i]
        excess[row] = excess[row] + (1.0 - share[i]) * ((k[i] - due_of[i]) / n[i] - excess[row])
        weight[i] = 1.0
        if well_watched[cell[row]]:
            most = n[i] if not sits or n[i] > most else most
            least = n[i] if not sits or n[i] < least else least
            busy[cell[row]] = 1.0
            sits += 1
    if not sits:
        return weights
    for i in range(all_):
        if busy[cell[i]] != 0.0:
            allowed = _LATELY_GAPS * gap[i]
            allowed = allowed if allowed > _LATELY_WINDOWS else _LATELY_WINDOWS
            allowed = allowed * <float>window
            if last[i] >= 0 and <double>(start - last[i]) <= <double>allowed:
                theirs[found], values[found] = cell[i], excess[i]
                found += 1
    _medians(theirs, values, found, cells, count, low, high, sorted_, begin)
    for i in range(cells):
        middle[i] = (low[i] + high[i]) / 2.0
    for i in range(found):
        strangers[theirs[i]] += fabs(values[i] - middle[theirs[i]]) > _VOTES_APART
    for i in range(size):
        of = cell[rows[i]]
        if well_watched[of] and count[of] >= _VOTES_FROM and 2.0 * strangers[of] < count[of]:
            if fabs(excess[rows[i]] - middle[of]) > _VOTES_APART:
                weight[i] = 0.0
    if most <= _PROBES_MANY * least:  # nobody has many more than anybody
        return weights
    found = 0
    for i in range(size):
        if well_watched[cell[rows[i]]]:
            theirs[found], values[found] = cell[rows[i]], n[i]
            found += 1
    _medians(theirs, values, found, cells, count, low, high, sorted_, begin)
    for i in range(size):
        of = cell[rows[i]]
        if well_watched[of] and weight[i] != 0.0 and count[of] >= _VOTES_FROM:
            bound = _least(1.0, _PROBES_MANY * ((low[of] + high[of]) / 2.0) / n[i])
            weight[i] = ceil(bound * _WEIGHT_GRAIN) / _WEIGHT_GRAIN
    return weights


def see_seats(seats, rows_, int64_t start, int64_t window):
    """`Seats.see`."""
    cdef Py_ssize_t i, row, size = _size(rows_)
    cdef _Room room = _Room(size)
    cdef int64_t *rows = _numbers(rows_, <int64_t *>room.take(size))
    cdef float *gap = _f4(seats.gap)
    cdef int64_t *last = _i8(seats.last)
    for i in range(size):
        row = rows[i]
        if last[row] >= 0:
            gap[row] = gap[row] + _SEATS_GAIN * (<double>(start - last[row]) / <double>window - gap[row])
        last[row] = start


# the results of a window, by monitor

cdef double _EXCESS_RECENT = _monitors.RESULTS_PER_EXCESS, _NEW_LATELY = _monitors.LATELY_WINDOWS
cdef double _NEW_GAPS = _monitors.LATELY_GAPS
cdef float _NEWCOMERS_MANY = _monitors.NEWCOMERS_MANY, _NEWCOMERS_PRIOR = _monitors.NEWCOMERS_PRIOR


def reports_of(seats_, cells_, monitor_, ok_, weight_):
    """`Reports.of`: the monitors that have results, their seats and cells, successes and results."""
    cdef Py_ssize_t i, monitors = _size(seats_), results = _size(monitor_), found = 0
    cdef int32_t *monitor = _i4(monitor_)
    cdef int32_t *seat_of = _i4(seats_)
    cdef int32_t *cell_of = _i4(cells_)
    cdef uint8_t *ok = _b1(ok_)
    cdef int64_t *weight = NULL if weight_ is None else _i8(weight_)
    cdef _Room room = _Room(2 * monitors)
    cdef double *all_ = room.take(monitors)
    cdef double *fine = room.take(monitors)
    cdef double one = 1.0
    for i in range(monitors):
        all_[i] = fine[i] = 0.0
    for i in range(results):
        if weight != NULL:
            one = weight[i]
        all_[monitor[i]] += one
        if ok[i]:
            fine[monitor[i]] += one
    for i in range(monitors):
        found += all_[i] != 0.0
    rows_, seat_, cell_ = _empty(found, cnp.NPY_INT64), _empty(found, cnp.NPY_INT32), _empty(found, cnp.NPY_INT32)
    good_, probes_ = _empty(found, cnp.NPY_DOUBLE), _empty(found, cnp.NPY_DOUBLE)
    cdef int64_t *rows = _i8(rows_)
    cdef int32_t *seat = _i4(seat_)
    cdef int32_t *cell = _i4(cell_)
    cdef double *good = _f8(good_)
    cdef double *probes = _f8(probes_)
    found = 0
    for i in range(monitors):
        if all_[i] != 0.0:
            rows[found], seat[found], cell[found] = i, seat_of[i], cell_of[seat_of[i]]
            good[found], probes[found] = fine[i], all_[i]
            found += 1
    return rows_, seat_, cell_, good_, probes_


def contrary(cusum, usual_, doubt_):
    """`CusumColumns.contrary_drop`."""
    cdef Py_ssize_t size = cusum.size
    cdef _Room room = _Room(2 * size)
    into = _empty(size, cnp.NPY_DOUBLE)
    _contrary(cusum, _f8(usual_), NULL if doubt_ is None else _f8(doubt_), _f8(into), room.take(2 * size))
    return into


def mix(reports, base_):
    """`Reports.mix` where some monitors may be of their own kind; None where none of these counts."""
    cdef Py_ssize_t i, row, of, many = _size(reports.rows), cells = _size(base_), found = 0, mixed = 0
    cdef int32_t *cell = _i4(reports.cell)
    cdef double *votes = _f8(reports.votes)
    cdef double *ratio = _f8(reports.ratio)
    cdef double *probes = _f8(reports.probes)
    cdef double *good = _f8(reports.good)
    cdef double *base = _f8(base_)
    cdef _Room room = _Room(2 * cells)
    cdef double *place_of = room.take(cells)  # of a network among those that are mixed; -1: it is not
    cdef double *weight_of = room.take(cells)
    for i in range(cells):
        place_of[i], weight_of[i] = -1.0, 0.0
    for row in range(many):
        if votes[row] > 0.0 and ratio[row] != base[cell[row]]:
            place_of[cell[row]] = 0.0
    for i in range(cells):
        if place_of[i] == 0.0:
            place_of[i] = mixed
            mixed += 1
    if not mixed:
        return None
    for row in range(many):
        found += votes[row] > 0.0 and place_of[cell[row]] >= 0.0
    usual_, cells_, places_ = _empty(cells, cnp.NPY_DOUBLE), _empty(mixed, cnp.NPY_INT64), _empty(found, cnp.NPY_INT64)
    good_, probes_, votes_, ratio_ = (_empty(found, cnp.NPY_DOUBLE) for _ in range(4))
    cdef double *usual = _f8(usual_)
    cdef int64_t *into_cells = _i8(cells_)
    cdef int64_t *into_place = _i8(places_)
    cdef double *into_good = _f8(good_)
    cdef double *into_probes = _f8(probes_)
    cdef double *into_votes = _f8(votes_)
    cdef double *into_ratio = _f8(ratio_)
    cdef double weight
    for i in range(cells):
        usual[i] = base[i]
        if place_of[i] >= 0.0:
            usual[i] = 0.0
            into_cells[<Py_ssize_t>place_of[i]] = i
    found = 0
    for row in range(many):
        of = cell[row]
        if not votes[row] > 0.0 or place_of[of] < 0.0:
            continue
        weight = probes[row] * votes[row]
        usual[of] += _grained(weight * ratio[row])
        weight_of[of] += weight
        into_place[found], into_good[found], into_probes[found] = <int64_t>place_of[of], good[row], probes[row]
        into_votes[found], into_ratio[found] = votes[row], ratio[row]
        found += 1
    for i in range(cells):
        if place_of[i] >= 0.0:
            usual[i] = usual[i] / weight_of[i]
    return usual_, cells_, places_, good_, probes_, votes_, ratio_


def weigh_mixed(cells, mix_, known_, doubt_, evidence, healthy_):
    """Write what networks say that have monitors of their own kind: the sums of what each of these says.

    That is `Mix.evidence` for each drop and for health, 0 of a network that is not known.
    """
    cdef Py_ssize_t i, row, size = _size(mix_.cells), many = _size(mix_.place)
    cdef int each, drops = len(cells.drops)
    cdef int64_t *cell = _i8(mix_.cells)
    cdef int64_t *place = _i8(mix_.place)
    cdef double *good = _f8(mix_.good)
    cdef double *probes = _f8(mix_.probes)
    cdef double *votes = _f8(mix_.votes)
    cdef double *ratio = _f8(mix_.ratio)
    cdef double *healthy = _f8(healthy_)
    cdef uint8_t *known = _b1(known_)
    cdef _Room room = _Room(size + 3 * many)
    cdef double *total = room.take(size)
    cdef double *drop = room.take(many)
    cdef double *says = room.take(many)
    cdef double *spare = room.take(many)
    cdef double *of_all
    cdef double *into
    contrary_ = contrary(cells.cusum, mix_.usual, doubt_)
    of_all = _f8(contrary_)
    for each in range(drops + 1):
        for row in range(many):
            if each == drops:
                drop[row] = of_all[cell[place[row]]]
            else:
                drop[row] = cells.drops[each, 0] if row == 0 else drop[0]
        _evidence(drop, ratio, good, probes, says, spare, many)
        for i in range(size):
            total[i] = 0.0
        for row in range(many):
            total[place[row]] += _grained(votes[row] * says[row])
        if each == drops:
            for i in range(size):
                healthy[cell[i]] = -total[i] * (1.0 if known[cell[i]] else 0.0)
        else:
            into = _row(evidence, each)
            for i in range(size):
                into[cell[i]] = total[i] * (1.0 if known[cell[i]] else 0.0)


def usual_of(monitors, rows_, base_):
    """`MonitorColumns.usual`."""
    cdef Py_ssize_t i, size = _size(rows_)
    cdef int64_t *rows = _i8(rows_)
    cdef float *odds = _f4(monitors.odds)
    cdef bint own = False
    for i in range(size):
        own |= odds[rows[i]] != 1.0
    if not own:
        return base_
    cdef double *base = _f8(base_)
    usual = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(usual)
    cdef double value
    for i in range(size):
        value = <double>odds[rows[i]] * (base[i] / (1.0 - base[i]))
        into[i] = _least(value / (1.0 + value), _RATIO_MAX)
    return usual


def take(monitors, int64_t start, rows_, good_, probes_, usual_, base_):
    """`MonitorColumns.take`."""
    cdef Py_ssize_t i, row, size = _size(rows_)
    cdef int64_t *rows = _i8(rows_)
    cdef double *good = _f8(good_)
    cdef double *probes = _f8(probes_)
    cdef double *usual = _f8(usual_)
    cdef double *base = _f8(base_)
    cdef float *excess = _f4(monitors.excess)
    cdef uint32_t *last = <uint32_t *>_data(monitors.last, cnp.NPY_UINT32)
    cdef float *fresh_good = _f4(monitors.fresh_good)
    cdef float *fresh_probes = _f4(monitors.fresh_probes)
    cdef float *fresh_due = _f4(monitors.fresh_due)
    cdef _Room room = _Room(size)
    cdef double *left = room.take(size)
    for i in range(size):
        left[i] = probes[i] / -_EXCESS_RECENT
    _EXP2.one(left, left, size)
    for i in range(size):
        row = rows[i]
        excess[row] = excess[row] + (1.0 - left[i]) * (good[i] / probes[i] - usual[i] - excess[row])
        last[row] = start
        fresh_good[row] = fresh_good[row] + good[i]
        fresh_probes[row] = fresh_probes[row] + probes[i]
        fresh_due[row] = fresh_due[row] + probes[i] * base[i]


def counted(newcomers, monitors, presence, rows_, cell_, int64_t start, int64_t window):
    """`Newcomers.counted`, as the weight of each report."""
    cdef Py_ssize_t i, of, size = _size(rows_)
    cdef int64_t *rows = _i8(rows_)
    cdef int32_t *cell = _i4(cell_)
    cdef float *results = _f4(monitors.probes)
    cdef float least = monitors.known_results
    cdef float *strange = _f4(newcomers.strange)
    cdef float *probes = _f4(newcomers.probes)
    cdef int64_t *last_known = _i8(newcomers.last_known)
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    votes = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(votes)
    cdef double allowed
    for i in range(size):
        of = cell[i]
        allowed = _most(_NEW_LATELY, _NEW_GAPS / (present[of] / exposed[of])) * window
        into[i] = (
            results[rows[i]] >= least
            or strange[of] >= _NEWCOMERS_MANY * (probes[of] + _NEWCOMERS_PRIOR)
            or ~last_known[of] < 0
            or <double>(start - ~last_known[of]) > allowed
        )
    for i in range(size):
        if results[rows[i]] >= least:
            last_known[cell[i]] = ~start
    return votes


def by_seat(reports, Py_ssize_t seats):
    """`Reports.by_seat`."""
    cdef Py_ssize_t i, found = 0, size = _size(reports.rows)
    cdef int32_t *seat = _i4(reports.seat)
    cdef double *good = _f8(reports.good)
    cdef double *probes = _f8(reports.probes)
    cdef double *votes = _f8(reports.votes)
    cdef double *ratio = _f8(reports.ratio)
    cdef _Room room = _Room(3 * seats)
    cdef double *all_good = room.take(seats)
    cdef double *all_ = room.take(seats)
    cdef double *all_due = room.take(seats)
    for i in range(seats):
        all_good[i] = all_[i] = all_due[i] = 0.0
    for i in range(size):
        all_good[seat[i]] += good[i] * votes[i]
        all_[seat[i]] += probes[i] * votes[i]
        all_due[seat[i]] += probes[i] * ratio[i] * votes[i]
    for i in range(seats):
        found += all_[i] != 0.0
    rows_, good_ = _empty(found, cnp.NPY_INT64), _empty(found, cnp.NPY_DOUBLE)
    probes_, due_ = _empty(found, cnp.NPY_DOUBLE), _empty(found, cnp.NPY_DOUBLE)
    cdef int64_t *rows = _i8(rows_)
    cdef double *some = _f8(good_)
    cdef double *many = _f8(probes_)
    cdef double *due_of = _f8(due_)
    found = 0
    for i in range(seats):
        if all_[i] != 0.0:
            rows[found], some[found], many[found], due_of[found] = i, all_good[i], all_[i], all_due[i]
            found += 1
    return rows_, good_, probes_, due_


def sum_votes(reports, Py_ssize_t cells):
    """Successes and results that count, by network on a platform."""
    cdef Py_ssize_t i
    cdef int32_t *cell = _i4(reports.cell)
    cdef double *good = _f8(reports.good)
    cdef double *probes = _f8(reports.probes)
    cdef double *votes = _f8(reports.votes)
    k_, n_ = _zeros(cells, cnp.NPY_DOUBLE), _zeros(cells, cnp.NPY_DOUBLE)
    cdef double *k = _f8(k_)
    cdef double *n = _f8(n_)
    for i in range(_size(reports.rows)):
        k[cell[i]] += good[i] * votes[i]
        n[cell[i]] += probes[i] * votes[i]
    return k_, n_


def any_cold(reports, warm_):
    """Whether a network has results that count, and is hardly known."""
    cdef Py_ssize_t i
    cdef int32_t *cell = _i4(reports.cell)
    cdef double *votes = _f8(reports.votes)
    cdef uint8_t *known = _b1(warm_)
    for i in range(_size(reports.rows)):
        if votes[i] > 0.0 and not known[cell[i]]:
            return True
    return False


# how everything stands

cdef double _LIVE_WINDOWS = _series.LIVE_WINDOWS, _LIVE_GAPS = _series.LIVE_GAPS


def shortfalls(cells, group_, Py_ssize_t groups):
    """`BinomialColumns.shortfall_min`, and its mean over each country's networks: `Series._pooled_shortfall`."""
    cdef Py_ssize_t i, size = cells.size
    cdef int64_t *group = _i8(group_)
    base, settings = cells.base, cells.rules.settings
    cdef double *wander_sum = _f8(base.wander_sum)
    cdef double *wander_weight = _f8(base.wander_weight)
    cdef double *good = _f8(base.good_global)
    cdef double *bad = _f8(base.bad_global)
    cdef double least = settings.shortfall_min, factor = settings.wander_factor, weight
    of_cells, of_groups = _empty(size, cnp.NPY_DOUBLE), _zeros(groups, cnp.NPY_DOUBLE)
    cdef double *into = _f8(of_cells)
    cdef double *mean = _f8(of_groups)
    cdef _Room room = _Room(groups)
    cdef double *total = room.take(groups)
    for i in range(groups):
        total[i] = 0.0
    for i in range(size):
        into[i] = _most(least, factor * sqrt(_most(0.0, wander_sum[i]) / wander_weight[i]))
        weight = good[i] + bad[i]
        mean[group[i]] += _grained(weight * into[i])
        total[group[i]] += _grained(weight)
    for i in range(groups):
        mean[i] /= _most(1e-9, total[i])
    return of_cells, of_groups


def bars(group_score_, group_, shortfall_, double alone):
    """The least shortfall of each network that matters: `alone`, where its country's score says nothing of a loss."""
    cdef Py_ssize_t i, size = _size(shortfall_)
    cdef double *score = _f8(group_score_)
    cdef int64_t *group = _i8(group_)
    cdef double *shortfall = _f8(shortfall_)
    least = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(least)
    for i in range(size):
        into[i] = _most(shortfall[i], alone) if score[group[i]] <= 0.5 else shortfall[i]
    return least


def live(presence, dark_, network_, group_, Py_ssize_t groups, score_, int64_t start, int64_t window):
    """`Series._live`, and how many are live of each country and how many of these alarm."""
    cdef Py_ssize_t i, size = presence.size
    cdef int64_t *network = _i8(network_)
    cdef int64_t *group = _i8(group_)
    cdef uint8_t *dark = _b1(dark_)
    cdef int64_t *last = _i8(presence.last)
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    cdef double *score = _f8(score_)
    mask, live_, bad_ = _empty(size, cnp.NPY_BOOL), _zeros(groups, cnp.NPY_INT64), _zeros(groups, cnp.NPY_INT64)
    cdef uint8_t *into = _b1(mask)
    cdef int64_t *live_of = _i8(live_)
    cdef int64_t *bad_of = _i8(bad_)
    cdef double allowed
    for i in range(size):
        allowed = _most(_LIVE_WINDOWS, _LIVE_GAPS / (present[i] / exposed[i])) * window
        into[i] = last[i] >= 0 and <double>(start - last[i]) <= allowed and not dark[network[i]]
        if into[i]:
            live_of[group[i]] += 1
            bad_of[group[i]] += score[i] >= 1.0
    return mask, live_, bad_


def health_of(groups):
    """Successes, results, what is expected, the ratio of late, and in which share of windows there are results."""
    cdef Py_ssize_t i, size = groups.size
    recent, presence = groups.recent, groups.presence
    cdef double *k = _f8(groups.k)
    cdef double *n = _f8(groups.n)
    cdef double *good = _f8(recent.good)
    cdef double *probes = _f8(recent.probes)
    cdef double *due_of = _f8(recent.expected)
    cdef double *present = _f8(presence.present)
    cdef double *exposed = _f8(presence.exposed)
    k_, n_ = _empty(size, cnp.NPY_INT64), _empty(size, cnp.NPY_INT64)
    expected_, reached_, share_ = (_empty(size, cnp.NPY_DOUBLE) for _ in range(3))
    cdef int64_t *some = _i8(k_)
    cdef int64_t *all_ = _i8(n_)
    cdef double *expected = _f8(expected_)
    cdef double *reached = _f8(reached_)
    cdef double *share = _f8(share_)
    for i in range(size):
        some[i], all_[i] = <int64_t>rint(k[i]), <int64_t>rint(n[i])
        expected[i] = reached[i] = due_of[i] / probes[i] if probes[i] > 0.0 else 1.0
        if probes[i] > 0.0:
            reached[i] = good[i] / probes[i]
        share[i] = present[i] / exposed[i]
    return k_, n_, expected_, reached_, share_


def lately(seats, int64_t start, int64_t window, rows_):
    """`Seats.lately`, of some rows or of all (None)."""
    cdef Py_ssize_t i, row, size = seats.size if rows_ is None else _size(rows_)
    cdef int64_t *rows = NULL if rows_ is None else _i8(rows_)
    cdef int64_t *last = _i8(seats.last)
    cdef float *gap = _f4(seats.gap)
    mask = _empty(size, cnp.NPY_BOOL)
    cdef uint8_t *into = _b1(mask)
    cdef float allowed
    for i in range(size):
        row = i if rows == NULL else rows[i]
        allowed = _LATELY_GAPS * gap[row]
        allowed = (allowed if allowed > _LATELY_WINDOWS else _LATELY_WINDOWS) * <float>window
        into[i] = last[row] >= 0 and <double>(start - last[row]) <= <double>allowed
    return mask


def share_lost(cusum, series_, double least, double most):
    """`Series.share_lost`, within these bounds."""
    cdef Py_ssize_t i, row, best, size = _size(series_), stride = _stride(cusum.statistic)
    cdef int many = cusum.statistic.shape[0]
    cdef double *statistic = _row(cusum.statistic, 0)
    cdef int64_t *series = _i8(series_)
    lost = _empty(size, cnp.NPY_DOUBLE)
    cdef double *into = _f8(lost)
    for i in range(size):
        row = series[i]
        best = _highest(statistic, stride, many, row)
        into[i] = _row(cusum.short, best)[row] / _most(1.0, _row(cusum.probes, best)[row])
        into[i] = _most(least, _least(into[i] / 2.0, most))
    return lost


def told(cusum, rows_, score_, live_, n_, k_, double close_nats, double easing_nats):
    """The beginning of `Survey._told`: opinions, results and successes, and what excursions come to.

    Returns which of `rows` are in one last.
    """
    cdef Py_ssize_t i, row, best, found = 0, size = _size(rows_), stride = _stride(cusum.statistic)
    cdef int many = cusum.statistic.shape[0]
    cdef double *statistic = _row(cusum.statistic, 0)
    cdef int64_t *rows = _i8(rows_)
    cdef double *score = _f8(score_)
    cdef double *n = _f8(n_)
    cdef double *k = _f8(k_)
    cdef double *well = _f8(cusum.well)
    cdef uint8_t *live_of = _b1(live_)
    cdef uint8_t *is_open = _b1(cusum.open)
    opinion_, all_, good_, onset_, probes_, at_ = (_zeros(size, cnp.NPY_INT64) for _ in range(6))
    short_ = _zeros(size, cnp.NPY_DOUBLE)
    cdef int64_t *opinion = _i8(opinion_)
    cdef int64_t *into_all = _i8(all_)
    cdef int64_t *into_good = _i8(good_)
    cdef int64_t *onset = _i8(onset_)
    cdef int64_t *probes = _i8(probes_)
    cdef int64_t *at = _i8(at_)
    cdef double *short_of = _f8(short_)
    for i in range(size):
        row, onset[i] = rows[i], -1
        if live_of[i]:
            if score[i] >= 1.0 and well[row] < easing_nats:
                opinion[i] = 1
            elif score[i] < 1.0 and well[row] >= close_nats:
                opinion[i] = 2
        into_all[i], into_good[i] = <int64_t>rint(n[i]), <int64_t>rint(k[i])
        if not is_open[row]:
            continue
        at[found], best = i, _highest(statistic, stride, many, row)
        found += 1
        onset[i] = ~_row_i8(cusum.onset, best)[row]
        probes[i] = <int64_t>rint(_row(cusum.counted, best)[row])
        if _row(cusum.probes, best)[row] > 0.0:
            short_of[i] = _row(cusum.short, best)[row] / _row(cusum.probes, best)[row]
    return opinion_, all_, good_, onset_, probes_, short_, at_[:found]


def tallied(keys_, weight_, Py_ssize_t most):
    """`table.tallied`; None where a key is below 0, or `most` or more."""
    cdef Py_ssize_t i, size = _size(keys_), end = 0, found = 0
    cdef int64_t *keys = _i8(keys_)
    cdef int64_t *weight = NULL if weight_ is None else _i8(weight_)
    for i in range(size):
        if keys[i] < 0 or keys[i] >= most:
            return None
        if keys[i] >= end:
            end = keys[i] + 1
    cdef _Room room = _Room(2 * end)
    cdef int64_t *total = <int64_t *>room.take(end)
    cdef int64_t *rows = <int64_t *>room.take(end)
    for i in range(end):
        total[i] = rows[i] = 0
    for i in range(size):
        found += rows[keys[i]] == 0
        rows[keys[i]] += 1
        total[keys[i]] += 1 if weight == NULL else weight[i]
    unique_, many_ = _empty(found, cnp.NPY_INT64), _empty(found, cnp.NPY_INT64)
    cdef int64_t *unique = _i8(unique_)
    cdef int64_t *many = _i8(many_)
    found = 0
    for i in range(end):
        if rows[i]:
            unique[found], many[found] = i, total[i]
            found += 1
    return unique_, many_


def any_above(double bound, *columns):
    """Whether any number of some columns of doubles is above a bound."""
    cdef Py_ssize_t i
    cdef double *values
    for column in columns:
        values = _f8(column)
        for i in range(_size(column)):
            if values[i] > bound:
                return True
    return False


def any_slow(double bound, double alarm, *columns):
    """Whether the evidence of slowness is above so large a share of the alarm anywhere."""
    cdef Py_ssize_t i
    cdef float *values
    for column in columns:
        values = _f4(column)
        for i in range(_size(column)):
            if <double>values[i] / alarm > bound:
                return True
    return False


# times against their usual

cdef double _LOOKED_FOR = _slowdown.LOOKED_FOR, _OUTLIER = _slowdown.OUTLIER, _MEAN_OF_ABS = _slowdown.MEAN_OF_ABS
cdef double _BEGUN_NATS = _slowdown.BEGUN_NATS
cdef double _SPREAD_MIN = _slowdown.SPREAD_MIN, _TIMES_PRIOR = _slowdown.HOUR_PRIOR
cdef double _TIMES_KEEP = 0.5 ** (1.0 / _slowdown.VALUES_PER_RECENT)


cdef inline double _quotient(float total, float weight) noexcept nogil:
    return <double>total / <double>weight if weight > 0.0 else 0.0


def take_times(times, int64_t start, rows_, values_, held_, most_):
    """`SlowdownColumns._take` of `rows`, and of those that are new; then `_age` of all, up to the end of a block."""
    cdef Py_ssize_t i, row, size = times.size
    cdef int64_t *rows = _i8(rows_)
    cdef double *values = _f8(values_)
    cdef uint8_t *held = NULL if held_ is None else _b1(held_)
    cdef double *shared = NULL if most_ is None else _f8(most_)
    settings = times.rules.settings
    cdef float *total = _f4(times.total)
    cdef float *weight = _f4(times.weight)
    cdef float *total_now = _f4(times.total_now)
    cdef float *weight_now = _f4(times.weight_now)
    cdef float *deviation = _f4(times.deviation)
    cdef float *deviation_weight = _f4(times.deviation_weight)
    cdef float *likeness = _f4(times.likeness)
    cdef float *block_sum = _f4(times.block_sum)
    cdef float *block_count = _f4(times.block_count)
    cdef float *statistic = _f4(times.statistic)
    cdef float *well = _f4(times.well)
    cdef float *recent = _f4(times.recent)
    cdef float *recent_weight = _f4(times.recent_weight)
    cdef float *since = _f4(times.since)
    cdef float *since_count = _f4(times.since_count)
    cdef int64_t *first = _i8(times.first)
    cdef int64_t *last = _i8(times.last)
    cdef int64_t *onset = _i8(times.onset)
    cdef uint8_t *is_open = _b1(times.open)
    cdef double *latest = _f8(times.latest)
    cdef double warm_seconds = settings.warm_seconds, nats = settings.cap_nats, most = settings.statistic_max
    cdef double gate = settings.alarm_slowness / 2.0, close = settings.close_nats, full = settings.close_nats + 2.0
    cdef double learn_slow = settings.learn_slow
    cdef float warm_results = settings.warm_results, count
    cdef double excess, spread, usual, evidence, high, health, sum_, far, near, gain, pulled, keep
    cdef double fade = times._fade, long_keep = times._keep, hour_keep = times._hour_keep
    cdef bint warm_, opens
    for i in range(_size(rows_)):
        row = rows[i]
        if weight[row] == 0.0:
            first[row] = last[row] = start
            total[row] = total_now[row] = values[i]
            weight[row] = weight_now[row] = 1.0
            continue
        usual = <double>total_now[row] + _TIMES_PRIOR * _quotient(total[row], weight[row])
        excess = values[i] - usual / (<double>weight_now[row] + _TIMES_PRIOR)
        spread = _most(_SPREAD_MIN, <double>deviation[row] / <double>deviation_weight[row])
        latest[row] = excess
        warm_ = start - first[row] >= warm_seconds and weight[row] >= warm_results
        if warm_:
            recent[row] = <double>recent[row] * _TIMES_KEEP + excess
            recent_weight[row] = <double>recent_weight[row] * _TIMES_KEEP + 1.0
            evidence = _LOOKED_FOR * (excess - _LOOKED_FOR / 2.0) / (spread * spread) / <double>likeness[row]
            evidence = _least(_most(evidence, -nats), nats)
            high = _least(_most(<double>statistic[row] + evidence, 0.0), most)
            if shared != NULL:
                high = _least(high, shared[i])
            if statistic[row] < _BEGUN_NATS:
                onset[row], since[row], since_count[row] = ~start, 0.0, 0.0
            sum_, count = <double>since[row] + excess, since_count[row] + <float>1.0
            health = _least(_most(<double>well[row] - evidence, 0.0), full)
            opens = high > gate
            if opens and not is_open[row]:
                health = 0.0
            if opens and health >= close:
                opens, high = False, 0.0
            if high == 0.0:
                onset[row], sum_, count = 0, 0.0, 0.0
            statistic[row], well[row], is_open[row] = high, health, opens
            since[row], since_count[row] = sum_, count
        gain = learn_slow if is_open[row] else 1.0
        if held != NULL and held[row]:
            gain = 0.0
        far = _OUTLIER * spread
        near = _least(_most(excess, -far), far)
        pulled = values[i] - excess + near
        last[row] = start
        total[row] = total[row] + gain * pulled
        weight[row] = weight[row] + gain
        total_now[row] = total_now[row] + gain * pulled
        weight_now[row] = weight_now[row] + gain
        deviation[row] = deviation[row] + gain * _MEAN_OF_ABS * fabs(near)
        deviation_weight[row] = deviation_weight[row] + gain
        if warm_ and not is_open[row] and gain > 0.0:
            block_sum[row] = block_sum[row] + near / spread
            block_count[row] = block_count[row] + <float>1.0
    for i in range(size):
        statistic[i] = statistic[i] * fade
        well[i] = well[i] * fade
        if held != NULL and held[i]:
            continue
        keep = long_keep if first[i] >= 0 else 1.0
        total[i] = total[i] * keep
        weight[i] = weight[i] * keep
        deviation[i] = deviation[i] * keep
        deviation_weight[i] = deviation_weight[i] * keep
        total_now[i] = total_now[i] * hour_keep
        weight_now[i] = weight_now[i] * hour_keep


cdef int64_t _PACE_KNOWN = _paces.KNOWN_WINDOWS, _PACE_MEMORY = _paces.MEMORY_WINDOWS
cdef double _SHARES = _paces.SHARES, _SLOW_MAX = _paces.SLOW_MAX, _SLOW_PARTS = _paces.SLOW_PARTS
cdef double _LATELY = _paces.LATELY_RHYTHMS, _PAUSE = _paces.PAUSE_RHYTHMS
cdef double _LATEST_GAIN = _paces.LATEST_GAIN, _RHYTHM_GAIN = _paces.RHYTHM_GAIN


cdef inline double _lower_of(float *values, Py_ssize_t many) noexcept:
    """The lower of the two in the middle of some values, which are put in order; 0 of none."""
    if not many:
        return 0.0
    _sort(values, many)
    return values[many - 1 - many // 2]


cdef inline double _middle_of(float *values, Py_ssize_t many) noexcept:
    """The median of some values, which are put in order; 0 of none."""
    cdef double low = _lower_of(values, many)
    return (low + <double>values[many - 1 - (many - 1) // 2]) / 2.0 if many else 0.0


def even_out(paces, int64_t start, monitor_, logs_, monitor_cell_, times, crowd_, held_):
    """`Paces.even_out`, where somebody was timed. Each network by itself: who spoke of it lately stands together."""
    cdef Py_ssize_t i, j, row, of, found, left, right, end, many = _size(monitor_), size = paces.size
    cdef Py_ssize_t cells = times.size, measured = 0, timed = 0, others = 0, beside
    cdef double *logs = _f8(logs_)
    cdef uint8_t *crowd = _b1(crowd_)
    cdef uint8_t *held = NULL if held_ is None else _b1(held_)
    cdef uint8_t *is_open = _b1(times.open)
    cdef float *weight = _f4(times.weight)
    cdef float *total_long = _f4(times.total)
    cdef float *total_now = _f4(times.total_now)
    cdef float *weight_now = _f4(times.weight_now)
    cdef float *deviation = _f4(times.deviation)
    cdef float *deviation_weight = _f4(times.deviation_weight)
    cdef float *likeness = _f4(times.likeness)
    cdef float *offset = _f4(paces.offset)
    cdef uint16_t *windows = <uint16_t *>_data(paces.windows, cnp.NPY_UINT16)
    cdef float *latest = _f4(paces.latest)
    cdef uint32_t *last = <uint32_t *>_data(paces.last, cnp.NPY_UINT32)
    cdef float *rhythm = _f4(paces.rhythm)
    cdef uint16_t *slow = <uint16_t *>_data(paces.slow, cnp.NPY_UINT16)
    cdef double nats = times.rules.settings.cap_nats
    # Once an hour the hour's own values are still put away.
    cdef bint is_now = times.now == start % 86400 // 3600
    cdef double *of_hour = NULL
    if not is_now:
        of_hour_ = times.usual(start)
        of_hour = _f8(of_hour_)
    cdef _Room room = _Room(many + 11 * size + 3 * cells + 4)
    cdef int64_t *monitor = _numbers(monitor_, <int64_t *>room.take(many))
    cdef int64_t *monitor_cell = _numbers(monitor_cell_, <int64_t *>room.take(size))
    cdef int64_t *results = <int64_t *>room.take(size)
    cdef double *total = room.take(size)
    cdef int64_t *now = <int64_t *>room.take(size + 1)
    cdef int64_t *spoke = <int64_t *>room.take(size + 1)
    cdef int64_t *who = <int64_t *>room.take(size)
    cdef double *each = room.take(size)
    cdef double *own = room.take(size)
    cdef uint8_t *known = <uint8_t *>room.take(size)
    cdef uint8_t *learns = <uint8_t *>room.take(size)
    cdef float *values = <float *>room.take(size)
    # Of each network: where its own stand. Those that were timed come first.
    cdef int64_t *begin = <int64_t *>room.take(cells + 1)
    cdef int64_t *reported = <int64_t *>room.take(cells)
    cdef uint8_t *asked = <uint8_t *>room.take(cells)
    cdef bint spoke_lately
    cdef double reference, usual, spread, excess, evidence, gap, moved, before, expected
    cdef bint shut, single, alone, lately, any_learns, any_counts, counts
    cdef Py_ssize_t quiet
    for i in range(size):
        results[i] = 0
        total[i] = 0.0
    for i in range(cells):
        begin[i] = reported[i] = asked[i] = 0
    begin[cells] = 0
    for i in range(many):
        results[monitor[i]] += 1
        total[monitor[i]] += _grained(logs[i])
    for i in range(size):
        now[timed] = i
        timed += results[i] != 0
    for j in range(timed):
        i = now[j]
        of = monitor_cell[i]
        measured += reported[of] == 0
        reported[of] += 1
        asked[of] = not crowd[of]
        total[i] = total[i] / <double>results[i]
        # `Paces._note`
        gap = <double>(start - <int64_t>last[i])
        usual = rhythm[i] if rhythm[i] > 0.0 else gap
        lately = last[i] > 0 and gap <= _LATELY * usual
        latest[i] = <double>latest[i] + (_LATEST_GAIN if lately else 1.0) * (total[i] - <double>latest[i])
        rhythm[i] = usual + _RHYTHM_GAIN * (_least(gap, _PAUSE * usual) - usual) if last[i] > 0 else 0.0
        last[i] = <uint32_t>start
    if timed < size:
        for i in range(size):
            spoke[others] = i
            of = monitor_cell[i]
            spoke_lately = <double>last[i] + <double>(<float>_LATELY * rhythm[i]) >= <double>start
            spoke_lately = spoke_lately & (results[i] == 0) & asked[of]
            others += spoke_lately
            begin[of] += spoke_lately
    found = 0
    for i in range(cells):
        found += begin[i] + reported[i]
        begin[i] = found
    begin[cells] = found
    for j in range(others - 1, -1, -1):
        begin[monitor_cell[spoke[j]]] -= 1
        who[begin[monitor_cell[spoke[j]]]] = spoke[j]
    for j in range(timed - 1, -1, -1):
        begin[monitor_cell[now[j]]] -= 1
        who[begin[monitor_cell[now[j]]]] = now[j]
    rows_, middles_ = _empty(measured, cnp.NPY_INT64), _empty(measured, cnp.NPY_DOUBLE)
    most_ = _empty(measured, cnp.NPY_DOUBLE)
    cdef int64_t *rows = _i8(rows_)
    cdef double *middles = _f8(middles_)
    cdef double *most = _f8(most_)
    measured = 0
    for of in range(cells):
        if not reported[of]:
            continue
        left, right, end = begin[of], begin[of] + reported[of], begin[of + 1]
        single = crowd[of]
        shut = is_open[of] or (held != NULL and held[of])
        found = 0
        for j in range(left, end):
            row = who[j]
            each[j] = total[row] if j < right else <double>latest[row]
            known[j] = single or windows[row] >= _PACE_KNOWN
            own[j] = 0.0 if single else <double>offset[row]
            values[found] = <float>(each[j] - own[j])
            found += known[j]
        beside, alone = found, found == 0
        reference = _middle_of(values, found)
        expected = 0.0
        if weight[of] > 0.0:
            if is_now:
                expected = <double>total_now[of] + _TIMES_PRIOR * _quotient(total_long[of], weight[of])
                expected = expected / (<double>weight_now[of] + _TIMES_PRIOR)
            else:
                expected = of_hour[of]
        if alone:
            reference = expected
            if weight[of] == 0.0:
                for j in range(left, right):
                    values[j - left] = <float>(each[j] - own[j])
                reference = _middle_of(values, right - left)
        any_learns = False
        if not (single or shut):
            for j in range(left, right):
                learns[j] = beside > 1 or not known[j]
                if not learns[j]:
                    continue
                any_learns, row = True, who[j]
                offset[row] = <float>(own[j] + (each[j] - own[j] - reference) / <double>(windows[row] + 1))
                windows[row] = <uint16_t>min(<int64_t>windows[row] + 1, _PACE_MEMORY)
        if any_learns:
            if right == end:  # `Paces._stay`
                found = 0
                for j in range(left, right):
                    values[found] = <float>own[j]
                    found += learns[j] & known[j]
                before = _middle_of(values, found)
                found = 0
                for j in range(left, right):
                    values[found] = offset[who[j]]
                    found += learns[j] & known[j]
                moved = _middle_of(values, found) - before
                for j in range(left, right):
                    if learns[j]:
                        offset[who[j]] = <float>(<double>offset[who[j]] - moved)
            for j in range(left, right):
                own[j] = <double>offset[who[j]]
        spread = _most(_SPREAD_MIN, <double>deviation[of] / <double>deviation_weight[of])
        any_counts = alone or not shut
        found = 0
        for j in range(left, right):
            row = who[j]
            excess = each[j] - own[j]
            values[found] = <float>excess
            found += known[j] | any_counts
            excess = excess - expected if weight[of] > 0.0 else 0.0
            evidence = _LOOKED_FOR * (excess - _LOOKED_FOR / 2.0) / (spread * spread) / <double>likeness[of]
            evidence = _least(_most(evidence, -nats), nats)
            evidence = _least(_most(<double>slow[row] / _SLOW_PARTS + evidence, 0.0), _SLOW_MAX)
            slow[row] = <uint16_t>rint(evidence * _SLOW_PARTS)
        if not found:  # all of these came in an incident
            continue
        rows[measured], middles[measured] = of, _middle_of(values, found)
        most[measured] = INFINITY
        if not single:
            found = quiet = 0
            for j in range(left, end):
                values[found] = <float>(<double>slow[who[j]] / _SLOW_PARTS)
                counts = known[j] | any_counts
                quiet += counts & (values[found] == 0.0)
                found += counts
            # Where more than half are at rest, so is the one in the middle.
            most[measured] = _SHARES * _lower_of(values, found) if quiet <= found - 1 - found // 2 else 0.0
        measured += 1
    return rows_[:measured], middles_[:measured], most_[:measured]
