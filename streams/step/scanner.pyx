# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Probe results in their plain form, read from bytes into columns in one go. Compiled; `streams.step.rows` does without it.

Plain is what encoders write: JSON without escapes, letters beyond ASCII, control characters, exponents, unknown or
repeated members, its time in UTC with at most six digits of a second. Whatever is not plain is left to
`producers.records.decode`, right or wrong, so that this file only has to be right about what it takes: for such a
record `decode` must give the same values. `tests/streams/step/test_scanner.py` and `make fuzz` hold them against each
other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.math cimport NAN, isnan
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *, char **, PyObject *)
    void PyErr_Clear()

ctypedef const unsigned char *Text

cdef struct Span:
    Text at
    Py_ssize_t size

cdef struct Result:
    Span id, platform, target, country, region, asn, vantage, stage, failure  # `at` is NULL where there is none
    long long time_ms, source, address, mechanism, control, ok, simulated
    long long attempts, good  # below zero where not given
    double ttfb, total, size, every

cdef enum:  # the members, as bits
    SCHEMA = 1
    ID = 2
    TIME = 4
    PLATFORM = 8
    COUNTRY = 16
    ASN = 32
    VANTAGE = 64
    OK = 128
    NEEDED = 255  # all of these
    TARGET = 256
    REGION = 512
    STAGE = 1024
    FAILURE = 2048
    CONTROL = 4096
    TIMINGS = 8192
    BYTES = 16384
    SIMULATED = 32768
    EVERY = 65536
    ATTEMPTS = 131072
    GOOD = 262144
    SOURCE = 524288
    METHOD = 1048576
    STATUS = 2097152

cdef enum:  # as `producers.records` has them
    IDENTIFIER_MAX = 128
    NAME_MAX = 64
    VALUE_MAX = 65536
    TARGET_MAX = 2048
    MILLISECONDS_MAX = 86400000
    SECONDS_MAX = 604800
    ATTEMPTS_MAX = 10000
    STATUS_MIN = 100
    STATUS_MAX = 599

cdef long long ASN_MAX = 4294967295
cdef long long BYTES_MAX = 9007199254740992

cdef enum:
    TARGET_LETTERS = 200  # as `streams.step.rows` has it
    KEY_MAX = 320  # more than all that one is made of
    DIGITS_MAX = 18  # a number of so many fits
    EXACT_DIGITS = 15  # and is exact as a double
    LONGEST_NUMBER = 40

cdef double[16] TENTHS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]
cdef int[13] DAYS_BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
cdef int[13] DAYS_IN = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
cdef unsigned char[256] IN_STRING  # 1 for what a plain string may hold

for _code in range(256):
    IN_STRING[_code] = 0x20 <= _code < 0x7F and _code not in b'"\\'

# Each of these takes what it is named for from the front of a text that ends in a NUL, and gives what follows; NULL
# where it is not plain. Nothing reads past the NUL: no plain thing holds one.


cdef inline Text space(Text at) noexcept nogil:
    """White space, if there is any."""
    # Nearly always there is none: one comparison says so.
    while at[0] <= c' ' and (at[0] == c' ' or at[0] == c'\n' or at[0] == c'\r' or at[0] == c'\t'):
        at += 1
    return at


cdef inline Text string(Text at, Span *span) noexcept nogil:
    if at[0] != c'"':
        return NULL
    at += 1
    span.at = at
    while IN_STRING[at[0]]:
        at += 1
    span.size = at - span.at
    return at + 1 if at[0] == c'"' else NULL


