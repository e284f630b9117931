"""Bundles and signatures: what is taken, and what is refused with which reason."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

import msgspec
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from producers.bundles import (
    BundleError,
    Signer,
    Verifier,
    bundle,
    key_id,
    new_key,
    opened,
    signed_text,
    text_signer,
)
from producers.records import BUNDLE_BEGINS, Reason, Tick, encode
from streams.machine import Chunk, Headers
from streams.records import Rejected, Vantage, VantageState
from streams.settings import TrustSettings
from streams.step.country import CountryMachine
from streams.step.speakers import Speakers
from tests.streams.step.liars import START, result, settings

PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()
ENTRY = Vantage(vantage="v7", country="PK", asn=7, public_key=PUBLIC, since=START)
OTHER = Vantage(vantage="v8", country="PK", asn=8, public_key=OTHER_PUBLIC, since=START)
TICK = encode(Tick(time=START + timedelta(minutes=1)))
LATER = encode(Tick(time=START + timedelta(minutes=4)))

Record = tuple[bytes, Headers]


def lines(count: int = 3, asn: int = 7, **more: object) -> list[bytes]:
    return [encode(result(1, second, asn, "x", True, **more)) for second in range(count)]


def signed(signer: Signer, value: bytes) -> Record:
    return value, signer.headers(value)


def machine_of(*entries: Vantage, policy: str = "signed") -> CountryMachine:
    machine = CountryMachine(settings(policy), publish_health=False, publish_windows=False)
    for entry in entries:
        machine.note(entry)
    machine.apply(machine.read(Chunk("t", 0, [0], [TICK])))
    return machine


def put(machine: CountryMachine, *records: Record) -> list[Rejected]:
    """Give a machine Kafka records; returns what is refused."""
    values, headers = zip(*records, strict=True)
    first = machine.next_offset
    chunk = Chunk("t", 0, range(first, first + len(values)), values, None, [b"PK"] * len(values), headers)
    outbox = machine.apply(machine.read(chunk))
    return [msgspec.json.decode(message.value, type=Rejected) for message in outbox.before]


def counts(machine: CountryMachine) -> tuple[int, int]:
    return machine.totals.applied, machine.totals.unregistered


def test_what_a_registered_vantage_signs_has_a_vote() -> None:
    machine = machine_of(ENTRY)
    assert put(machine, signed(Signer(PRIVATE), bundle("v7", lines()))) == []
    assert counts(machine) == (3, 0)


def test_a_single_result_can_be_signed_too() -> None:
    machine = machine_of(ENTRY)
    assert put(machine, signed(Signer(PRIVATE), lines(1)[0])) == []
    assert counts(machine) == (1, 0)


def test_what_nobody_signed_is_shown_and_has_no_vote() -> None:
    machine = machine_of(ENTRY)
    assert put(machine, (bundle("v7", lines()), ()), (lines(1, id="another")[0], ())) == []
    assert counts(machine) == (4, 4)


@pytest.mark.parametrize("policy", ["open", "registered"])
def test_bundles_need_no_key_under_other_policies(policy: str) -> None:
    machine = machine_of(ENTRY, policy=policy)
    assert put(machine, (bundle("v7", lines()), ())) == []
    assert counts(machine) == (3, 0)


def test_replays_are_refused_also_after_a_restore() -> None:
    machine = machine_of(ENTRY)
    first = signed(Signer(PRIVATE), bundle("v7", lines()))
    assert [one.reason for one in put(machine, first, first)] == [Reason.REPLAYED]
    fresh = machine_of()
    fresh.restore(machine.snapshot())
    assert [one.reason for one in put(fresh, first)] == [Reason.REPLAYED]
    assert counts(fresh) == (3, 0)


def test_one_key_in_two_places_is_one_vantage_and_what_it_signed_earlier_is_refused() -> None:
    machine = machine_of(ENTRY)
    here, there = Signer(PRIVATE), Signer(PRIVATE)
    first = signed(here, bundle("v7", lines()))
    second = signed(there, bundle("v7", lines(6)))
    elsewhere = signed(there, bundle("v7", lines(asn=9)))
    # The later one comes first; the first one's results are among its own.
    assert [one.reason for one in put(machine, second, first)] == [Reason.REPLAYED]
    assert {one.reason for one in put(machine, elsewhere)} == {Reason.WRONG_SPEAKER}
    third = signed(here, bundle("v7", lines(6)))
    assert put(machine, third) == []
    assert counts(machine) == (6, 0)
    assert machine.totals.duplicate == 6
    machine.apply(machine.read(Chunk("t", 0, [machine.next_offset], [LATER])))
    assert machine.networks_live() == {"PK": 1}


def test_a_sequence_that_was_taken_is_in_the_redo_log() -> None:
    machine, other = machine_of(ENTRY), machine_of(ENTRY)
    value, headers = signed(Signer(PRIVATE), bundle("v7", lines()))
    batch = machine.read(Chunk("t", 0, [1], [value], None, [b"PK"], [headers]))
    machine.apply(batch)
    other.apply(other.decode_batch(batch.encode()))
    assert other.snapshot() == machine.snapshot()


def _swapped(headers: Headers, name: str, text: bytes) -> Headers:
    return [(key, text if key == name else value) for key, value in headers]


def test_what_is_signed_wrongly_is_refused_with_its_reason() -> None:
    machine = machine_of(
        ENTRY, OTHER, Vantage(vantage="v8", country="PK", asn=8, state=VantageState.REVOKED, since=START)
    )
    mine, theirs, unknown = Signer(PRIVATE), Signer(OTHER_PRIVATE), Signer(new_key()[0])
    value = bundle("v7", lines())
    good = mine.headers(value)
    refused = put(
        machine,
        signed(unknown, value),
        signed(theirs, bundle("v8", lines(asn=8))),
        (value + b" ", good),
        (value, _swapped(good, "netdusk-sequence", b"1")),
        (value, _swapped(good, "netdusk-sequence", b"-1")),
        (value, _swapped(good, "netdusk-signature", b"")),
        signed(mine, bundle("v9", lines(vantage="v9"))),
        signed(mine, BUNDLE_BEGINS + b',"vantage":"v7","n":2}\n{}'),
    )
    assert [one.reason for one in refused] == [
        Reason.UNKNOWN_KEY,
        Reason.REVOKED_KEY,
        Reason.BAD_SIGNATURE,
        Reason.BAD_SIGNATURE,
        Reason.BAD_SIGNATURE,
        Reason.BAD_SIGNATURE,
        Reason.WRONG_SPEAKER,
        Reason.BUNDLE_DAMAGED,
    ]
    assert counts(machine) == (0, 0)


def test_a_line_for_another_vantage_network_or_country_is_refused_and_the_others_are_taken() -> None:
    machine = machine_of(ENTRY, OTHER)
    mixed = [*lines(1), *lines(1, asn=8), *lines(1, vantage="v8"), TICK, *lines(1, id="another")]
    refused = put(machine, signed(Signer(PRIVATE), bundle("v7", mixed)))
    assert [one.reason for one in refused] == [Reason.WRONG_SPEAKER] * 3
    assert counts(machine) == (2, 0)


def test_each_speakers_bundles_are_held_against_it_wherever_they_stand_among_others() -> None:
    machine = machine_of(ENTRY, OTHER)
    one, other = Signer(PRIVATE), Signer(OTHER_PRIVATE)
    foreign = lines(1, 8, id="stolen")
    refused = put(
        machine,
        signed(one, bundle("v7", lines(2, id="a"))),
        signed(other, bundle("v8", lines(2, 8, id="b"))),
        (bundle("v7", [*lines(1, id="c"), *foreign]), ()),
        signed(one, bundle("v7", [*foreign, *lines(1, id="d")])),
        signed(other, bundle("v8", [*lines(1, 8, id="e"), *lines(1, 7, id="f")])),
        signed(one, bundle("v7", foreign)),
    )
    wrong = foreign[0], foreign[0], lines(1, 7, id="f")[0], foreign[0]
    assert [one.reason for one in refused] == [Reason.WRONG_SPEAKER] * 4
    assert [one.value for one in refused] == list(wrong)
    # One is of a bundle that nobody signed; of the signed ones, what is the speaker's own: two ids each.
    assert counts(machine) == (5, 1)


def test_a_key_that_was_replaced_is_revoked() -> None:
    machine = machine_of(ENTRY, msgspec.structs.replace(ENTRY, public_key=OTHER_PUBLIC))
    value = bundle("v7", lines())
    refused = put(machine, signed(Signer(PRIVATE), value), signed(Signer(OTHER_PRIVATE), value))
    assert [one.reason for one in refused] == [Reason.REVOKED_KEY]
    assert counts(machine) == (3, 0)


@pytest.mark.parametrize(
    "states", ["shared", "first revoked", "second revoked", "second has another", "turned"]
)
def test_a_key_of_two_vantages_is_good_for_neither_before_and_after_a_restore(states: str) -> None:
    twin = msgspec.structs.replace(OTHER, public_key=PUBLIC)
    told = {
        "shared": [ENTRY, twin],
        "turned": [twin, ENTRY],
        "first revoked": [ENTRY, twin, msgspec.structs.replace(ENTRY, state=VantageState.REVOKED)],
        "second revoked": [ENTRY, twin, msgspec.structs.replace(twin, state=VantageState.REVOKED)],
        "second has another": [ENTRY, twin, OTHER],
    }[states]
    live = Speakers(TrustSettings(policy="signed"), told)
    restored = Speakers(TrustSettings(policy="signed"), live.kept)
    name = key_id(PUBLIC)
    assert live.of_key(name) == restored.of_key(name)
    entry = live.of_key(name)
    assert entry is not None
    assert (entry.state is VantageState.ACTIVE) == (states == "second has another")


def test_a_header_or_a_member_that_is_there_twice_is_refused() -> None:
    machine = machine_of(ENTRY)
    signer, value = Signer(PRIVATE), bundle("v7", lines())
    more = [(value, (header, *signer.headers(value))) for header in signer.headers(value)]
    heads = [b',"vantage":"v8","vantage":"v7","n":3}', b',"vantage":"v7","n":2,"n":3}']
    bodies = [b"\n".join((BUNDLE_BEGINS + head, *lines())) for head in heads]
    deep = BUNDLE_BEGINS + b',"vantage":"v7","n":0,"x":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    refused = put(machine, *more, *(signed(signer, body) for body in (*bodies, deep)))
    assert [one.reason for one in refused] == [Reason.BAD_SIGNATURE] * 3 + [Reason.BUNDLE_DAMAGED] * 3
    assert counts(machine) == (0, 0)


def test_of_a_bundle_of_tiny_bad_lines_few_are_told_and_all_are_counted() -> None:
    machine = machine_of(ENTRY)
    value = bundle("v7", [b"{}"] * 2000)
    told = put(machine, signed(Signer(PRIVATE), value))
    assert machine.totals.rejected == 2000
    assert 50 < len(told) < 300
    # The next record has as much room again, and lines as long as results are told one by one.
    late = lines(60, time=START - timedelta(days=3))
    assert len(put(machine, signed(Signer(PRIVATE), bundle("v7", late)))) == 60
    assert len(put(machine, signed(Signer(PRIVATE), bundle("v7", [b"{}"] * 50)))) == 50


def test_sequences_rise_over_restarts_even_if_the_clock_was_set_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    kept = tmp_path_factory.mktemp("key") / "sequence"
    kept.write_text(str(2**60))
    headers = dict(Signer(PRIVATE, kept).headers(b"{}"))
    assert int(headers["netdusk-sequence"]) == 2**60 + 1
    assert kept.read_text() == str(2**60 + 1)


def test_a_signature_is_over_a_kind_the_sequence_and_the_hash_of_the_value() -> None:
    text = signed_text(12, b"{}")
    assert text == b"netdusk.signed/1\n12\n" + blake3(b"{}").hexdigest().encode() + b"\n"
    # Nothing else that a key may sign reads like it: no sequence and value share their text with others.
    assert signed_text(1, b"2\n{}") != signed_text(12, b"{}") != signed_text(1, b"{}")


def test_a_signature_over_another_text_or_of_another_length_is_none() -> None:
    machine = machine_of(ENTRY)
    value = bundle("v7", lines())
    headers = dict(Signer(PRIVATE).headers(value))
    sequence, good = headers["netdusk-sequence"], headers["netdusk-signature"]
    _, sign = text_signer(PRIVATE)
    text = signed_text(int(sequence), value)
    wrong = [
        sign(sequence + b"\n" + value),
        sign(b"netdusk.signed/1\n%s\n%s\n" % (sequence, hashlib.sha256(value).hexdigest().encode())),
        good[:-1],
        good + text[:1],
        good + text,
        sign(text[1:]) + text[:1],
        bytes(64),
    ]
    records = [(value, tuple((headers | {"netdusk-signature": one}).items())) for one in wrong]
    assert [one.reason for one in put(machine, *records)] == [Reason.BAD_SIGNATURE] * len(wrong)
    assert put(machine, (value, tuple(headers.items()))) == []


def test_a_public_key_of_small_order_signs_nothing() -> None:
    # The neutral point: under it a checker that is not strict takes one signature for any text.
    neutral = b"\x01" + bytes(31)
    public = base64.b64encode(neutral).decode()
    assert not Verifier().good(public, 1, b"{}", neutral + bytes(32))


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and line)), st.text(max_size=9))
def test_a_bundle_is_opened_as_it_was_made(values: list[bytes], vantage: str) -> None:
    assert opened(bundle(vantage, values)) == (vantage, values)


@given(st.binary(max_size=60))
def test_any_bytes_are_opened_or_refused(rest: bytes) -> None:
    try:
        opened(BUNDLE_BEGINS + rest)
    except BundleError as error:
        assert str(error)
