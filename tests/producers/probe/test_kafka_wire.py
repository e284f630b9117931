"""Kafka's protocol, held against kafka-python's reading of the same bytes, and against a broker with listed answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record import MemoryRecords

from producers.probe.kafka_sender import KafkaSender
from producers.probe.kafka_wire import (
    BatchOrder,
    BrokerConnection,
    BrokerRefusalError,
    ProtocolError,
    ScramExchange,
    record_batch,
)
from producers.probe.sink import SendError

VALUES = st.lists(st.binary(max_size=300), min_size=1, max_size=20)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=200)), max_size=3)
ORDER = BatchOrder(producer_id=77, epoch=2, sequence=1000)


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
@given(values=VALUES, headers=HEADERS, key=st.binary(max_size=70))
def test_a_batch_is_read_as_it_was_written(
    compression: str | None, values: list[bytes], headers: list[tuple[str, bytes]], key: bytes
) -> None:
    wire = record_batch(key, values, [headers] * len(values), ORDER, compression=compression, time_ms=5)
    read = MemoryRecords(wire)
    batch = read.next_batch()
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (77, 2, 1000)
    records = list(batch)
    assert [record.value for record in records] == values
    assert {record.key for record in records} == {key}
    assert all(record.headers == headers for record in records)
    assert [record.offset for record in records] == list(range(len(values)))
    assert not read.has_next()


def test_scram_is_as_the_standard_has_it() -> None:
    """The exchange of RFC 7677, 3."""
    exchange = ScramExchange("SCRAM-SHA-256", "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert exchange.opening == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    proof = exchange.proof(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert proof == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    exchange.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(ProtocolError, match="can't show that it knows the password"):
        exchange.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")


@pytest.mark.parametrize("challenge", [b"", b"r=other,s=,i=1", b"\xff", b"r=abcd,s=AA==,i=0", b"r=abcd,i=9"])
def test_a_challenge_that_is_none_is_refused(challenge: bytes) -> None:
    with pytest.raises(ProtocolError):
        ScramExchange("SCRAM-SHA-512", "user", "pencil", nonce="abc").proof(challenge)


def _text(text: str) -> bytes:
    return struct.pack("!h", len(text)) + text.encode()


class ListedBroker:
    """A listening socket that gives one answer after the other, whatever it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bytes]] = []
        self.answers: list[bytes | None] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def metadata(self, *, error: int = 0, leader: int = 1) -> bytes:
        broker = struct.pack("!ii", 1, 1) + _text("127.0.0.1") + struct.pack("!ih", self.port, -1)
        partition = struct.pack("!hiiiii", 0, 0, leader, 1, 1, 0)
        topic = struct.pack("!h", error) + _text("t") + b"\0" + struct.pack("!i", 1) + partition
        return struct.pack("!i", 0) + broker + struct.pack("!hii", -1, 1, 1) + topic

    @staticmethod
    def producer() -> bytes:
        return struct.pack("!ihqh", 0, 0, 7, 0)

    @staticmethod
    def produced(error: int = 0) -> bytes:
        return struct.pack("!i", 1) + _text("t") + struct.pack("!iihqqqi", 1, 0, error, 0, -1, 0, 0)

    def produce_requests(self) -> list[bytes]:
        return [body for kind, body in self.asked if kind == 0]

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # else `accept` waits on
        self._listening.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        while head := connection.recv(4, socket.MSG_WAITALL):
            body = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            kind, _, number = struct.unpack_from("!hhi", body)
            self.asked.append((kind, body))
            answer = self.answers.pop(0)
            if answer is None:
                return
            connection.sendall(struct.pack("!ii", len(answer) + 4, number) + answer)


@pytest.fixture
def broker() -> Iterator[ListedBroker]:
    listed = ListedBroker()
    yield listed
    listed.close()


def _sender(broker: ListedBroker) -> KafkaSender:
    options = {"bootstrap_servers": f"127.0.0.1:{broker.port}", "client_id": "c"}
    return KafkaSender(options, "t", b"PK", ack_seconds=4.0)


