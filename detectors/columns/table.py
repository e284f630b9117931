"""Growing tables of columns, and how they are written down: what all detectors over many series are built from.

Knows numbers only, not what they mean.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.columns import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Halves = NDArray[np.float16]
#: Halves, each as the bits in which it differs from its column's fill.
Folded = NDArray[np.uint16]
Ints = NDArray[np.int64]
Tiny = NDArray[np.int8]
Bools = NDArray[np.bool_]
# Of series; of monitors, which are many, in 32 bits.
Numbers = NDArray[np.signedinteger[Any]]

# More would lie idle; less would copy often.
_GROWTH: Final = 1.0625
# Series come one by one at first: a table that has grown once has room for so many.
_ROOM_LEAST: Final = 64
_GRAIN: Final = float(2**32)
# So many marks are copied in less time than NumPy takes to look at one.
_SHORT: Final = 2**14
# Keys below so many are counted without being sorted.
_DENSE: Final = 4096
# Bytes from which on a column has pages of its own.
_OWN_PAGES: Final = 2**17


#: What a folded moment (its fill is -1) holds where there never was one.
NEVER: Final = ~-1


class Field(NamedTuple):
    """One column of a table: `rows` values a series (0: one value, no axis), all `fill` at first.

    A `folded` one is held as the bits in which it differs from its fill, so that a row takes no memory until something
    else is written there; see `folded` and `unfolded`. It is stored as any other. Of whole numbers whose fill is -1
    (never) that is `~number`.
    """

    dtype: type[np.generic]
    fill: float = 0.0
    rows: int = 0
    folded: bool = False

    @property
    def bits(self) -> int:
        """The bits of the fill."""
        return int(np.array(self.fill, dtype=self.dtype).view(self.held_as))

    @property
    def held_as(self) -> np.dtype[Any]:
        """The type of the array in memory."""
        kind = np.dtype(self.dtype)
        return np.dtype(f"u{kind.itemsize}") if self.folded and kind.kind == "f" else kind


class StoredColumn(msgspec.Struct, array_like=True):
    """A column as it is written: its type, its shape, its bytes (little-endian)."""

    dtype: str
    shape: list[int]
    data: bytes


class Table:
    """Columns over series, one entry each, that grow together.

    A subclass names its columns in `fields`; each becomes an attribute, an array whose last axis is the series.
    """

    fields: ClassVar[Mapping[str, Field]] = {}

    def __init__(self) -> None:
        self.size = 0
        self._room: dict[str, NDArray[Any]] = {}
        self.grow(0)

    def grow(self, size: int) -> None:
        """Have `size` series; new ones begin with each column's first value."""
        if size == self.size and self._room:
            return
        for name, spec in self.fields.items():
            room = self._room.get(name)
            if room is None or room.shape[-1] < size:
                room_now = 0 if room is None else room.shape[-1]
                wide = max(size, _ROOM_LEAST, int(room_now * _GROWTH)) if room_now else size
                larger = unwritten([spec.rows, wide] if spec.rows else [wide], spec.held_as)
                if room is not None and self.size:
                    old, new = room[..., : self.size], larger[..., : self.size]
                    if larger.nbytes < _OWN_PAGES:
                        new[...] = old
                    else:
                        write_rows(new, old)
                self._room[name] = room = larger
                if spec.fill and not spec.folded:
                    room[..., self.size : size] = spec.fill
            else:
                room[..., self.size : size] = 0 if spec.folded else spec.fill
            setattr(self, name, room[..., :size])
        self.size = size

    def store(self) -> dict[str, StoredColumn]:
        """The columns, as plain bytes."""
        return {name: store_column(self.values(name)) for name in self.fields}

    def values(self, name: str) -> NDArray[Any]:
        """A column's values, unfolded: a copy where it is a folded one."""
        column: NDArray[Any] = getattr(self, name)
        return unfolded(column, self.fields[name]) if self.fields[name].folded else column

    def _rows_of(self, name: str) -> list[int]:
        rows = self.fields[name].rows
        return [rows] if rows else []

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` of this or an earlier release gave.

        A column that is absent was added since, and has its first value everywhere; one that is unknown is let go.
        Where other settings make other rows, the table begins anew. Raises ValueError where a column is damaged, or of
        another type.
        """
        known = {name: column for name, column in stored.items() if name in self.fields}
        if not all(column.shape for column in known.values()):
            raise ValueError(f"{type(self).__name__}: a column without a length")
        if any(column.shape[:-1] != self._rows_of(name) for name, column in known.items()):
            return
        sizes = {column.shape[-1] for column in known.values()}
        if len(sizes) > 1:
            raise ValueError(f"{type(self).__name__}: columns of unequal length {sorted(sizes)}")
        size = sizes.pop() if sizes else 0
        for name, spec in self.fields.items():
            shape = [spec.rows, size] if spec.rows else [size]
            if name in known:
                column = load_column(known[name], spec.dtype, shape, f"{type(self).__name__}.{name}", spec)
            elif spec.folded:
                column = unwritten(shape, spec.held_as)
            else:
                column = np.full(shape, spec.fill, dtype=spec.dtype)
            self._room[name] = column
            setattr(self, name, column)
        self.size = size


class Seasonal(Table):
    """A table that has columns with a row for each part of a day: only one of these, `now`, is in use at a time.

    It is kept in columns of its own while it is, so that the others may be put away in half precision.
    """

    def __init__(self) -> None:
        self.now = -1
        super().__init__()

    def store(self) -> dict[str, StoredColumn]:
        """The columns, and which row is in use, as plain bytes."""
        return {**super().store(), "now": store_column(np.array([self.now]))}

    def load(self, stored: Mapping[str, StoredColumn]) -> None:
        """Become what `store` of this or an earlier release gave. Raises ValueError where a column is damaged."""
        if "now" not in stored:
            raise ValueError(
                f"{type(self).__name__}: the snapshot does not say which part of the day is in use"
            )
        self.now = int(load_column(stored["now"], np.int64, [1], f"{type(self).__name__}.now")[0])
        super().load({name: column for name, column in stored.items() if name != "now"})


def store_column(column: NDArray[Any]) -> StoredColumn:
    """One array as plain bytes."""
    return StoredColumn(column.dtype.str, list(column.shape), np.ascontiguousarray(column).tobytes())


def folded(values: NDArray[Any], spec: Field) -> NDArray[Any]:
    """Some values of a folded column as they are held: 0 for the fill."""
    exact = np.asarray(values, dtype=spec.dtype)
    return np.asarray(exact.view(spec.held_as) ^ spec.held_as.type(spec.bits))


def unfolded(column: NDArray[Any], spec: Field) -> NDArray[Any]:
    """The values of a folded column, or of a part of it."""
    return np.asarray((column ^ spec.held_as.type(spec.bits)).view(spec.dtype))


def load_column(
    stored: StoredColumn, dtype: type[np.generic], shape: list[int], where: str, spec: Field | None = None
) -> NDArray[Any]:
    """One array from its bytes, folded where `spec` says so. Raises ValueError where type, shape or length differ."""
    kind = np.dtype(dtype)
    if stored.dtype != kind.str or stored.shape != shape:
        raise ValueError(f"{where}: stored as {stored.dtype} {stored.shape}, expected {kind.str} {shape}")
    if len(stored.data) != kind.itemsize * math.prod(shape):
        raise ValueError(f"{where}: {len(stored.data)} bytes for {shape} of {kind.str}")
    values = np.frombuffer(stored.data, dtype=kind).reshape(shape)
    if values.nbytes < _OWN_PAGES:
        # To look for rows of zeros takes longer than to write them.
        return folded(values, spec) if spec is not None and spec.folded else values.copy()
    if spec is not None and spec.folded:
        column = unwritten(shape, spec.held_as)
        # Row by row: a copy of all would be held at once.
        for row, some in zip(column, values, strict=True) if column.ndim > 1 else ((column, values),):
            write_rows(row, folded(some, spec))
        return column
    column = unwritten(shape, dtype)
    write_rows(column, values)
    return column


def unwritten(shape: list[int], dtype: type[np.generic] | np.dtype[Any]) -> NDArray[Any]:
    """Zeros. Where there are many, they take no memory until something else is written there."""
    size = np.dtype(dtype).itemsize * math.prod(shape)
    if size < _OWN_PAGES:
        return np.zeros(shape, dtype=dtype)
    # Not from the allocator's heap: that would write the zeros, and leave holes as columns grow.
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
    return np.frombuffer(pages, dtype=dtype).reshape(shape)


def write_rows(into: NDArray[Any], column: NDArray[Any]) -> None:
    """Copy a column into unwritten memory, but for rows that are zeros to the bit (so not where one is -0.0)."""
    rows = ((into, column),) if into.ndim == 1 else zip(into, column, strict=True)
    for row, values in rows:
        if values.view(f"u{values.itemsize}").any():
            row[:] = values


def grained(values: Floats) -> Floats:
    """Round to multiples of 2^-32, so that sums are the same in any order (while below 2^21)."""
    return np.asarray(np.rint(values * _GRAIN) / _GRAIN)


def geometric(keep: Floats | float, many: Ints | int) -> Floats:
    """Return the sum of the first `many` powers of `keep`, from power 0 on: what `many` fading ones add up to."""
    fades = np.maximum(1.0 - np.asarray(keep, dtype=np.float64), 1e-300)
    return np.where(fades < 1e-15, np.asarray(many, dtype=np.float64), (1.0 - (1.0 - fades) ** many) / fades)


def any_of(marks: Bools) -> bool:
    """`marks.any()`, at a twentieth of its price for short columns."""
    return 1 in marks.tobytes() if marks.size < _SHORT else bool(marks.any())


def whole(rows: Ints, size: int) -> Ints | slice:
    """Some ascending rows of so many: as a slice where they are all, for it copies nothing."""
    return slice(None) if len(rows) == size else rows


def marked(index: Numbers, size: int) -> Ints:
    """The different ones of some numbers below `size`, ascending: `np.unique` without a sort."""
    there = np.zeros(size, dtype=np.bool_)
    there[index] = True
    return there.nonzero()[0]


def clipped(values: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """`np.clip`, at a third of its price for short columns."""
    return np.asarray(np.minimum(np.maximum(values, low), high))


def ranks(names: Sequence[Any]) -> Ints:
    """The place of each name among the different ones, ascending."""
    rank = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([rank[name] for name in names], dtype=np.int64)


def tally(index: Numbers, weight: Ints | None, size: int) -> Ints:
    """Return how many results each of `size` things has. Each row counts by its weight (None: as one)."""
    return np.asarray(np.bincount(index, weight, minlength=size)).astype(np.int64, copy=False)


def tallied(keys: Ints, weight: Ints | None) -> tuple[Ints, Ints]:
    """The different keys of rows, and how many results each has."""
    if compiled.stages is not None and keys.dtype == np.int64:
        dense: tuple[Ints, Ints] | None = compiled.stages.tallied(keys, weight, _DENSE + 4 * len(keys))
        if dense is not None:
            return dense
    if weight is None:
        return np.unique(keys, return_counts=True)
    unique, place = np.unique(keys, return_inverse=True)
    return unique, tally(place, weight, len(unique))


def sums(index: Numbers, values: Floats, size: int) -> Floats:
    """Sum of `values` by `index`; each row of a two-dimensional `values` by itself."""
    if values.ndim == 1:
        return np.asarray(np.bincount(index, weights=values, minlength=size))
    total = np.empty((len(values), size))
    for row, of_row in zip(total, values, strict=True):
        row[:] = np.bincount(index, weights=of_row, minlength=size)
    return total


def medians(group: Numbers, values: Singles, size: int) -> tuple[Ints, Floats, Floats]:
    """The middle of `values` (not NaN) in each of `size` groups, whatever their order.

    Returns
    -------
    How many values each group has, and the two in the middle (the same one twice where the number is odd; 0 where
    there are none). Their mean is the median.
    """
    if compiled.stages is not None:
        medians_of: tuple[Ints, Floats, Floats] = compiled.stages.medians(group, values, size)
        return medians_of
    count = np.bincount(group, minlength=size)
    both = np.zeros((2, size))
    if len(group):
        # Sorted as whole numbers: the group, then the value's bits, which ascend once the negative ones are turned
        # round. Rows come by rounds of vantages, each by group: a sort that sees runs is four times as fast.
        bits = values.view(np.int32)
        key = group.astype(np.int64) << 32
        key += bits ^ ((bits >> 31) & 0x7FFFFFFF)
        key.sort(kind="stable")
        some = count.nonzero()[0]
        many = count[some]
        last = many.cumsum() - 1
        middle = key[np.concatenate((last - many // 2, last - (many - 1) // 2))]
        bits = middle.astype(np.int32)  # the lower half
        both[:, some] = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32).reshape(2, -1)
    return count, both[0], both[1]
