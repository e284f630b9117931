from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.probe.spool import Spool, SpoolError

LINES = st.lists(st.binary(min_size=1, max_size=60).map(lambda line: line.replace(b"\n", b".")), max_size=12)


def drained(spool: Spool) -> list[bytes]:
    lines: list[bytes] = []
    while some := spool.head(7):
        lines += some
        spool.forget(len(some))
    return lines


@settings(max_examples=40, deadline=None)
@given(moves=st.lists(st.one_of(LINES, st.integers(1, 9), st.just("reopen")), max_size=25))
def test_what_goes_in_comes_out_in_order_whatever_happens(moves: list[list[bytes] | int | str]) -> None:
    """Against a plain list. After a restart, lines of a segment that was half read may come again, never be missing."""
    with TemporaryDirectory() as name:
        spool = Spool(Path(name), bytes_max=1_000_000, segment_bytes=100)
        expected: list[bytes] = []
        repeated = 0
        for move in moves:
            if isinstance(move, list):
                spool.append(move)
                expected += move
            elif isinstance(move, int):
                lines = spool.head(move)
                assert lines == expected[: len(lines)]
                assert lines or not expected
                spool.forget(len(lines))
                del expected[: len(lines)]
            else:
                before = spool.records
                spool.close()
                spool = Spool(Path(name), bytes_max=1_000_000, segment_bytes=100)
                repeated = spool.records - before
                assert 0 <= repeated <= 100
                again = drained(spool)
                assert again[repeated:] == expected
                expected = []
        assert drained(spool)[-len(expected) or None :] == expected
        assert spool.records == 0
        assert spool.size_bytes == 0
        spool.close()


def test_beyond_the_bound_the_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes_max=1000, segment_bytes=200)
    lines = [b"%06d" % i + b"x" * 13 for i in range(200)]  # 20 bytes each on disk
    for start in range(0, 200, 5):
        spool.append(lines[start : start + 5])
        assert spool.size_bytes <= 1000
    kept = drained(spool)
    assert kept == lines[-len(kept) :]
    assert 40 <= len(kept) <= 50
    assert spool.dropped == 200 - len(kept)
    spool.close()


def test_lines_already_taken_are_not_counted_as_lost(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes_max=200, segment_bytes=100)
    spool.append([b"x" * 19] * 5)
    spool.forget(len(spool.head(3)))
    spool.append([b"y" * 19] * 10)
    assert spool.dropped == 2
    spool.close()


def test_a_torn_last_line_is_left_out_and_the_rest_stands(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"one", b"two"])
    spool.close()
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"cut o')
    spool = Spool(tmp_path)
    assert spool.torn == 7
    spool.append([b"three"])
    assert drained(spool) == [b"one", b"two", b"three"]
    spool.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match="another process has it; give each its own folder"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"file/spool: .*; name a folder that can be written"):
        Spool(tmp_path / "file" / "spool")


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The limit on a file's size stands in for the disk's: the write fails in the middle."""
    spool = Spool(tmp_path)
    spool.append([b"kept"])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            spool.append([b"x" * 2000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spool.append([b"after"])
    assert drained(spool) == [b"kept", b"after"]
    spool.close()


def test_a_segment_that_cannot_be_read_can_be_skipped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=10)
    spool.append([b"one is lost", b"next"])
    first, _ = sorted(tmp_path.glob("*.jsonl"))
    first.unlink()
    with pytest.raises(OSError, match="No such file"):
        spool.head(5)
    assert spool.skip() == 1
    assert drained(spool) == [b"next"]
    spool.close()


def test_what_a_full_disk_left_empty_keeps_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    with monkeypatch.context() as full:
        full.setattr("os.fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            spool.append([b"lost"])
        assert spool.head(10) == []
    spool.append([b"one", b"two"])
    assert spool.head(10) == [b"one", b"two"]


@pytest.mark.parametrize("left", [b"", b"one\n", b"one\ntw"])
def test_a_segment_that_was_cut_meanwhile_is_counted_and_the_next_one_comes(
    tmp_path: Path, left: bytes
) -> None:
    spool = Spool(tmp_path, segment_bytes=8)
    spool.append([b"one", b"two", b"three"])
    (tmp_path / "000000000001.jsonl").write_bytes(left)
    read = []
    while lines := spool.head(10):
        read += lines
        spool.forget(len(lines))
    assert (read, spool.records) == ([*left.split(b"\n")[:-1], b"three"], 0)
    assert spool.vanished == 3 - len(read)


def test_what_was_written_before_the_disk_was_full_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, segment_bytes=8)
    # A segment's fsync is its folder's and its own: the second segment's own fails.
    monkeypatch.setattr("os.fsync", Mock(side_effect=[None, None, None, OSError(errno.ENOSPC, "full")]))
    with pytest.raises(OSError, match="full"):
        spool.append([b"one", b"two", b"three"])
    assert (spool.added, spool.head(10)) == (2, [b"one", b"two"])


def test_files_are_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder)
    spool.append([b"one"])
    spool.set_aside([b"two"])
    spool.close()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    (segment,) = folder.glob("0*.jsonl")
    segment.chmod(0o644)  # as an earlier version left it
    Spool(folder).close()
    assert segment.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_named_like_a_segment_and_is_none_is_said(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "000000000001.jsonl", tmp_path / "another's"
    other.write_text("half a line")
    other.chmod(0o644)
    if kind == "folder":
        path.mkdir(mode=0o755)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other)
    before = path.lstat().st_mode
    with pytest.raises(
        SpoolError, match=r"000000000001.jsonl: it is no plain file; move it out of the spool's folder"
    ):
        Spool(tmp_path)
    assert path.lstat().st_mode == before
    assert (other.read_text(), other.stat().st_mode & 0o777) == ("half a line", 0o644)
    path.rmdir() if kind == "folder" else path.unlink()
    Spool(tmp_path).close()  # the lock was let go


def test_what_is_set_aside_is_no_part_of_the_queue_and_bounded(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"one"])
    for _ in range(20):
        spool.set_aside([b"x" * 1_000_000])
    spool.close()
    assert 15_000_000 < (tmp_path / "set-aside.jsonl").stat().st_size < 16 * 1024 * 1024
    spool = Spool(tmp_path)
    assert drained(spool) == [b"one"]
    spool.close()
