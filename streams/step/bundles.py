"""Bundles are opened here, and signatures checked: which lines of a piece are whose word.

What is refused is refused with its reason. Knows the register, and no results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.readings import MonitorKey
from producers.bundles import (
    KEY_HEADER,
    SEQUENCE_HEADER,
    SEQUENCE_MAX,
    SIGNATURE_HEADER,
    BundleError,
    Verifier,
    opened,
)
from producers.records import BUNDLE_BEGINS, Malformed, Reason, Tick, VantageStatus
from streams.machine import Chunk, Headers
from streams.records import Vantage, VantageState
from streams.step.rows import Block
from streams.step.speakers import Speakers, speaks_for

_OF_SIGNATURES: Final = frozenset((KEY_HEADER, SEQUENCE_HEADER, SIGNATURE_HEADER))
#: Pairs that are met are ticked off in a table of this size; more of them are sorted.
_FEW_PAIRS: Final = 4_000_000


class Opened:
    """A piece whose bundles are opened: a line a place.

    Parameters
    ----------
    piece
        The lines.
    whose
        Of each Kafka record the entry that signed it, and the vantage that a bundle names; None for none.
    many
        How many lines each of them has.
    refused
        Lines, by their place.
    """

    def __init__(
        self,
        piece: Chunk,
        whose: Sequence[tuple[Vantage | None, str | None]],
        many: Sequence[int],
        refused: Mapping[int, Malformed],
    ) -> None:
        self._piece = piece
        self._whose = whose
        # One speaker's records are looked at together: it says the same of the same series in each of them.
        speakers: dict[tuple[int, str | None], int] = {}
        self._speakers: list[tuple[Vantage | None, str | None]] = []
        for entry, name in whose:
            # An entry is compared by which one it is: by its fields would take longer than the check.
            if (id(entry), name) not in speakers:
                speakers[id(entry), name] = len(self._speakers)
                self._speakers.append((entry, name))
        self._speaker = np.array([speakers[id(entry), name] for entry, name in whose], dtype=np.int64)
        self._refused = refused
        self._record = np.repeat(np.arange(len(many)), many)
        self._spoken = np.array(
            [entry is not None or name is not None for entry, name in whose], dtype=np.bool_
        )
        self._signed = np.array([entry is not None for entry, _ in whose], dtype=np.bool_)

    def parts(self) -> Iterator[tuple[int, Chunk]]:
        """The lines in pieces that caches hold, each with its first place."""
        first = 0
        for part in self._piece.pieces():
            yield first, part
            first += len(part.values)

    def signed(self, first: int, size: int) -> NDArray[np.bool_]:
        """Which of some lines are signed."""
        signed: NDArray[np.bool_] = self._signed[self._record[first : first + size]]
        return signed

    def refusing(self, block: Block, first: int, name_of: Callable[[int], MonitorKey]) -> Block:
        """Refuse those of some lines that are not their speaker's, and ticks."""
        record = self._record[first : first + block.size]
        elsewhere: dict[int, Malformed] = {}
        others = list(block.others)
        for i, (row, other) in enumerate(others):
            entry, vantage = self._whose[record[row]]
            fault = self._refused.get(first + row)
            if fault is None and (entry is not None or vantage is not None):
                fault = _status_fault(other, entry, vantage)
            if fault is not None:
                others[i] = (row, fault)
        block.others = others
        results = np.delete(np.arange(block.size), [row for row, _ in others])
        spoken = self._spoken[record[results]]
        if spoken.any():
            speaker = self._speaker[record[results]]
            for which, number in _different_pairs(speaker[spoken], block.monitor[spoken]):
                entry, vantage = self._speakers[which]
                if not speaks_for(entry, vantage, name_of(number)):
                    fault = _not_theirs(entry, vantage)
                    lines = results[(speaker == which) & (block.monitor == number)]
                    elsewhere |= dict.fromkeys(lines.tolist(), fault)
        for place, fault in self._refused.items():
            if first <= place < first + block.size:
                elsewhere.setdefault(place - first, fault)
        for reason in sorted({fault.reason for fault in elsewhere.values()}):
            places = sorted(row for row, fault in elsewhere.items() if fault.reason is reason)
            block = block.refusing(places, reason, [elsewhere[row].detail for row in places])
        return block


def has_bundles(block: Block) -> bool:
    """Whether one of the records is a bundle, which is to be opened."""
    return any(isinstance(one, Malformed) and one.reason is Reason.BUNDLE for _, one in block.others)


def _status_fault(
    other: Malformed | Tick | VantageStatus, entry: Vantage | None, vantage: str | None
) -> Malformed | None:
    if isinstance(other, Tick):
        return Malformed(Reason.WRONG_SPEAKER, "no vantage says what time it is")
    if isinstance(other, VantageStatus):
        key = MonitorKey("", other.country, other.region or "", other.asn, other.vantage, False)
        return None if speaks_for(entry, vantage, key) else _not_theirs(entry, vantage)
    return None


