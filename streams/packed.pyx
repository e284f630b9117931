# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Records as they lie in Kafka's record batches, of which no Python objects are made. Compiled; `streams.engine.batches`
does without it.

A batch of version 2 holds its records one behind the other: length, attributes, time, offset, key, value, headers.
Values are found, and stay where they are: `streams.step.scanner` reads them there, and whoever asks for one is given
bytes. Whatever is unusual (headers, a length that does not fit) is left to aiokafka, batch by batch.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.string cimport memcmp, memcpy, memmove

ctypedef const unsigned char *Text


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


cdef inline Text sized(Text at, Text end, Text *start, long long *size) noexcept nogil:
    """A number of bytes and these; a number below zero is followed by none."""
    at = varint(at, end, size)
    if at == NULL or size[0] > end - at:
        return NULL
    start[0] = at
    return at + size[0] if size[0] > 0 else at


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
    cdef Py_ssize_t of_last  # how many of the last batch there were

    def __cinit__(self):
        self.bodies, self.keys = [], []

    def __dealloc__(self):
        PyMem_Free(self.places)

    def __len__(self):
        return self.many

    def add(self, bytes body, Py_ssize_t count, long long base, long long first, long long stamp):
        """Find the records of an unpacked batch, from offset `first` on; False, and nothing added, where it is unusual.

        `count` is how many it has, `base` what their offsets are counted from, `stamp` the broker's time of all of them.
        """
        cdef Text at = <Text>PyBytes_AS_STRING(body)
        cdef Text end = at + PyBytes_GET_SIZE(body)
        cdef Text stop, start, key, last_key = NULL
        cdef long long length, number, size, key_size, last_size = -2
        cdef Py_ssize_t i
        cdef Py_ssize_t before = self.many
        cdef Place *place
        cdef object name = None
        # A record has seven bytes at least: nobody makes us ask for more room than that.
        if count < 0 or count > (end - at) // 7:
            return False
        if self.many + count > self.room:
            place = <Place *>PyMem_Realloc(self.places, (self.many + count) * sizeof(Place))
            if place == NULL:
                raise MemoryError
            self.places, self.room = place, self.many + count
        for i in range(count):
            at = varint(at, end, &length)
            if at == NULL or length < 0 or length > end - at:
                break
            stop = at + length
            if at == stop:
                break
            at = varint(at + 1, stop, &number)  # after the attributes, its time
            if at == NULL:
                break
            at = varint(at, stop, &number)
            if at == NULL:
                break
            at = sized(at, stop, &key, &key_size)
            if at == NULL:
                break
            at = sized(at, stop, &start, &size)
            # No headers: a NUL, and the record's end.
            if at == NULL or at + 1 != stop or at[0] != 0:
                break
            at = stop
            if base + number < first:
                continue
            if key_size < 0:
                name = None
            elif key_size != last_size or memcmp(key, last_key, key_size) != 0:
                name = PyBytes_FromStringAndSize(<const char *>key, key_size)
            last_key, last_size = key, key_size
            self.keys.append(name)
            place = &self.places[self.many]
            place.at, place.size, place.offset, place.stamp = start, size, base + number, stamp
            self.many += 1
        else:
            if at == end:
                self.bodies.append(body)
                self.of_last = self.many - before
                return True
        self.many = before
        del self.keys[before:]
        return False

    def take(self, Py_ssize_t most):
        """The values and keys of up to so many records, in order."""
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
        keys = self.keys[:many]
        del self.keys[:many]
        return values, keys
