# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Records as they lie in Kafka's record batches, of which no Python objects are made. Compiled; `streams.engine.batches`
does without it.

A batch of version 2 holds its records one behind the other: length, attributes, time, offset, key, value, headers.
Values are found, and stay where they are: `streams.step.scanner` reads them there, and whoever asks for one is given
bytes. The value of a record with headers is copied: behind it no NUL stands. Headers are made when their records are
taken, for a megabyte of them can take seventy. A batch is read up to what can't be read (a length that does not fit, a
header's name that is no UTF-8, more headers or records than anybody needs), and the cause is given.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp, memcpy, memmove

ctypedef const unsigned char *Text

# A batch of a megabyte holds some ten thousand results, and a signature takes three headers. What is made of a record
# or a header takes more room than its bytes: of a batch of millions of empty ones, gigabytes. `unpacking` has the same.
cdef enum:
    RECORDS_MAX = 1 << 18
    HEADERS_MAX = 64


cdef inline Text varint(Text at, Text end, long long *found) noexcept nogil:
    """A number as Kafka writes it; gives what follows, NULL where it is cut short or has too many bytes."""
    cdef unsigned long long value = 0
    cdef int shift = 0
    while at < end and shift < 64:
        value |= <unsigned long long>(at[0] & 0x7F) << shift
        if not at[0] & 0x80:
            found[0] = <long long>(value >> 1) ^ -<long long>(value & 1)
            return at + 1
        at += 1
        shift += 7
    return NULL


cdef inline long long plus(long long one, long long other) noexcept nogil:
    """Their sum, that wraps where it is too large."""
    return <long long>(<unsigned long long>one + <unsigned long long>other)


cdef inline Text sized(Text at, Text end, Text *start, long long *size) noexcept nogil:
    """A number of bytes and these; a number below zero is followed by none."""
    at = varint(at, end, size)
    if at == NULL or size[0] > end - at:
        return NULL
    start[0] = at
    return at + size[0] if size[0] > 0 else at


cdef str headers_cause(Text at, Text end, long long many):
    """Why a record's headers can't be read; None where they can, and reach to the end."""
    cdef Text name, value
    cdef long long name_size, value_size
    cdef long long i
    if many > HEADERS_MAX:
        return "many_headers"
    if many < 0:
        return "damaged"
    for i in range(many):
        at = sized(at, end, &name, &name_size)
        if at == NULL or name_size < 0:
            return "damaged"
        try:
            PyUnicode_DecodeUTF8(<const char *>name, name_size, NULL)
        except UnicodeDecodeError:
            return "header_name"
        at = sized(at, end, &value, &value_size)
        if at == NULL:
            return "damaged"
    return None if at == end else "damaged"


cdef tuple headers_of(bytes written):
    """Headers that can be read: their number, and they."""
    cdef Text at = <Text>PyBytes_AS_STRING(written)
    cdef Text end = at + PyBytes_GET_SIZE(written)
    cdef Text name = NULL
    cdef Text value = NULL
    cdef long long many = 0, name_size = 0, value_size = 0
    cdef long long i
    cdef list headers = []
    if at == end:
        return ()
    at = varint(at, end, &many)
    for i in range(many):
        at = sized(at, end, &name, &name_size)
        at = sized(at, end, &value, &value_size)
        text = PyUnicode_DecodeUTF8(<const char *>name, name_size, NULL)
        headers.append((text, PyBytes_FromStringAndSize(<const char *>value, value_size) if value_size >= 0 else None))
    return tuple(headers)


cdef class PackedValues:
    """The values of consecutive records, as a sequence of bytes (None: there is none), made when they are asked for."""

    def __dealloc__(self):
        PyMem_Free(self.places)

    def __len__(self):
        return self.many

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self.many))]
        cdef Py_ssize_t i = place
        if i < 0:
            i += self.many
        if i < 0 or i >= self.many:
            raise IndexError(place)
        if self.places[i].size < 0:
            return None
        return PyBytes_FromStringAndSize(<const char *>self.places[i].at, self.places[i].size)

    def __eq__(self, other):
        return list(self) == list(other)

    def offsets(self):
        """The offset of each record: a range where none is left out."""
        if not self.many:
            return range(0)
        first, last = self.places[0].offset, self.places[self.many - 1].offset
        if last - first + 1 == self.many:
            return range(first, last + 1)
        return [self.places[i].offset for i in range(self.many)]

    def stamps(self):
        """The broker's time of each record, as it was given."""
        return [self.places[i].stamp for i in range(self.many)]