def _not_theirs(entry: Vantage | None, vantage: str | None) -> Malformed:
    if entry is None:
        return Malformed(
            Reason.WRONG_SPEAKER, f"of another vantage than {(vantage or '')[:64]!a}, whose bundle it is in"
        )
    return Malformed(
        Reason.WRONG_SPEAKER,
        f"{entry.vantage[:64]!a} speaks for {entry.country}, AS{entry.asn}, and for nobody else",
    )


def _different_pairs(speaker: NDArray[np.int64], monitor: NDArray[np.int32]) -> list[tuple[int, int]]:
    """The different pairs of a speaker and a monitor's number."""
    first, lowest = int(speaker.min()), int(monitor.min())
    wide, high = int(monitor.max()) - lowest + 1, int(speaker.max()) - first + 1
    pairs = (speaker - first) * wide + (monitor - lowest)
    if wide * high <= _FEW_PAIRS:
        met = np.zeros(wide * high, dtype=np.bool_)
        met[pairs] = True
        different = np.flatnonzero(met)
    else:
        different = np.unique(pairs)
    return [(first + pair // wide, lowest + pair % wide) for pair in different.tolist()]


class Opener:
    """Opens the bundles of one partition, and checks signatures where the policy asks for them.

    Parameters
    ----------
    signed
        Whether signatures count at all.
    """

    def __init__(self, *, signed: bool) -> None:
        self._signed = signed
        self._verifier = Verifier()

    def open(
        self, piece: Chunk, speakers: Speakers, known: Mapping[str, int], seen: dict[str, int]
    ) -> Opened:
        """Open a piece. `known` has the last sequence of each key; those of this piece go into `seen`."""
        offsets: list[int] = []
        values: list[bytes | None] = []
        stamps: list[int] | None = None if piece.timestamps_ms is None else []
        keys: list[bytes | None] | None = None if piece.keys is None else []
        whose: list[tuple[Vantage | None, str | None]] = []
        manys: list[int] = []
        refused: dict[int, Malformed] = {}
        for i, value in enumerate(piece.values):
            headers = piece.headers[i] if piece.headers is not None else ()
            fault: Malformed | None = None
            speaker: Vantage | None = None
            if self._signed and value is not None and headers:
                speaker_or_fault = self._who(value, headers, speakers, known, seen)
                fault, speaker = (
                    (speaker_or_fault, None)
                    if isinstance(speaker_or_fault, Malformed)
                    else (None, speaker_or_fault)
                )
            named: str | None = None
            lines: Sequence[bytes | None] = (value,)
            if fault is None and value is not None and value.startswith(BUNDLE_BEGINS):
                try:
                    named, lines = opened(value)
                except BundleError as error:
                    fault = Malformed(Reason.BUNDLE_DAMAGED, str(error))
                if speaker is not None and named is not None and named != speaker.vantage:
                    fault = Malformed(
                        Reason.WRONG_SPEAKER, f"the key of {speaker.vantage!a} signed for {named[:64]!a}"
                    )
                    lines = (value,)
            if fault is not None:
                refused[len(values)] = fault
            many = len(lines)
            offsets += [piece.offsets[i]] * many
            values += lines
            if stamps is not None and piece.timestamps_ms is not None:
                stamps += [piece.timestamps_ms[i]] * many
            if keys is not None and piece.keys is not None:
                keys += [piece.keys[i]] * many
            whose.append((speaker, named))
            manys.append(many)
        lines_of = Chunk(piece.topic, piece.partition, offsets, values, stamps, keys)
        return Opened(lines_of, whose, manys, refused)

    def _who(
        self,
        value: bytes,
        headers: Headers,
        speakers: Speakers,
        known: Mapping[str, int],
        seen: dict[str, int],
    ) -> Vantage | Malformed | None:
        """Who signed a record: an entry, None where nobody did, or why it is refused."""
        given: dict[str, bytes] = {}
        for name, header in headers:
            if name in _OF_SIGNATURES and header is not None:
                if name in given:
                    return Malformed(Reason.BAD_SIGNATURE, "a header of the signature is there twice")
                given[name] = header
        if not given:
            return None
        key = given.get(KEY_HEADER, b"").decode("ascii", "replace")[:64]
        entry = speakers.of_key(key)
        if entry is None or entry.public_key is None:
            return Malformed(Reason.UNKNOWN_KEY, f"key {key!a} is not in the register")
        if entry.state is VantageState.REVOKED:
            return Malformed(
                Reason.REVOKED_KEY,
                f"key {key} of {entry.vantage!a} is revoked, was replaced, or another has it too",
            )
        text = given.get(SEQUENCE_HEADER, b"")
        sequence = int(text) if text.isdigit() and len(text) < 20 else -1
        if not 0 < sequence < SEQUENCE_MAX or b"%d" % sequence != text:
            return Malformed(Reason.BAD_SIGNATURE, f"{SEQUENCE_HEADER} is {text[:32]!r}")
        if not self._verifier.good(entry.public_key, sequence, value, given.get(SIGNATURE_HEADER, b"")):
            return Malformed(Reason.BAD_SIGNATURE, f"no signature of {entry.vantage!a} over this")
        last = max(known.get(key, 0), seen.get(key, 0))
        if sequence <= last:
            return Malformed(Reason.REPLAYED, f"sequence {sequence} of key {key}; {last} was there already")
        seen[key] = sequence
        return entry
