# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Probe results, read from JSON into columns in one go. Compiled; `streams.step.rows` does without it.

It reads a valid result in any form: members in any order, white space, escapes, letters beyond ASCII, exponents, times
with an offset, members that nobody knows. Whatever is refused, and whatever is too odd to be worth the code, is left
to `producers.records.decode`, record by record; so this file only has to be right about what it takes. For such a
record `decode` must give the same values. `tests/streams/step/test_scanner.py` and `make fuzz` hold them against each
other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItem
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.math cimport NAN, isnan
from libc.string cimport memcmp, memcpy

from streams.packed cimport PackedValues

from producers.names import is_printable

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *, char **, PyObject *)
    void PyErr_Clear()

ctypedef const unsigned char *Text

cdef enum:  # what a string holds
    ASCII = 0  # letters, digits, signs and spaces of ASCII
    LETTERS = 1  # others too, of which none is known to be printable
    CONTROLS = 2  # a control character of ASCII, and whatever else

cdef struct Span:
    Text at
    Py_ssize_t size  # in bytes
    Py_ssize_t letters
    int holds

cdef enum:
    VALUE_MAX = 65536  # as `producers.records` has it
    DEPTH_MAX = 32
    NAMES_MAX = 256  # of members that nobody knows; a record with more is left

cdef struct Work:  # for one record
    unsigned char *scratch  # room for all its strings without their escapes
    Py_ssize_t used
    Span *names  # of the members that nobody knows, object by object
    Py_ssize_t many

cdef struct Result:
    # `at` is NULL where there is none
    Span id, platform, target, country, region, asn, vantage, stage, failure, measured_by, method
    long long time_ms, source, address, mechanism, control, ok, simulated
    long long attempts, good, status  # below zero where not given
    double ttfb, total, size, every, contrast

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
    CERTIFICATE = 4194304
    ECH = 8388608
    SPEED_RATIO = 16777216

cdef enum:  # as `producers.records` has them
    IDENTIFIER_MAX = 128
    NAME_MAX = 64
    TARGET_MAX = 2048
    MILLISECONDS_MAX = 86400000
    SECONDS_MAX = 604800
    SPEED_RATIO_MAX = 1000000
    ATTEMPTS_MAX = 10000
    STATUS_MIN = 100
    STATUS_MAX = 599
    STATUS_FAILS = 300  # from here on a status is a way to fail of its own

cdef long long ASN_MAX = 4294967295
cdef long long TIME_MIN_MS = 946684800000  # 2000 to 2100
cdef long long TIME_MAX_MS = 4102444800000
cdef long long BYTES_MAX = 9007199254740992

cdef enum:
    TARGET_LETTERS = 200  # as `streams.step.rows` has it
    KEY_MAX = 1200  # more than all that one is made of
    DIGITS_MAX = 18  # a number of so many fits
    EXACT_DIGITS = 15  # and is exact as a double
    LONGEST_NUMBER = 40

    POWER_MAX = 22  # of ten, that is exact as a double
    EXPONENT_MAX = 200  # of a number that nobody asks for: larger ones may be out of range,
    UNASKED_DIGITS_MAX = 107  # and so may this many digits before them

cdef double[23] TENS = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
]
cdef int[13] DAYS_BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
cdef int[13] DAYS_IN = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
cdef unsigned char[256] IN_STRING  # 1 for what most strings hold, and nothing else

for _code in range(256):
    IN_STRING[_code] = 0x20 <= _code < 0x7F and _code not in b'"\\'

# Each of these takes what it is named for from the front of a text that ends in a NUL, and gives what follows; NULL
# where it is not there. Nothing reads past the NUL: none of these things holds one.


cdef inline Text space(Text at) noexcept nogil:
    """White space, if there is any."""
    # Nearly always there is none: one comparison says so.
    while at[0] <= c' ' and (at[0] == c' ' or at[0] == c'\n' or at[0] == c'\r' or at[0] == c'\t'):
        at += 1
    return at


