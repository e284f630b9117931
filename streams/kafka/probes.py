"""Results and ticks, as the probes topic wants them: a country's in its partition, the time in every one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from producers.partitions import partition_of
from producers.records import ProbeRecord, Tick, encode
from streams.kafka.bulk import Outgoing


def outgoing(records: Iterable[ProbeRecord], partitions: int) -> Iterator[Outgoing]:
    """Key, value and partition of each record, in their order; a tick comes once for each partition."""
    for record in records:
        value = encode(record)
        if isinstance(record, Tick):
            for partition in range(partitions):
                yield None, value, partition
        else:
            key = record.country.encode()
            yield key, value, partition_of(key, partitions)