cdef inline Text word(Text at, const char *expected, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if at[i] != <unsigned char>expected[i]:
            return NULL
    return at + size


cdef inline Text null(Text at) noexcept nogil:
    return word(at, "null", 4)


cdef inline Text name(Text at, Span *span, Py_ssize_t most) noexcept nogil:
    """A string of one letter up to `most`."""
    at = string(at, span)
    return at if at != NULL and 1 <= span.size <= most else NULL


cdef inline Text name_or_null(Text at, Span *span) noexcept nogil:
    return null(at) if at[0] == c'n' else name(at, span, NAME_MAX)


cdef inline Text boolean(Text at, long long *found) noexcept nogil:
    found[0] = at[0] == c't'
    return word(at, "true", 4) if found[0] else word(at, "false", 5)


cdef inline Text digits(Text at, Span *span) noexcept nogil:
    """A whole number that is not negative, as JSON has it."""
    span.at = at
    while c'0' <= at[0] <= c'9':
        at += 1
    span.size = at - span.at
    if span.size == 0 or (span.at[0] == c'0' and span.size > 1):
        return NULL
    return at


cdef inline long long number(Text at, Py_ssize_t size) noexcept nogil:
    cdef long long value = 0
    cdef Py_ssize_t i
    for i in range(size):
        value = value * 10 + (at[i] - c'0')
    return value


cdef inline Text asn(Text at, Span *span) noexcept nogil:
    at = digits(at, span)
    return at if at != NULL and span.size <= DIGITS_MAX and number(span.at, span.size) <= ASN_MAX else NULL


cdef inline Text small(Text at, long long *found, long long least, long long most) noexcept nogil:
    """A whole number within limits, or null."""
    cdef Span span
    if at[0] == c'n':
        return null(at)
    at = digits(at, &span)
    if at == NULL or span.size > DIGITS_MAX:
        return NULL
    found[0] = number(span.at, span.size)
    return at if least <= found[0] <= most else NULL


cdef inline Text count(Text at, double *found) noexcept nogil:
    """A number of bytes, or null."""
    cdef Span span
    cdef long long value
    if at[0] == c'n':
        return null(at)
    at = digits(at, &span)
    if at == NULL or span.size > DIGITS_MAX:
        return NULL
    value = number(span.at, span.size)
    found[0] = <double>value
    return at if value <= BYTES_MAX else NULL


cdef inline Text decimal(Text at, double *found) noexcept:
    """A number that is not negative, or null; rounded once, as every good reader does."""
    cdef Span whole
    cdef Span part
    cdef Text start = at
    cdef char *end
    if at[0] == c'n':
        found[0] = NAN
        return null(at)
    at = digits(at, &whole)
    if at == NULL:
        return NULL
    part.at, part.size = at, 0
    if at[0] == c'.':
        at += 1
        part.at = at
        while c'0' <= at[0] <= c'9':
            at += 1
        part.size = at - part.at
        if part.size == 0:
            return NULL
    if whole.size + part.size <= EXACT_DIGITS:
        found[0] = number(whole.at, whole.size)
        if part.size:
            found[0] = (found[0] * TENTHS[part.size] + number(part.at, part.size)) / TENTHS[part.size]
        return at
    if at - start > LONGEST_NUMBER or at[0] == c'e' or at[0] == c'E':
        return NULL
    found[0] = PyOS_string_to_double(<const char *>start, &end, NULL)
    if <Text>end != at:  # it had no memory
        PyErr_Clear()
        return NULL
    return at


cdef inline int pair(Text at) noexcept nogil:
    """Two digits; below zero where they are none."""
    if c'0' <= at[0] <= c'9' and c'0' <= at[1] <= c'9':
        return (at[0] - c'0') * 10 + at[1] - c'0'
    return -1


cdef inline long long milliseconds(Span text) noexcept nogil:
    """RFC 3339 in UTC, of this century, in milliseconds since 1970; below zero where it is not plain."""
    cdef Text at = text.at
    cdef int year, month, day, hour, minute, second, days
    cdef int thousandths = 0
    cdef Py_ssize_t i
    if text.size < 20 or text.size == 21 or text.size > 27:
        return -1
    if (
        at[0] != c'2' or at[1] != c'0' or at[4] != c'-' or at[7] != c'-' or at[10] != c'T'
        or at[13] != c':' or at[16] != c':' or at[text.size - 1] != c'Z'
    ):
        return -1
    year, month, day = pair(at + 2), pair(at + 5), pair(at + 8)
    hour, minute, second = pair(at + 11), pair(at + 14), pair(at + 17)
    if year < 0 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23:
        return -1
    if minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    if day > DAYS_IN[month] + (month == 2 and year % 4 == 0):
        return -1
    if text.size > 20:
        if at[19] != c'.':
            return -1
        for i in range(20, text.size - 1):
            if not c'0' <= at[i] <= c'9':
                return -1
        thousandths = (at[20] - c'0') * 100
        if text.size > 22:
            thousandths += (at[21] - c'0') * 10
        if text.size > 23:
            thousandths += at[22] - c'0'
    # From 2000 to 2099 every fourth year is a leap year. 10,957 days had passed when 2000 began.
    days = 10957 + year * 365 + (year + 3) // 4 + DAYS_BEFORE[month] + day - 1 + (month > 2 and year % 4 == 0)
    return (((days * <long long>24 + hour) * 60 + minute) * 60 + second) * 1000 + thousandths


cdef inline Text moment(Text at, long long *found) noexcept nogil:
    cdef Span span
    at = string(at, &span)
    if at == NULL:
        return NULL
    found[0] = milliseconds(span)
    return at if found[0] >= 0 else NULL


cdef inline bint same(Span span, const char *expected, Py_ssize_t size) noexcept nogil:
    return span.size == size and memcmp(span.at, expected, size) == 0


cdef Text timings(Text at, Result *result) noexcept:
    cdef Span name
    cdef double ignored
    cdef double *into
    cdef int bit
    cdef int seen = 0
    if at[0] == c'n':
        return null(at)
    if at[0] != c'{':
        return NULL
    at = space(at + 1)
    if at[0] == c'}':
        return at + 1
    while True:
        at = string(at, &name)
        if at == NULL:
            return NULL
        at = space(at)
        if at[0] != c':':
            return NULL
        at = space(at + 1)
        into = &ignored
        if same(name, "ttfb", 4):
            bit, into = 1, &result.ttfb
        elif same(name, "total", 5):
            bit, into = 2, &result.total
        elif same(name, "dns", 3):
            bit = 4
        elif same(name, "tcp", 3):
            bit = 8
        elif same(name, "tls", 3):
            bit = 16
        else:
            return NULL
        if seen & bit:
            return NULL
        seen |= bit
        at = decimal(at, into)
        if at == NULL or into[0] > MILLISECONDS_MAX:
            return NULL
        at = space(at)
        if at[0] == c'}':
            return at + 1
        if at[0] != c',':
            return NULL
        at = space(at + 1)


cdef inline bint sums_up(Result *result) noexcept nogil:
    """Fill in how many attempts there were and how many succeeded; False where that disagrees with `ok`."""
    if result.attempts < 0:
        if result.good >= 0:
            return False
        result.attempts, result.good = 1, result.ok
        return True
    if result.good < 0:
        result.good = result.attempts if result.ok else 0
    return result.good <= result.attempts and result.ok == (result.good == result.attempts)


cdef bint parse(Text at, Text end, Result *result) noexcept:
    """Read one result; False where it is not plain. What the record's type refuses is not plain either."""
    cdef Span member
    cdef Span span
    cdef int bit
    cdef int seen = 0
    cdef long long status
    result.target.at = result.region.at = result.stage.at = result.failure.at = NULL
    result.control = result.attempts = result.good = -1
    result.simulated = 0
    result.ttfb = result.total = result.size = result.every = NAN
    at = space(at)
    if at[0] != c'{':
        return False
    while True:
        at = string(space(at + 1), &member)
        if at == NULL:
            return False
        at = space(at)
        if at[0] != c':':
            return False
        at = space(at + 1)
        bit = 0
        # By their lengths first: a member is compared with one or two names, not with all of them.
        if member.size == 2:
            if same(member, "id", 2):
                bit, at = ID, name(at, &result.id, IDENTIFIER_MAX)
            elif same(member, "ok", 2):
                bit, at = OK, boolean(at, &result.ok)
        elif member.size == 3:
            if same(member, "asn", 3):
                bit, at = ASN, asn(at, &result.asn)
        elif member.size == 4:
            if same(member, "time", 4):
                bit, at = TIME, moment(at, &result.time_ms)
            elif same(member, "good", 4):
                bit, at = GOOD, small(at, &result.good, 0, ATTEMPTS_MAX)
        elif member.size == 5:
            if same(member, "bytes", 5):
                bit, at = BYTES, count(at, &result.size)
            elif same(member, "stage", 5):
                bit, at = STAGE, name_or_null(at, &result.stage)
            elif same(member, "count", 5):
                bit, at = ATTEMPTS, small(at, &result.attempts, 1, ATTEMPTS_MAX)
        elif member.size == 6:
            if same(member, "schema", 6):
                bit, at = SCHEMA, string(at, &span)
                if at == NULL or not same(span, "netdusk.probe/1", 15):
                    return False
            elif same(member, "region", 6):
                bit, at = REGION, name_or_null(at, &result.region)
            elif same(member, "target", 6):
                bit, at = TARGET, null(at) if at[0] == c'n' else string(at, &result.target)
                if at != NULL and result.target.at != NULL and result.target.size > TARGET_MAX:
                    return False
            elif same(member, "status", 6):
                bit, at = STATUS, small(at, &status, STATUS_MIN, STATUS_MAX)
            elif same(member, "source", 6):
                bit, at = SOURCE, name(at, &span, NAME_MAX)
            elif same(member, "method", 6):
                bit, at = METHOD, name_or_null(at, &span)
        elif member.size == 7:
            if same(member, "country", 7):
                bit, at = COUNTRY, name(at, &result.country, NAME_MAX)
            elif same(member, "vantage", 7):
                bit, at = VANTAGE, name(at, &result.vantage, IDENTIFIER_MAX)
            elif same(member, "failure", 7):
                bit, at = FAILURE, name_or_null(at, &result.failure)
        elif member.size == 8:
            if same(member, "platform", 8):
                bit, at = PLATFORM, name(at, &result.platform, NAME_MAX)
        elif member.size == 9:
            if same(member, "simulated", 9):
                bit, at = SIMULATED, boolean(at, &result.simulated)
        elif member.size == 10:
            if same(member, "control_ok", 10):
                bit, at = CONTROL, null(at) if at[0] == c'n' else boolean(at, &result.control)
            elif same(member, "timings_ms", 10):
                bit, at = TIMINGS, timings(at, result)
        elif member.size == 13:
            if same(member, "every_seconds", 13):
                bit, at = EVERY, decimal(at, &result.every)
                if result.every <= 0.0 or result.every > SECONDS_MAX:
                    return False
        if bit == 0:
            return False
        if at == NULL or seen & bit:
            return False
        seen |= bit
        at = space(at)
        if at[0] != c',':
            return (
                at[0] == c'}'
                and space(at + 1) == end
                and seen & NEEDED == NEEDED
                and not (result.ok and result.failure.at != NULL)
                and sums_up(result)
            )


cdef inline Py_ssize_t put(char *key, Py_ssize_t size, Span span) noexcept nogil:
    """Add a part to a key of so many bytes, and what parts it from the next; gives how many it has then."""
    if span.at != NULL:
        memcpy(key + size, span.at, span.size)
        size += span.size
    key[size] = 0
    return size + 1


cdef inline long long looked_up(dict numbers, const char *key, Py_ssize_t size) except -2:
    cdef bytes name = PyBytes_FromStringAndSize(key, size)
    cdef PyObject *found = PyDict_GetItem(numbers, name)
    return -1 if found == NULL else <object>found


cdef struct Last:  # the name that was looked up last, and its number
    char[KEY_MAX] key
    Py_ssize_t size
    long long number


cdef inline long long as_last(dict numbers, Last *last, const char *key, Py_ssize_t size) except -2:
    """The same, without looking where it is the name of last time: results of one vantage come together."""
    if last.size != size or memcmp(last.key, key, size) != 0:
        last.number = looked_up(numbers, key, size)
        memcpy(last.key, key, size)
        last.size = size
    return last.number


cdef inline float speed(Result *result) noexcept nogil:
    """Body bytes a second, as `streams.step.rows` has it; NaN where not measured."""
    cdef double transfer = result.total - result.ttfb
    # What is not a number is neither.
    if result.size > 0.0 and transfer >= 1.0:
        return <float>(result.size / transfer * 1000.0)
    return NAN


cdef inline bint is_under(key, Result *result):
    """Whether a key is the result's country."""
    return (
        type(key) is bytes
        and PyBytes_GET_SIZE(key) == result.country.size
        and memcmp(PyBytes_AS_STRING(key), result.country.at, result.country.size) == 0
    )


cdef class Scanner:
    """Reads plain results of known monitors.

    Parameters
    ----------
    mechanisms
        The code of each way to fail, by `stage NUL failure NUL`, with nothing for one that is not given.
    sources, addresses
        Numbers, looked up as they are when something is read: of sources by `country NUL region NUL asn NUL vantage
        NUL`, then `1` where it is simulated, else `0`; of addresses by `platform NUL target`, the target
        cut at so many letters, with nothing for one that is not given. All in UTF-8.
    """

    cdef dict mechanisms, sources, addresses

    def __init__(self, dict mechanisms, dict sources, dict addresses):
        self.mechanisms, self.sources, self.addresses = mechanisms, sources, addresses

    cdef bint know(self, Result *result, Last *source, Last *address) except -1:
        """Look up how it ended and whose it is; False where one of these has no number."""
        cdef char[KEY_MAX] key
        cdef Py_ssize_t size
        result.mechanism = 0
        if not result.ok or result.stage.at != NULL or result.failure.at != NULL:
            size = put(key, put(key, 0, result.stage), result.failure)
            result.mechanism = looked_up(self.mechanisms, key, size)
        size = put(key, put(key, 0, result.country), result.region)
        size = put(key, put(key, size, result.asn), result.vantage)
        key[size] = c'1' if result.simulated else c'0'
        result.source = as_last(self.sources, source, key, size + 1)
        if result.target.at != NULL and result.target.size > TARGET_LETTERS:
            result.target.size = TARGET_LETTERS
        size = put(key, put(key, 0, result.platform), result.target)
        result.address = as_last(self.addresses, address, key, size - 1)
        return result.mechanism >= 0 and result.source >= 0 and result.address >= 0

    def scan(
        self,
        values,
        keys,
        list ids,
        long long[:, ::1] whole,
        int[:, ::1] counts,
        short[::1] mechanism,
        signed char[:, ::1] flags,
        float[:, ::1] measures,
    ):
        """Read values up to the end, or leave them.

        Takes the values, the keys that they stand under (None: any will do), and room for as many: a list for ids, and
        columns. `whole` has three (time in milliseconds since 1970, number of the source, of the address), `counts`
        two (attempts, good ones), `flags` two (control, ok), `measures` three (milliseconds to the first byte, body
        bytes a second, promised seconds; NaN where not measured, 0 where not promised). Returns the places of what was
        not read; the columns hold the rest, in order.
        """
        cdef Py_ssize_t i
        cdef Py_ssize_t row = 0
        cdef Result result
        cdef Last source, address
        cdef Text at
        cdef list left = []
        cdef list every = values if type(values) is list else list(values)
        cdef list under = None if keys is None else keys if type(keys) is list else list(keys)
        source.size = address.size = -1
        for i in range(len(every)):
            value = every[i]
            if type(value) is not bytes or PyBytes_GET_SIZE(value) > VALUE_MAX:
                left.append(i)
                continue
            at = <Text>PyBytes_AS_STRING(value)
            if not parse(at, at + PyBytes_GET_SIZE(value), &result) or not self.know(&result, &source, &address):
                left.append(i)
                continue
            if under is not None and not is_under(under[i], &result):
                left.append(i)
                continue
            ids.append(PyUnicode_DecodeASCII(<const char *>result.id.at, result.id.size, NULL))
            whole[0, row] = result.time_ms
            whole[1, row] = result.source
            whole[2, row] = result.address
            counts[0, row] = <int>result.attempts
            counts[1, row] = <int>result.good
            mechanism[row] = 0 if result.ok else <short>result.mechanism
            flags[0, row] = <signed char>result.control
            flags[1, row] = <signed char>result.ok
            measures[0, row] = <float>result.ttfb
            measures[1, row] = speed(&result)
            measures[2, row] = 0.0 if isnan(result.every) else <float>result.every
            row += 1
        return left
