"""Files as they come: packed or not, alone or in a tar, one stream after the other, and nothing written to a disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import lz4.frame

from producers.sources.contract import Item, RefusalReason, Refused, detail


class _Zstd(io.RawIOBase):
    """A zstd file as it was before; the library's own reader takes a file that was cut for a whole one."""

    def __init__(self, stream: IO[bytes]) -> None:
        import zstandard  # noqa: PLC0415  only for files that need it

        self._decompressor = zstandard.ZstdDecompressor()
        self._stream = stream
        self._frame: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            data = data or self._stream.read(_PIECE_BYTES)
            if not data:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("the file ends within a frame")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._ready = memoryview(self._frame.decompress(data))
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


#: Compressed bytes that are unpacked at once: four of zstd's can hold 128 KiB.
_PIECE_BYTES: Final = 512
#: What the first bytes of a packed file are.
_PACKED: Final[tuple[tuple[bytes, Callable[[Any], Any]], ...]] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x04\x22\x4d\x18", lz4.frame.open),
    (b"\x28\xb5\x2f\xfd", _Zstd),
)
_TAR_MARK: Final = slice(257, 262)
_TAR_BLOCK: Final = 512


def _damaged() -> tuple[type[Exception], ...]:
    """What a damaged file raises; gzip's and LZ4's own errors are an OSError and a RuntimeError."""
    import zstandard  # noqa: PLC0415

    return (
        EOFError,
        zlib.error,
        OSError,
        lzma.LZMAError,
        tarfile.TarError,
        RuntimeError,
        zstandard.ZstdError,
    )


def unpacked(source: IO[bytes]) -> io.BufferedReader[Any]:
    """A file as it was before it was packed, once; it may be looked into.

    What it is packed by is known by its first bytes, whatever it is called.
    """
    stream = io.BufferedReader(source, buffer_size=64 * 1024)  # type: ignore[type-var]  # it reads, and that is all
    first = stream.peek(16)
    for mark, kind in _PACKED:
        if first.startswith(mark):
            return io.BufferedReader(kind(stream))
    return stream


def may_go_back(stream: IO[bytes]) -> bool:
    """Whether any part of it can be read again at once: a file by itself, neither packed nor within a tar."""
    packed = (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile, lz4.frame.LZ4FrameFile, tarfile.ExFileObject)
    return stream.seekable() and not isinstance(getattr(stream, "raw", None), packed)


def is_tar(stream: io.BufferedReader[Any]) -> bool:
    """Whether it is a tar, by its mark."""
    return stream.peek(_TAR_BLOCK)[_TAR_MARK] == b"ustar"


def read_all(
    name: str, source: IO[bytes], read: Callable[[str, IO[bytes]], Iterator[Item]]
) -> Iterator[Item]:
    """Everything that a reader finds in a file, or in each file of a tar. A damaged one is refused from there on."""
    try:
        stream = unpacked(source)
        if not is_tar(stream):
            yield from read(name, stream)
            return
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    with content:
                        yield from read_all(f"{name}/{member.name}", content, read)
    except _damaged() as error:
        yield Refused(RefusalReason.DAMAGED_FILE, detail(error), name)
