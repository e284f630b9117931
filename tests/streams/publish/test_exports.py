"""An export is whole, or names the first line that is not as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.bundles import has_signed, new_key, text_signer
from streams.publish.exports import ExportError, Header, read, signed_text, write
from tests.effort import examples
from tests.streams.archive.test_archive import window
from tests.streams.publish.stories import incident

HEADER = Header(incident="pk-1", made=datetime(2024, 1, 21, tzinfo=UTC), version="0.2.0", simulated=False)
WINDOWS = [window(minute, cells=minute % 3) for minute in range(6)]
LINES = list(write(HEADER, [incident()], WINDOWS))


def test_what_was_written_is_whole() -> None:
    export = read(LINES)
    assert (export.header, export.snapshots, export.windows, export.end.records) == (HEADER, 1, 6, 7)
    with pytest.raises(ExportError, match="is not signed"):
        signed_text(export)


@examples(60)
@given(
    st.integers(0, len(LINES) - 1),
    st.randoms(use_true_random=False),
    st.sampled_from("change drop move add".split()),
)
def test_any_other_line_is_told(number: int, draw: object, how: str) -> None:
    lines = list(LINES)
    if how == "change":
        line = bytearray(lines[number])
        place = draw.randrange(len(line) - 1)  # type: ignore[attr-defined]
        line[place] = line[place] + 1 if line[place] < 0x7E else 0x30
        lines[number] = bytes(line)
    elif how == "drop":
        del lines[number]
    elif how == "move":
        lines[number], lines[number - 1] = lines[number - 1], lines[number]
    else:
        lines.insert(number, lines[number])
    with pytest.raises(ExportError) as told:
        read(lines)
    assert "line" in str(told.value)


def test_a_chain_that_was_made_anew_has_another_hash_and_not_the_signature() -> None:
    secret, public = new_key()
    named, sign = text_signer(secret)
    assert named == public
    export = read(write(HEADER, [incident()], WINDOWS, public_key=public, sign=sign))
    assert has_signed(public, *signed_text(export))
    other = read(write(HEADER, [incident()], WINDOWS[1:], public_key=public, sign=lambda _: bytes(64)))
    assert other.end.hash != export.end.hash
    assert not has_signed(public, *signed_text(other))
    assert not has_signed(new_key()[1], *signed_text(export))


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_member_that_is_there_twice_or_a_space_is_told_by_its_line(number: int) -> None:
    # Many readers take the first of two members, and the hash would be over the last.
    line = LINES[number]
    if number + 1 < len(LINES):
        others = [line.replace(b":", b": ", 1), line[:-1] + b" \n"]
        others += [b'{"record":{"status":"resolved"},' + line[1:], b'{"hash":"00",' + line[1:]]
    else:
        others = [line[:-2] + b',"hash":' + line.partition(b'"hash":')[2]]
    for other in others:
        with pytest.raises(ExportError, match=f"line {number + 1}: "):
            read([*LINES[:number], other, *LINES[number + 1 :]])


def test_line_ends_of_another_system_change_nothing() -> None:
    assert read([line.replace(b"\n", b"\r\n") for line in LINES]) == read(LINES)


def test_a_signature_that_is_no_base64_is_none() -> None:
    _, public = new_key()
    export = read(LINES)
    end = msgspec.structs.replace(export.end, public_key=public, signature="é")
    with pytest.raises(ExportError, match="no base64"):
        signed_text(read([*LINES[:-1], msgspec.json.encode(end)]))


def test_one_follows_another() -> None:
    first = read(LINES)
    later = Header(
        incident="pk-2",
        made=HEADER.made + timedelta(1),
        version="0.2.0",
        simulated=False,
        previous=first.end.hash,
    )
    second = read(write(later, [incident()], WINDOWS))
    assert second.header.previous == first.end.hash
    elsewhere = read(write(HEADER, [incident()], WINDOWS))
    assert second.end.hash != elsewhere.end.hash == first.end.hash


@pytest.mark.parametrize("previous", ["xyz", "00"])
def test_a_hash_that_is_none_is_told(previous: str) -> None:
    line = LINES[0].replace(b'"previous":null', b'"previous":"%s"' % previous.encode())
    with pytest.raises(ExportError, match="line 1"):
        read([line, *LINES[1:]])
