"""DNS messages, held against dnspython's reading of the same bytes."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.failures import Failure
from producers.probe.classify import ObservedFailure
from producers.probe.dns_messages import AskedName, RecordType, ask, labels_of, read_message

_LABEL = st.from_regex("[a-z0-9]{1,3}", fullmatch=True)
NAMES = st.lists(_LABEL, min_size=1, max_size=3).map(".".join)
RECORDS = st.one_of(
    st.tuples(NAMES, st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(NAMES, st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(NAMES, st.just("CNAME"), NAMES.map("{}.".format)),
)
EDITS = st.lists(st.tuples(st.integers(2, 400), st.integers(0, 255)), max_size=3)


def _answer(host: str, kind: str, records: list[tuple[str, str, str]]) -> bytes:
    message = dns.message.make_response(dns.message.make_query(host, kind, use_edns=False))
    message.answer = [dns.rrset.from_text(name + ".", 60, "IN", kind, data) for name, kind, data in records]
    return message.to_wire()


def _as_dnspython_reads(wire: bytes, asked: AskedName) -> tuple[str, ...] | None:
    """The addresses; None where it refuses the message, or the message answers something else."""
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
        question = message.question
        if len(question) != 1 or (labels_of(question[0].name.to_text()), question[0].rdtype) != asked:
            return None
        if not isinstance(message, dns.message.QueryMessage) or question[0].rdclass != dns.rdataclass.IN:
            return None
        found = message.resolve_chaining().answer
    except (dns.exception.DNSException, ValueError):
        return None
    return tuple(item.to_text() for item in found or ())


@pytest.mark.parametrize("kind", ["A", "AAAA"])
@given(host=NAMES, records=st.lists(RECORDS, max_size=5), edits=EDITS)
def test_what_dnspython_reads_is_read_the_same(
    kind: str, host: str, records: list[tuple[str, str, str]], edits: list[tuple[int, int]]
) -> None:
    wire = bytearray(_answer(host, kind, records))
    for at, value in edits:
        wire[at % len(wire)] = value
    number = RecordType[kind]
    theirs = _as_dnspython_reads(bytes(wire), AskedName(labels_of(host), number))
    try:
        message = read_message(bytes(wire))
        ours = message.addresses(number) if not message.truncated else None
    except ObservedFailure as error:
        assert error.failure is Failure.DNS_SERVER_MISBEHAVING
        ours = None
    if theirs is not None and not wire[2] & 0x02:
        assert ours == theirs
    if not edits:
        assert theirs is not None or len(records) > 1  # only a circle of aliases is refused


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(wire: bytes) -> None:
    try:
        message = read_message(wire)
        message.addresses(RecordType.A)
        message.offers_ech()
    except ObservedFailure as error:
        assert error.failure is Failure.DNS_SERVER_MISBEHAVING


@given(NAMES, st.sampled_from(["A", "AAAA", "HTTPS"]))
def test_a_question_is_what_dnspython_asks(host: str, kind: str) -> None:
    theirs = dns.message.make_query(host, kind, use_edns=False).to_wire()
    assert ask(host, RecordType[kind]) == theirs[2:]


@pytest.mark.parametrize("host", ["", "a..b", "x" * 64 + ".org", ".".join(["abcdefg"] * 32)])
def test_a_name_that_cannot_be_asked_for_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="is no name that can be asked for"):
        ask(host, RecordType.A)


def test_of_a_truncated_answer_nothing_is_read_beyond_its_question() -> None:
    message = dns.message.from_wire(_answer("a.example", "A", [("a.example", "A", "192.0.2.1")]))
    message.flags |= dns.flags.TC
    cut = read_message(message.to_wire()[:-9])
    assert (cut.truncated, cut.records) == (True, ())


ECH = "ech=AEX+DQBB3gAgACDM2uHhvuKYfiCM4kFhrRsfJv3GjBpWoh7w8KKXPz3sRAAEAAEAAQASY2xvdWRmbGFyZS1lY2guY29tAAA="


@pytest.mark.parametrize(
    ("services", "offered"),
    [
        ([], False),
        (["1 . alpn=h2,h3"], False),
        ([f"1 . alpn=h2 {ECH} ipv4hint=192.0.2.1"], True),
        (["1 a.example. alpn=h2", f"2 b.example. {ECH}"], True),
        (["0 other.example."], False),
    ],
)
def test_whether_a_service_offers_ech(services: list[str], offered: bool) -> None:
    wire = _answer("x.example", "HTTPS", [("x.example", "HTTPS", text) for text in services])
    assert read_message(wire).offers_ech() is offered