cdef inline Text string(Text at, Span *span, Work *work) noexcept nogil:
    if at[0] != c'"':
        return NULL
    at += 1
    span.at = at
    while IN_STRING[at[0]]:
        at += 1
    span.size = span.letters = at - span.at
    span.holds = ASCII
    return at + 1 if at[0] == c'"' else odd_string(at, span, work)


cdef Text odd_string(Text at, Span *span, Work *work) noexcept nogil:
    """The rest of a string, from the first thing in it that most strings do not hold."""
    cdef unsigned char *into = NULL  # the end of what was copied, once something was escaped
    cdef Text next
    cdef unsigned int code
    cdef Py_ssize_t size
    while at[0] != c'"':
        if at[0] == c'\\':
            if into == NULL:
                size = at - span.at
                into = work.scratch + work.used
                memcpy(into, span.at, size)
                span.at = into
                into += size
            at = escaped(at + 1, &code)
            if at == NULL:
                return NULL
            into = written(into, code)
        else:
            next = letter(at, &code)
            if next == NULL or code < 0x20:
                return NULL
            if into != NULL:
                size = next - at
                memcpy(into, at, size)
                into += size
            at = next
        span.letters += 1
        if code < 0x20 or code == 0x7F:
            span.holds = CONTROLS
        elif code > 0x7F and span.holds == ASCII:
            span.holds = LETTERS
    if into != NULL:
        span.size = into - span.at
        work.used += span.size
    else:
        span.size = at - span.at
    return at + 1


cdef inline Text letter(Text at, unsigned int *code) noexcept nogil:
    """One letter in UTF-8, of the shortest form, and no half of a pair."""
    cdef int more = 0
    cdef unsigned int least = 0
    code[0] = at[0]
    if code[0] < 0x80:
        return at + 1
    if 0xC2 <= code[0] < 0xE0:
        more, least, code[0] = 1, 0x80, code[0] & 0x1F
    elif 0xE0 <= code[0] < 0xF0:
        more, least, code[0] = 2, 0x800, code[0] & 0x0F
    elif 0xF0 <= code[0] < 0xF5:
        more, least, code[0] = 3, 0x10000, code[0] & 0x07
    else:
        return NULL
    while more:
        at += 1
        if at[0] & 0xC0 != 0x80:
            return NULL
        code[0] = code[0] << 6 | (at[0] & 0x3F)
        more -= 1
    if code[0] < least or code[0] > 0x10FFFF or 0xD800 <= code[0] < 0xE000:
        return NULL
    return at + 1


cdef inline unsigned char *written(unsigned char *into, unsigned int code) noexcept nogil:
    """Write a letter in UTF-8; returns what follows it."""
    if code < 0x80:
        into[0] = <unsigned char>code
        return into + 1
    if code < 0x800:
        into[0] = <unsigned char>(0xC0 | code >> 6)
        into[1] = <unsigned char>(0x80 | (code & 0x3F))
        return into + 2
    if code < 0x10000:
        into[0] = <unsigned char>(0xE0 | code >> 12)
        into[1] = <unsigned char>(0x80 | (code >> 6 & 0x3F))
        into[2] = <unsigned char>(0x80 | (code & 0x3F))
        return into + 3
    into[0] = <unsigned char>(0xF0 | code >> 18)
    into[1] = <unsigned char>(0x80 | (code >> 12 & 0x3F))
    into[2] = <unsigned char>(0x80 | (code >> 6 & 0x3F))
    into[3] = <unsigned char>(0x80 | (code & 0x3F))
    return into + 4


cdef inline Text hexadecimal(Text at, unsigned int *code) noexcept nogil:
    """Four digits."""
    cdef int i
    code[0] = 0
    for i in range(4):
        if c'0' <= at[i] <= c'9':
            code[0] = code[0] << 4 | (at[i] - c'0')
        elif c'a' <= at[i] <= c'f':
            code[0] = code[0] << 4 | (at[i] - c'a' + 10)
        elif c'A' <= at[i] <= c'F':
            code[0] = code[0] << 4 | (at[i] - c'A' + 10)
        else:
            return NULL
    return at + 4