def _batches(broker: ListedBroker) -> list[list[bytes]]:
    found = []
    for body in broker.produce_requests():
        batch = MemoryRecords(body[body.index(b"\xff\xff\xff\xff\x02") - 12 :]).next_batch()
        found.append([record.value for record in batch])
    return found


@pytest.mark.integration
def test_a_batch_whose_answer_was_lost_goes_again_as_it_was(broker: ListedBroker) -> None:
    broker.answers = [broker.metadata(), broker.producer(), None, broker.metadata(), broker.produced(46)]
    sender = _sender(broker)
    sender.send([b"one", b"two"])
    sender.close()
    first_try, second_try = (body[8:] for body in broker.produce_requests())
    assert first_try == second_try


@pytest.mark.integration
@pytest.mark.parametrize("passing", [6, 7, 19, 20, 56])
def test_an_error_that_passes_is_tried_again(broker: ListedBroker, passing: int) -> None:
    broker.answers = [broker.metadata(), broker.producer(), broker.produced(passing)]
    broker.answers += [broker.metadata(), broker.produced()]
    sender = _sender(broker)
    sender.send([b"one"])
    sender.close()
    assert _batches(broker) == [[b"one"], [b"one"]]


@pytest.mark.integration
def test_a_topic_that_was_made_this_moment_is_waited_for(broker: ListedBroker) -> None:
    broker.answers = [broker.metadata(error=3), broker.metadata(leader=-1), broker.metadata()]
    broker.answers += [broker.producer(), broker.produced()]
    sender = _sender(broker)
    sender.send([b"one"])
    sender.close()
    assert _batches(broker) == [[b"one"]]


@pytest.mark.integration
@pytest.mark.parametrize("lost", [45, 47, 59])
def test_where_the_broker_lost_count_it_begins_anew(broker: ListedBroker, lost: int) -> None:
    broker.answers = [broker.metadata(), broker.producer(), broker.produced(), broker.produced(lost)]
    broker.answers += [broker.metadata(), broker.producer(), broker.produced()]
    sender = _sender(broker)
    sender.send([b"one"])
    sender.send([b"two"])
    sender.close()
    assert _batches(broker) == [[b"one"], [b"two"], [b"two"]]


@pytest.mark.integration
def test_what_is_too_large_is_found_by_halves(broker: ListedBroker) -> None:
    answers = [broker.produced(10), broker.produced(), broker.produced(10), broker.produced(10)]
    broker.answers = [broker.metadata(), broker.producer(), *answers, broker.produced()]
    sender = _sender(broker)
    with pytest.raises(SendError, match="MESSAGE_TOO_LARGE") as told:
        sender.send([b"1", b"2", b"large", b"4"])
    sender.close()
    assert (list(told.value.unsent), list(told.value.refused)) == ([], [b"large"])
    assert _batches(broker)[1:] == [[b"1", b"2"], [b"large", b"4"], [b"large"], [b"4"]]


@pytest.mark.integration
def test_who_may_not_write_is_told_and_keeps_everything(broker: ListedBroker) -> None:
    broker.answers = [broker.metadata(), broker.producer(), broker.produced(29)]
    sender = _sender(broker)
    with pytest.raises(SendError, match="TOPIC_AUTHORIZATION_FAILED") as told:
        sender.send([b"1", b"2"])
    sender.close()
    assert list(told.value.unsent) == [b"1", b"2"]


@pytest.mark.integration
@pytest.mark.parametrize("answer", [b"", b"\0" * 3, b"\x7f" * 40])
def test_what_no_broker_answers_is_refused(broker: ListedBroker, answer: bytes) -> None:
    broker.answers = [answer]
    connection = BrokerConnection(("127.0.0.1", broker.port), {}, timeout_seconds=4.0)
    with pytest.raises((ProtocolError, BrokerRefusalError)):
        connection.place_of("t")
    connection.close()