cdef class PackedRecords:
    """Records of batches that were added, until they are taken."""

    cdef Place *places
    cdef Py_ssize_t many, room
    cdef list bodies, keys
    cdef list headers  # of each record, as they are written; None while none has any
    cdef Py_ssize_t of_last  # how many of the last batch there were
    cdef Py_ssize_t last_bytes  # how many bytes the last batch has
    cdef readonly Py_ssize_t body_bytes  # how many bytes the batches have of which some is not taken

    def __cinit__(self):
        self.bodies, self.keys = [], []

    def __dealloc__(self):
        PyMem_Free(self.places)

    def __len__(self):
        return self.many

    def add(
        self, bytes body, Py_ssize_t count, long long base, long long first, long long end, long long stamp, bint stamped
    ):
        """Find the records of an unpacked batch, up to what can't be read; why that can't, None where all is read.

        `count` is how many it has, `base` what their offsets are counted from, `stamp` the broker's time of all of them
        where they are `stamped`, else what the producer's times are counted from. Those count that have offsets from
        `first` to before `end`, each greater than the one before it: brokers look at none but the last, and whoever
        writes may choose them.
        """
        cdef Text at = <Text>PyBytes_AS_STRING(body)
        cdef Text bound = at + PyBytes_GET_SIZE(body)
        cdef Text stop, start, key, written, last_key = NULL
        cdef long long length, number, age, size, key_size, many_headers, last_size = -2
        cdef Py_ssize_t i
        cdef Py_ssize_t before = self.many
        cdef Py_ssize_t most = min(count, RECORDS_MAX)
        cdef Py_ssize_t room
        cdef Place *place
        cdef object name = None
        cdef bytes headers
        cdef list bodies = [body]
        cdef str cause = "damaged"
        # A record has seven bytes at least: nobody makes us ask for more room than that.
        room = self.many + max(0, min(most, (bound - at) // 7))
        if room > self.room:
            place = <Place *>PyMem_Realloc(self.places, room * sizeof(Place))
            if place == NULL:
                raise MemoryError
            self.places, self.room = place, room
        for i in range(most):
            at = varint(at, bound, &length)
            if at == NULL or length < 0 or length > bound - at:
                break
            stop = at + length
            # Its attributes are one byte, of which nothing is used; aiokafka reads more where the first bit is set.
            if at == stop or at[0] & 0x80:
                break
            at = varint(at + 1, stop, &age)
            if at == NULL:
                break
            at = varint(at, stop, &number)
            if at == NULL:
                break
            at = sized(at, stop, &key, &key_size)
            if at == NULL:
                break
            at = sized(at, stop, &start, &size)
            if at == NULL or at == stop:
                break
            if at[0] == 0:
                # No headers: a NUL, and the record's end.
                if at + 1 != stop:
                    break
                headers = b""
            else:
                written = at
                at = varint(at, stop, &many_headers)
                if at == NULL:
                    break
                cause = headers_cause(at, stop, many_headers)
                if cause is not None:
                    break
                cause = "damaged"
                headers = PyBytes_FromStringAndSize(<const char *>written, stop - written)
            at = stop
            # What does not fit into 64 bits comes out below the base, or above it where that is to come before.
            if (number < 0) != (plus(base, number) < base):
                continue
            number = plus(base, number)
            if number < first or number >= end:
                continue
            first = number + 1
            if key_size < 0:
                name = None
            elif key_size != last_size or memcmp(key, last_key, key_size) != 0:
                name = PyBytes_FromStringAndSize(<const char *>key, key_size)
            last_key, last_size = key, key_size
            self.keys.append(name)
            if headers:
                if self.headers is None:
                    self.headers = [b""] * self.many
                if size >= 0:
                    value = PyBytes_FromStringAndSize(<const char *>start, size)
                    bodies.append(value)
                    start = <Text>PyBytes_AS_STRING(value)
            if self.headers is not None:
                self.headers.append(headers)
            place = &self.places[self.many]
            place.at, place.size, place.offset = start, size, number
            place.stamp = stamp if stamped else plus(stamp, age)
            self.many += 1
        else:
            if count > RECORDS_MAX:
                cause = "many_records"
            elif count >= 0 and at == bound:
                cause = None
        if self.many > before:
            self.bodies.append(bodies)
            self.of_last, self.last_bytes = self.many - before, PyBytes_GET_SIZE(body)
            self.body_bytes += self.last_bytes
        return cause

    def take(self, Py_ssize_t most):
        """The values, keys and headers of up to so many records, in order; None for headers where none has any."""
        cdef Py_ssize_t many = min(most, self.many)
        cdef PackedValues values = PackedValues.__new__(PackedValues)
        values.places = <Place *>PyMem_Malloc(max(1, many) * sizeof(Place))
        if values.places == NULL:
            raise MemoryError
        memcpy(values.places, self.places, many * sizeof(Place))
        values.many, values.bodies = many, list(self.bodies)
        self.many -= many
        if self.many:
            memmove(self.places, self.places + many, self.many * sizeof(Place))
        if self.many <= self.of_last:
            # Those of the other batches are all taken.
            self.bodies = [self.bodies.pop()] if self.many else []
            self.body_bytes = self.last_bytes if self.many else 0
        keys = self.keys[:many]
        del self.keys[:many]
        headers = None
        if self.headers is not None:
            headers = [headers_of(one) for one in self.headers[:many]]
            del self.headers[:many]
            if not self.headers:
                self.headers = None
            if not any(headers):
                headers = None
        return values, keys, headers
