# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Ids of results one behind the other, of which no Python objects are kept. Compiled; `streams.step.ids` has it in Python.

A window of a hundred thousand cells has as many ids, and lets go of them all at once. As objects they cost four times
their letters, and leave holes between what stays.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc, PyMem_RawRealloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp, memcpy, memset

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    Py_hash_t PyObject_Hash(object one) except? -1

cdef enum:
    LEAST = 64


cdef class PackedIds:
    """Strings in the order in which they were added. Which of them are there is known at once, by their letters."""

    cdef char *letters
    cdef size_t room
    # Where each ends, and a part of its hash.
    cdef size_t *ends
    cdef unsigned int *hashes
    cdef Py_ssize_t many
    cdef Py_ssize_t places
    # One more than the number of the first string that stands there, 0 for none; a power of two, at least twice as many.
    cdef unsigned int *slots
    cdef size_t mask

    def __cinit__(self):
        self.places = LEAST
        self.room = LEAST * 32
        self.mask = 2 * LEAST - 1
        self.letters = <char *>PyMem_RawMalloc(self.room)
        self.ends = <size_t *>PyMem_RawMalloc(self.places * sizeof(size_t))
        self.hashes = <unsigned int *>PyMem_RawMalloc(self.places * sizeof(unsigned int))
        self.slots = <unsigned int *>PyMem_RawMalloc((self.mask + 1) * sizeof(unsigned int))
        if self.letters == NULL or self.ends == NULL or self.hashes == NULL or self.slots == NULL:
            raise MemoryError
        memset(self.slots, 0, (self.mask + 1) * sizeof(unsigned int))

    def __dealloc__(self):
        PyMem_RawFree(self.letters)
        PyMem_RawFree(self.ends)
        PyMem_RawFree(self.hashes)
        PyMem_RawFree(self.slots)

    def __init__(self, ids=()):
        self.extend(ids)

    def __len__(self):
        return self.many

    def __iter__(self):
        return iter(self.aslist())

    def __contains__(self, text):
        cdef Py_ssize_t size
        cdef const char *letters = PyUnicode_AsUTF8AndSize(text, &size)
        cdef unsigned int hashed = <unsigned int>PyObject_Hash(text)
        return self.slots[self.place(letters, size, hashed)] != 0

    def aslist(self):
        """Return all of them, as strings."""
        cdef Py_ssize_t i
        cdef size_t start = 0
        cdef list made = []
        for i in range(self.many):
            made.append(PyUnicode_DecodeUTF8(self.letters + start, self.ends[i] - start, NULL))
            start = self.ends[i]
        return made

    def add_new(self, list ids):
        """Add these where none is there, and no two are alike; else add none. Says which."""
        cdef Py_ssize_t before = self.many
        cdef str text
        for text in ids:
            if not self.add(text, False):
                self.cut(before)
                return False
        return True

    def extend(self, ids):
        """Add these, whether they are there or not."""
        cdef str text
        for text in ids:
            self.add(text, True)

    cdef size_t place(self, const char *letters, size_t size, unsigned int hashed) noexcept nogil:
        """The slot of a string, or the free one in which it would stand."""
        cdef size_t slot = hashed & self.mask, start
        cdef unsigned int number
        while True:
            number = self.slots[slot]
            if number == 0:
                return slot
            if self.hashes[number - 1] == hashed:
                start = self.ends[number - 2] if number > 1 else 0
                if self.ends[number - 1] - start == size and memcmp(self.letters + start, letters, size) == 0:
                    return slot
            slot = (slot + 1) & self.mask

    cdef bint add(self, str text, bint again) except -1:
        """Add a string; one that is there only where it may stand there `again`. Says whether it was added."""
        cdef Py_ssize_t size
        cdef const char *letters = PyUnicode_AsUTF8AndSize(text, &size)
        cdef unsigned int hashed = <unsigned int>PyObject_Hash(text)
        cdef size_t start, slot
        self.make_room(size)
        slot = self.place(letters, size, hashed)
        if self.slots[slot] and not again:
            return False
        start = self.ends[self.many - 1] if self.many else 0
        memcpy(self.letters + start, letters, size)
        self.ends[self.many] = start + size
        self.hashes[self.many] = hashed
        self.many += 1
        if not self.slots[slot]:
            self.slots[slot] = <unsigned int>self.many
        return True

    cdef void cut(self, Py_ssize_t many) noexcept:
        """Take the last ones out again, down to so many. None of them may be there twice."""
        cdef size_t start, slot
        while self.many > many:
            start = self.ends[self.many - 2] if self.many > 1 else 0
            slot = self.place(self.letters + start, self.ends[self.many - 1] - start, self.hashes[self.many - 1])
            # Nothing that stays was put behind it: what came later went first.
            self.slots[slot] = 0
            self.many -= 1

    cdef int make_room(self, size_t size) except -1:
        """Make room for one more string of a size."""
        cdef size_t filled = self.ends[self.many - 1] if self.many else 0, slot
        cdef void *more
        cdef unsigned int *slots
        cdef Py_ssize_t i
        if filled + size > self.room:
            more = PyMem_RawRealloc(self.letters, (filled + size) * 3 // 2)
            if more == NULL:
                raise MemoryError
            self.letters, self.room = <char *>more, (filled + size) * 3 // 2
        if self.many < self.places:
            return 0
        if self.many >= 0x7FFFFFFF:
            raise OverflowError("too many ids in one window")
        more = PyMem_RawRealloc(self.ends, 2 * self.places * sizeof(size_t))
        if more == NULL:
            raise MemoryError
        self.ends = <size_t *>more
        more = PyMem_RawRealloc(self.hashes, 2 * self.places * sizeof(unsigned int))
        if more == NULL:
            raise MemoryError
        self.hashes = <unsigned int *>more
        slots = <unsigned int *>PyMem_RawMalloc(4 * self.places * sizeof(unsigned int))
        if slots == NULL:
            raise MemoryError
        memset(slots, 0, 4 * self.places * sizeof(unsigned int))
        # In the order in which they came, so that `cut` finds what came last behind all others. Of those that are
        # there twice, the first has the slot.
        self.places *= 2
        self.mask = 2 * self.places - 1
        PyMem_RawFree(self.slots)
        self.slots = slots
        for i in range(self.many):
            filled = self.ends[i - 1] if i else 0
            slot = self.place(self.letters + filled, self.ends[i] - filled, self.hashes[i])
            if not self.slots[slot]:
                self.slots[slot] = <unsigned int>(i + 1)
        return 0