cdef Text escaped(Text at, unsigned int *code) noexcept nogil:
    """What follows a backslash; of a letter that is written as a pair, both halves."""
    cdef unsigned int low
    if at[0] == c'u':
        at = hexadecimal(at + 1, code)
        if at == NULL or code[0] < 0xD800 or code[0] > 0xDFFF:
            return at
        if code[0] > 0xDBFF or at[0] != c'\\' or at[1] != c'u':
            return NULL
        at = hexadecimal(at + 2, &low)
        if at == NULL or low < 0xDC00 or low > 0xDFFF:
            return NULL
        code[0] = 0x10000 + ((code[0] - 0xD800) << 10) + (low - 0xDC00)
        return at
    if at[0] == c'"' or at[0] == c'\\' or at[0] == c'/':
        code[0] = at[0]
    elif at[0] == c'b':
        code[0] = 8
    elif at[0] == c't':
        code[0] = 9
    elif at[0] == c'n':
        code[0] = 10
    elif at[0] == c'f':
        code[0] = 12
    elif at[0] == c'r':
        code[0] = 13
    else:
        return NULL
    return at + 1


cdef inline Text word(Text at, const char *expected, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        if at[i] != <unsigned char>expected[i]:
            return NULL
    return at + size


cdef inline Text null(Text at) noexcept nogil:
    return word(at, "null", 4)


cdef inline Text name(Text at, Span *span, Py_ssize_t most, Work *work) noexcept nogil:
    """A string of one letter up to `most`, none of which is a control character."""
    at = string(at, span, work)
    return at if at != NULL and 1 <= span.letters <= most and span.holds != CONTROLS else NULL


cdef inline Text name_or_null(Text at, Span *span, Work *work) noexcept nogil:
    return null(at) if at[0] == c'n' else name(at, span, NAME_MAX, work)


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


cdef inline Text exponent(Text at, long long *found) noexcept nogil:
    """An exponent, if there is any; 0 where there is none, and beyond all measure where it has many digits."""
    cdef Span span
    cdef bint below
    found[0] = 0
    if at[0] != c'e' and at[0] != c'E':
        return at
    at += 1
    below = at[0] == c'-'
    if below or at[0] == c'+':
        at += 1
    span.at = at
    while c'0' <= at[0] <= c'9':
        at += 1
    span.size = at - span.at
    if span.size == 0:
        return NULL
    found[0] = number(span.at, span.size) if span.size < 4 else 10000
    if below:
        found[0] = -found[0]
    return at


cdef inline Text fraction(Text at, Span *span) noexcept nogil:
    """A point and digits, if there is a point."""
    span.at, span.size = at, 0
    if at[0] != c'.':
        return at
    at += 1
    span.at = at
    while c'0' <= at[0] <= c'9':
        at += 1
    span.size = at - span.at
    return at if span.size else NULL


cdef inline Text decimal(Text at, double *found) noexcept:
    """A number that is not negative, or null; rounded once, as every good reader does."""
    cdef Span whole
    cdef Span part
    cdef long long power
    cdef Text start = at
    cdef char *end
    if at[0] == c'n':
        found[0] = NAN
        return null(at)
    at = digits(at, &whole)
    if at == NULL:
        return NULL
    at = fraction(at, &part)
    if at == NULL:
        return NULL
    at = exponent(at, &power)
    if at == NULL:
        return NULL
    if whole.size + part.size <= EXACT_DIGITS:
        power -= part.size
        if -POWER_MAX <= power <= POWER_MAX:
            found[0] = number(whole.at, whole.size)
            if part.size:
                found[0] = found[0] * TENS[part.size] + number(part.at, part.size)
            if power < 0:
                found[0] /= TENS[-power]
            elif power > 0:
                found[0] *= TENS[power]
            return at
    if at - start > LONGEST_NUMBER:
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


cdef inline long long offset_minutes(Text at, Py_ssize_t size) noexcept nogil:
    """How far a time is ahead of UTC: `Z`, `+05:30` or `+0530`; far beyond a day where it is none of these."""
    cdef int hours, minutes
    if size == 1 and (at[0] == c'Z' or at[0] == c'z'):
        return 0
    if (size != 6 or at[3] != c':') and size != 5:
        return 100000
    if at[0] != c'+' and at[0] != c'-':
        return 100000
    hours, minutes = pair(at + 1), pair(at + size - 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return 100000
    minutes += 60 * hours
    return -minutes if at[0] == c'-' else minutes


cdef inline long long milliseconds(Span text) noexcept nogil:
    """RFC 3339, of this century here and in UTC, in milliseconds since 1970; below zero where it is not."""
    cdef Text at = text.at
    cdef int year, month, day, hour, minute, second, days
    cdef int thousandths = 0
    cdef long long offset, read
    cdef Py_ssize_t i = 19
    if text.size < 20:
        return -1
    if (
        at[0] != c'2' or at[1] != c'0' or at[4] != c'-' or at[7] != c'-'
        or (at[10] != c'T' and at[10] != c't' and at[10] != c' ') or at[13] != c':' or at[16] != c':'
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
    if at[19] == c'.':
        i = 20
        while i < text.size and c'0' <= at[i] <= c'9':
            i += 1
        if i == 20 or i > 29:
            return -1
        thousandths = (at[20] - c'0') * 100
        if i > 21:
            thousandths += (at[21] - c'0') * 10
        if i > 22:
            thousandths += at[22] - c'0'
        # Beyond microseconds it is rounded, which may change the millisecond.
        if i > 26 and at[23] == c'9' and at[24] == c'9' and at[25] == c'9':
            return -1
    offset = offset_minutes(at + i, text.size - i)
    if offset > 1440:
        return -1
    # From 2000 to 2099 every fourth year is a leap year. 10,957 days had passed when 2000 began.
    days = 10957 + year * 365 + (year + 3) // 4 + DAYS_BEFORE[month] + day - 1 + (month > 2 and year % 4 == 0)
    read = (((days * <long long>24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + thousandths
    return read if TIME_MIN_MS <= read < TIME_MAX_MS else -1


cdef inline Text moment(Text at, long long *found, Work *work) noexcept nogil:
    cdef Span span
    at = string(at, &span, work)
    if at == NULL:
        return NULL
    found[0] = milliseconds(span)
    return at if found[0] >= 0 else NULL


cdef inline bint same(Span span, const char *expected, Py_ssize_t size) noexcept nogil:
    return span.size == size and memcmp(span.at, expected, size) == 0


cdef bint met(Span name, Py_ssize_t first, Work *work) noexcept nogil:
    """Take down the name of a member that nobody knows. True: it stands there twice, or it is one too many."""
    cdef Py_ssize_t i
    if work.many == NAMES_MAX:
        return True
    for i in range(first, work.many):
        if work.names[i].size == name.size and memcmp(work.names[i].at, name.at, name.size) == 0:
            return True
    work.names[work.many] = name
    work.many += 1
    return False


cdef Text anything(Text at, int depth, Work *work) noexcept nogil:
    """A value that nobody asks for, as strictly read as any; `depth` objects and lists stand around it."""
    cdef Span span
    cdef long long power
    cdef Py_ssize_t first
    cdef bint named
    if at[0] == c'"':
        return string(at, &span, work)
    if at[0] == c't':
        return word(at, "true", 4)
    if at[0] == c'f':
        return word(at, "false", 5)
    if at[0] == c'n':
        return null(at)
    if at[0] != c'{' and at[0] != c'[':
        at = digits(at + (at[0] == c'-'), &span)
        if at == NULL or span.size > UNASKED_DIGITS_MAX:
            return NULL
        at = fraction(at, &span)
        if at == NULL:
            return NULL
        at = exponent(at, &power)
        return at if -EXPONENT_MAX <= power <= EXPONENT_MAX else NULL
    if depth == DEPTH_MAX:
        return NULL
    named = at[0] == c'{'
    first = work.many
    at = space(at + 1)
    if at[0] == (c'}' if named else c']'):
        return at + 1
    while True:
        if named:
            at = string(at, &span, work)
            if at == NULL or met(span, first, work):
                return NULL
            at = space(at)
            if at[0] != c':':
                return NULL
            at = space(at + 1)
        at = anything(at, depth + 1, work)
        if at == NULL:
            return NULL
        at = space(at)
        if at[0] == (c'}' if named else c']'):
            work.many = first
            return at + 1
        if at[0] != c',':
            return NULL
        at = space(at + 1)


cdef Text timings(Text at, Result *result, Work *work) noexcept:
    cdef Span name
    cdef double ignored
    cdef double *into
    cdef int bit
    cdef int seen = 0
    cdef Py_ssize_t first = work.many
    if at[0] == c'n':
        return null(at)
    if at[0] != c'{':
        return NULL
    at = space(at + 1)
    if at[0] == c'}':
        return at + 1
    while True:
        at = string(at, &name, work)
        if at == NULL:
            return NULL
        at = space(at)
        if at[0] != c':':
            return NULL
        at = space(at + 1)
        into = &ignored
        bit = 0
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
        elif same(name, "quic", 4):
            bit = 32
        if bit:
            if seen & bit:
                return NULL
            seen |= bit
            at = decimal(at, into)
            if at == NULL or into[0] > MILLISECONDS_MAX:
                return NULL
        else:
            if met(name, first, work):
                return NULL
            at = anything(at, 2, work)
            if at == NULL:
                return NULL
        at = space(at)
        if at[0] == c'}':
            work.many = first
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


cdef bint parse(Text at, Text end, Result *result, Work *work) noexcept:
    """Read one result; False where it is left. What the record's type refuses is left."""
    cdef Span member
    cdef Span span
    cdef int bit
    cdef int seen = 0
    cdef long long certificate_ms  # facts for readers of the topic; the step needs them not
    cdef long long ech
    work.used = work.many = 0
    result.target.at = result.region.at = result.stage.at = result.failure.at = NULL
    result.measured_by.at = result.method.at = NULL
    result.control = result.attempts = result.good = result.status = -1
    result.simulated = 0
    result.ttfb = result.total = result.size = result.every = result.contrast = NAN
    at = space(at)
    if at[0] != c'{':
        return False
    while True:
        at = string(space(at + 1), &member, work)
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
                bit, at = ID, name(at, &result.id, IDENTIFIER_MAX, work)
            elif same(member, "ok", 2):
                bit, at = OK, boolean(at, &result.ok)
        elif member.size == 3:
            if same(member, "asn", 3):
                bit, at = ASN, asn(at, &result.asn)
        elif member.size == 4:
            if same(member, "time", 4):
                bit, at = TIME, moment(at, &result.time_ms, work)
            elif same(member, "good", 4):
                bit, at = GOOD, small(at, &result.good, 0, ATTEMPTS_MAX)
        elif member.size == 5:
            if same(member, "bytes", 5):
                bit, at = BYTES, count(at, &result.size)
            elif same(member, "stage", 5):
                bit, at = STAGE, name_or_null(at, &result.stage, work)
            elif same(member, "count", 5):
                bit, at = ATTEMPTS, small(at, &result.attempts, 1, ATTEMPTS_MAX)
        elif member.size == 6:
            if same(member, "schema", 6):
                bit, at = SCHEMA, string(at, &span, work)
                if at == NULL or not same(span, "netdusk.probe/1", 15):
                    return False
            elif same(member, "region", 6):
                bit, at = REGION, name_or_null(at, &result.region, work)
            elif same(member, "target", 6):
                bit, at = TARGET, null(at) if at[0] == c'n' else string(at, &result.target, work)
                if at != NULL and result.target.at != NULL and (
                    result.target.letters > TARGET_MAX or result.target.holds == CONTROLS
                ):
                    return False
            elif same(member, "status", 6):
                bit, at = STATUS, small(at, &result.status, STATUS_MIN, STATUS_MAX)
            elif same(member, "source", 6):
                bit, at = SOURCE, name(at, &result.measured_by, NAME_MAX, work)
            elif same(member, "method", 6):
                bit, at = METHOD, name_or_null(at, &result.method, work)
        elif member.size == 7:
            if same(member, "country", 7):
                bit, at = COUNTRY, name(at, &result.country, NAME_MAX, work)
            elif same(member, "vantage", 7):
                bit, at = VANTAGE, name(at, &result.vantage, IDENTIFIER_MAX, work)
            elif same(member, "failure", 7):
                bit, at = FAILURE, name_or_null(at, &result.failure, work)
        elif member.size == 8:
            if same(member, "platform", 8):
                bit, at = PLATFORM, name(at, &result.platform, NAME_MAX, work)
        elif member.size == 9:
            if same(member, "simulated", 9):
                bit, at = SIMULATED, boolean(at, &result.simulated)
        elif member.size == 10:
            if same(member, "control_ok", 10):
                bit, at = CONTROL, null(at) if at[0] == c'n' else boolean(at, &result.control)
            elif same(member, "timings_ms", 10):
                bit, at = TIMINGS, timings(at, result, work)
        elif member.size == 11:
            if same(member, "ech_offered", 11):
                bit, at = ECH, null(at) if at[0] == c'n' else boolean(at, &ech)
            elif same(member, "speed_ratio", 11):
                bit, at = SPEED_RATIO, decimal(at, &result.contrast)
                if result.contrast > SPEED_RATIO_MAX:
                    return False
        elif member.size == 13:
            if same(member, "every_seconds", 13):
                bit, at = EVERY, decimal(at, &result.every)
                if result.every <= 0.0 or result.every > SECONDS_MAX:
                    return False
        elif member.size == 19:
            if same(member, "certificate_expires", 19):
                bit, at = CERTIFICATE, null(at) if at[0] == c'n' else moment(at, &certificate_ms, work)
        if bit == 0:
            if met(member, 0, work):
                return False
            at = anything(at, 1, work)
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


# As `streams.step.rows` has it.
cdef double TRANSFER_LEAST_MS = 10.0


cdef inline float speed(Result *result) noexcept nogil:
    """Body bytes a second, as `streams.step.rows` has it; NaN where not measured."""
    cdef double transfer = result.total - result.ttfb
    # What is not a number is neither.
    if result.size > 0.0 and transfer >= 1.0:
        return <float>(result.size / max(transfer, TRANSFER_LEAST_MS) * 1000.0)
    return NAN


cdef inline bint is_under(key, Result *result):
    """Whether a key is the result's country."""
    return (
        type(key) is bytes
        and PyBytes_GET_SIZE(key) == result.country.size
        and memcmp(PyBytes_AS_STRING(key), result.country.at, result.country.size) == 0
    )


cdef inline str text_of(Span span):
    """A string; None where there is none."""
    if span.at == NULL:
        return None
    if span.holds == ASCII:
        return PyUnicode_DecodeASCII(<const char *>span.at, span.size, NULL)
    return PyUnicode_DecodeUTF8(<const char *>span.at, span.size, NULL)


cdef inline bint printable(Span span) except -1:
    """Whether a string that is no name of a monitor may stand there."""
    return span.at == NULL or span.holds == ASCII or is_printable(text_of(span))


cdef inline void cut(Span *span, Py_ssize_t most) noexcept nogil:
    """Leave so many letters of a string."""
    cdef Py_ssize_t size = 0
    if span.letters <= most:
        return
    if span.letters == span.size:
        span.size = span.letters = most
        return
    span.letters = most
    while most:
        size += 1
        while span.at[size] & 0xC0 == 0x80:
            size += 1
        most -= 1
    span.size = size


cdef class Scanner:
    """Reads results.

    Parameters
    ----------
    mechanisms
        The code of each way to fail, by `stage NUL failure NUL`, with nothing for one that is not given.
    statuses
        Its code where a status was not the right one, and the code of status 300, which the others follow.
    sources, addresses
        Numbers, looked up as they are when something is read: of sources by `country NUL region NUL asn NUL vantage
        NUL`, then `1` where it is simulated, else `0`; of addresses by `platform NUL target`, the target
        cut at so many letters, with nothing for one that is not given. All in UTF-8.
    meet_source, meet_address
        Called with the name of one that has no number: what gives it one, or says -1 where its record is to be left.
    """

    cdef dict mechanisms, sources, addresses
    cdef long long unexpected_status, first_status
    cdef object meet_source, meet_address
    cdef Work work

    def __cinit__(self):
        self.work.scratch = <unsigned char *>PyMem_Malloc(VALUE_MAX)
        self.work.names = <Span *>PyMem_Malloc(NAMES_MAX * sizeof(Span))
        if self.work.scratch == NULL or self.work.names == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.work.scratch)
        PyMem_Free(self.work.names)

    def __init__(self, dict mechanisms, tuple statuses, dict sources, dict addresses, meet_source, meet_address):
        self.mechanisms, self.sources, self.addresses = mechanisms, sources, addresses
        self.unexpected_status, self.first_status = statuses
        self.meet_source, self.meet_address = meet_source, meet_address

    cdef bint know(self, Result *result, Last *source, Last *address) except -1:
        """Look up how it ended and whose it is; False where it is to be left."""
        cdef char[KEY_MAX] key
        cdef Py_ssize_t size
        result.mechanism = 0
        if not result.ok or result.stage.at != NULL or result.failure.at != NULL:
            size = put(key, put(key, 0, result.stage), result.failure)
            result.mechanism = looked_up(self.mechanisms, key, size)
            if result.mechanism < 0:
                return False
            if result.mechanism == self.unexpected_status and result.status >= STATUS_FAILS:
                result.mechanism = self.first_status + result.status - STATUS_FAILS
        if not printable(result.id) or not printable(result.measured_by) or not printable(result.method):
            return False
        if result.target.at != NULL and result.target.letters > TARGET_LETTERS:
            # No more of it than its beginning is among the names.
            if not printable(result.target):
                return False
            cut(&result.target, TARGET_LETTERS)
        size = put(key, put(key, 0, result.country), result.region)
        size = put(key, put(key, size, result.asn), result.vantage)
        key[size] = c'1' if result.simulated else c'0'
        result.source = as_last(self.sources, source, key, size + 1)
        if result.source < 0:
            result.source = source.number = self.meet_source(PyBytes_FromStringAndSize(key, size + 1))
            if result.source < 0:
                return False
        size = put(key, put(key, 0, result.platform), result.target)
        result.address = as_last(self.addresses, address, key, size - 1)
        if result.address < 0:
            result.address = address.number = self.meet_address(PyBytes_FromStringAndSize(key, size - 1))
        return result.address >= 0

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
        two (attempts, good ones), `flags` two (control, ok), `measures` four (milliseconds to the first byte, body
        bytes a second, promised seconds, speed as a share of the control's; NaN where not measured, 0 where not
        promised, below 0 without a control). Returns the places of what was not read; the columns hold the rest, in
        order.
        """
        cdef Py_ssize_t i
        cdef Py_ssize_t row = 0
        cdef Result result
        cdef Last source, address
        cdef Text at
        cdef list left = []
        cdef Py_ssize_t size
        cdef PackedValues packed = values if type(values) is PackedValues else None
        cdef list every = None if packed is not None else values if type(values) is list else list(values)
        cdef list under = None if keys is None else keys if type(keys) is list else list(keys)
        source.size = address.size = -1
        for i in range(len(values)):
            if packed is not None:
                at, size = packed.places[i].at, packed.places[i].size
            else:
                value = every[i]
                if type(value) is bytes:
                    at, size = <Text>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
                else:
                    size = -1
            if size < 0 or size > VALUE_MAX:
                left.append(i)
                continue
            if (
                not parse(at, at + size, &result, &self.work)
                or (under is not None and not is_under(under[i], &result))
                or not self.know(&result, &source, &address)
            ):
                left.append(i)
                continue
            ids.append(text_of(result.id))
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
            measures[3, row] = -1.0 if isnan(result.contrast) else <float>result.contrast
            row += 1
        return left
