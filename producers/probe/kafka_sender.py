"""Brings batches of results to their partition: retries within a bound, and in the order in which they came.

One country is one key, so all of a vantage's results go to one partition, whose leader is the one broker it speaks to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from producers.partitions import partition_of
from producers.probe.kafka_wire import (
    LOST_COUNT,
    PASSING,
    TOO_LARGE,
    BatchOrder,
    BrokerConnection,
    BrokerRefusalError,
    Headers,
    KafkaError,
    ProtocolError,
    record_batch,
)
from producers.probe.sink import SendError

_CONNECT_SECONDS: Final = 3.0
#: Bytes of one batch, before they are compressed.
_BATCH_BYTES: Final = 256 * 1024
#: A topic may have been widened, and the key gone to another partition.
_LOOK_AGAIN_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.1
#: Numbers of records begin anew here.
_SEQUENCE_END: Final = 2**31


class KafkaSender:
    """A batch at a time to the leader of one partition.

    Parameters
    ----------
    options
        Options of a producer (`streams.kafka.options`): where the broker is, how to speak to it, how to compress.
    topic
        It has to exist.
    key
        Key of every record: the vantage's country.
    ack_seconds
        How long the broker may take to acknowledge a batch, tries at another broker among it.
    headers_of
        Makes the headers of each record, from its value.

    Raises SendError where no broker answers.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        topic: str,
        key: bytes,
        *,
        ack_seconds: float = 10.0,
        headers_of: Callable[[bytes], Headers] | None = None,
    ) -> None:
        self._options = options
        self._topic = topic
        self._key = key
        self._ack_seconds = ack_seconds
        self._headers_of = headers_of or (lambda value: [])
        self._bootstrap = [_address(part.strip()) for part in str(options["bootstrap_servers"]).split(",")]
        self._leader: BrokerConnection | None = None
        self._partition = 0
        self._looked_at = 0.0
        self._producer: tuple[int, int] | None = None
        self._sequences: dict[int, int] = {}
        try:
            self._connect_first()
        except BrokerRefusalError as error:
            raise SendError(self._words(error), ()) from error
        except (OSError, ProtocolError) as error:
            raise SendError(str(error), ()) from error

    def send(self, values: Sequence[bytes]) -> None:
        """Write a batch, and wait for the broker's word on each record.

        Raises SendError, with the records that the broker did not acknowledge, in their order.
        """
        refused: list[bytes] = []
        why = ""
        deadline = time.monotonic() + self._ack_seconds
        for start, end in _parts(values):
            try:
                more, reason = self._write(values[start:end], deadline)
            except SendError as error:
                refused += error.refused
                raise SendError(str(error), [*error.unsent, *values[end:]], refused) from error
            refused += more
            why = reason or why
        if refused:
            raise SendError(why, (), refused)

    def close(self) -> None:
        """Let the connection go."""
        if self._leader is not None:
            self._leader.close()
            self._leader = None

    def _write(self, values: Sequence[bytes], deadline: float) -> tuple[list[bytes], str]:
        """Write these. Returns what is too large, and why. Raises SendError for what is left."""
        try:
            self._produce(values, deadline)
        except BrokerRefusalError as error:
            if error.code not in TOO_LARGE:
                raise SendError(self._words(error), values) from error
            if len(values) == 1:
                return list(values), str(error)
        except (OSError, ProtocolError) as error:
            raise SendError(str(error), values) from error
        else:
            return [], ""
        # The batch is too large as a whole. In halves, then, until a record stands alone.
        middle = len(values) // 2
        refused, why = self._write(values[:middle], deadline)
        try:
            more, reason = self._write(values[middle:], deadline)
        except SendError as error:
            raise SendError(str(error), error.unsent, [*refused, *error.refused]) from error
        return [*refused, *more], reason or why

    def _produce(self, values: Sequence[bytes], deadline: float) -> None:
        """One batch, again under the same number until it is taken or the time is over."""
        headers = [self._headers_of(value) for value in values]
        made: tuple[int, BatchOrder, bytes] | None = None
        while True:
            try:
                leader = self._connected()
                order = self._order(leader)
                if made is None or made[:2] != (self._partition, order):
                    batch = record_batch(
                        self._key, values, headers, order, compression=self._options.get("compression_type")
                    )
                    made = (self._partition, order, batch)
                leader.produce(self._topic, self._partition, made[2], timeout_seconds=self._ack_seconds / 2)
            except BrokerRefusalError as error:
                if error.code == KafkaError.DUPLICATE_SEQUENCE_NUMBER:
                    break  # it has the batch: its first word on it was lost
                if error.code not in PASSING or time.monotonic() >= deadline:
                    raise
                if error.code in LOST_COUNT:
                    self._producer = None
                self.close()
            except (OSError, ProtocolError):
                self.close()
                if time.monotonic() >= deadline:
                    raise
            else:
                break
            time.sleep(_PAUSE_SECONDS)
        sequence = self._sequences.get(self._partition, 0)
        self._sequences[self._partition] = (sequence + len(values)) % _SEQUENCE_END

    def _order(self, leader: BrokerConnection) -> BatchOrder:
        if self._producer is None:
            self._producer = leader.producer_id()
            self._sequences.clear()
        return BatchOrder(*self._producer, self._sequences.get(self._partition, 0))

    def _connected(self) -> BrokerConnection:
        if self._leader is None or time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS:
            self._connect()
        assert self._leader is not None
        return self._leader

    def _connect_first(self) -> None:
        """Connect; a topic that was made this moment may be known, or led, a little later."""
        end = time.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                self._connect()
            except BrokerRefusalError as error:
                if error.code not in PASSING or time.monotonic() >= end:
                    raise
            else:
                return
            time.sleep(_PAUSE_SECONDS)

    def _connect(self) -> None:
        """Ask the first broker that answers who leads the key's partition, and connect to that."""
        self.close()
        first = self._any_broker()
        try:
            place = first.place_of(self._topic)
        finally:
            first.close()
        self._partition = partition_of(self._key, len(place.leaders))
        leader = place.leaders[self._partition]
        if leader is None:
            raise BrokerRefusalError(KafkaError.LEADER_NOT_AVAILABLE)
        self._leader = self._to(leader)
        self._looked_at = time.monotonic()

    def _any_broker(self) -> BrokerConnection:
        for address in self._bootstrap[:-1]:
            try:
                return self._to(address)
            except (OSError, ProtocolError):
                continue
        return self._to(self._bootstrap[-1])

    def _to(self, address: tuple[str, int]) -> BrokerConnection:
        timeout = min(_CONNECT_SECONDS, self._ack_seconds / 2)
        try:
            connection = BrokerConnection(address, self._options, timeout_seconds=timeout)
        except OSError as error:
            raise ConnectionError(f"{address[0]}:{address[1]}: {error}") from error
        connection.patience(self._ack_seconds / 2)
        return connection

    def _words(self, error: BrokerRefusalError) -> str:
        if error.code == KafkaError.UNKNOWN_TOPIC_OR_PARTITION:
            return f"topic {self._topic!r}: {error}; `netdusk topics` makes it"
        return str(error)


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    try:
        return host.strip("[]"), int(port)
    except ValueError as error:
        raise SendError(f"{server}: write HOST:PORT", ()) from error


def _parts(values: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where batches begin and end: each of at most so many bytes, or of one record."""
    parts, start, size = [], 0, 0
    for number, value in enumerate(values):
        if number > start and size + len(value) > _BATCH_BYTES:
            parts.append((start, number))
            start, size = number, 0
        size += len(value)
    return [*parts, (start, len(values))] if len(values) > start else parts
