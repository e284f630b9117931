"""Where files stand: a folder, or an object store by its URL. A file is put whole, or it is not there.

Folders, S3, Google Cloud Storage, Azure and HDFS go by pyarrow's own file systems; every other URL by fsspec's.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

from streams.errors import SettingsError, install

_REMEDY: Final = install("archive")
_KEYS: Final = re.compile(r"://[^/]*@")
_BY_PYARROW: Final = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs")


def without_keys(url: str) -> str:
    """A place as a log or a message may have it: object stores take keys within their URL.

    >>> without_keys("s3://key:secret@bucket/path"), without_keys("kept@home/x")
    ('s3://…@bucket/path', 'kept@home/x')
    """
    return _KEYS.sub("://…@", url)


def store_at(url: str) -> Store:
    """The store at a path or URL. Raises SettingsError where it can't be used."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        return FolderStore(Path(rest if separator else url))
    try:
        from pyarrow import fs  # noqa: PLC0415  an extra

        if scheme in _BY_PYARROW:
            system, root = fs.FileSystem.from_uri(url)
            return ArrowStore(system, root)
        import fsspec  # noqa: PLC0415  an extra

        other, root = fsspec.core.url_to_fs(url)
        return ArrowStore(fs.PyFileSystem(fs.FSSpecHandler(other)), root)
    except ModuleNotFoundError as error:
        raise SettingsError(f"archive.url = {without_keys(url)!r} needs {error.name}; {_REMEDY}") from error
    except (ImportError, ValueError, OSError) as error:
        raise SettingsError(
            f"archive.url = {without_keys(url)!r}: {error}; name a folder or a URL like s3://bucket/path"
        ) from error


class Store:
    """Files by their paths from the root, with slashes."""

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole, in the place of one that is there."""
        raise NotImplementedError

    def get(self, path: str) -> bytes | None:
        """Return a file, or None where there is none."""
        raise NotImplementedError

    def names(self, folder: str) -> list[str]:
        """Return the names of what is in a folder, sorted: files and folders; none where it does not exist."""
        raise NotImplementedError

    def delete(self, path: str) -> None:
        """Delete a file; one that is gone is no error."""
        raise NotImplementedError

    def open(self, path: str) -> Any:
        """A file as pyarrow reads it. Raises FileNotFoundError."""
        raise NotImplementedError

    def local(self, path: str) -> str | None:
        """Its path on this machine, or None for one elsewhere."""
        raise NotImplementedError


class ToldStore(Store):
    """A store for a command that ends where it fails: what it raises is told with its place."""

    def __init__(self, store: Store, place: str) -> None:
        self._store = store
        self._place = without_keys(place)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SettingsError(f"{self._place}: the archive does not answer ({error}); try again") from error

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole. Raises SettingsError, as all the others do where the store fails."""
        with self._told():
            self._store.put(path, data)

    def get(self, path: str) -> bytes | None:
        """Return a file, or None."""
        with self._told():
            return self._store.get(path)

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        with self._told():
            return self._store.names(folder)

    def delete(self, path: str) -> None:
        """Delete a file."""
        with self._told():
            self._store.delete(path)

    def open(self, path: str) -> Any:
        """Return the file, opened. Raises FileNotFoundError."""
        with self._told():
            return self._store.open(path)

    def local(self, path: str) -> str | None:
        """Return its path on this machine, or None."""
        return self._store.local(path)


class FolderStore(Store):
    """A folder of this machine: a file is written beside its place, flushed to the disk, and renamed into it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole. Raises OSError."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: another process may be writing the same file.
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def get(self, path: str) -> bytes | None:
        """Return a file, or None."""
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, but for what is being written."""
        try:
            entries = [entry.name for entry in (self.root / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in entries if not name.startswith("."))

    def delete(self, path: str) -> None:
        """Delete a file, and its folder if that is empty then."""
        target = self.root / path
        target.unlink(missing_ok=True)
        try:
            target.parent.rmdir()
        except OSError:
            return

    def open(self, path: str) -> IO[bytes] | str:
        """Return the path: pyarrow maps it."""
        target = self.root / path
        if not target.exists():
            raise FileNotFoundError(target)
        return str(target)

    def local(self, path: str) -> str | None:
        """Return its path."""
        return str(self.root / path)


@contextmanager
def _failing_as_oserror() -> Iterator[None]:
    """Whatever an object store's client raises, as one kind of error; what is not there stays FileNotFoundError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}") from error


class ArrowStore(Store):
    """An object store, by one of pyarrow's file systems: an upload is there once it is closed."""

    def __init__(self, system: Any, root: str) -> None:
        self._system = system
        self._root = root.rstrip("/")

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if self._root else path

    def put(self, path: str, data: bytes) -> None:
        """Write a file whole. Raises OSError, as all the others do where the store fails."""
        full = self._path(path)
        with _failing_as_oserror():
            self._system.create_dir(full.rpartition("/")[0], recursive=True)
            with self._system.open_output_stream(full) as stream:
                stream.write(data)

    def get(self, path: str) -> bytes | None:
        """Return a file, or None."""
        try:
            with _failing_as_oserror(), self._system.open_input_file(self._path(path)) as stream:
                return bytes(stream.readall())
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        from pyarrow import fs  # noqa: PLC0415  an extra

        with _failing_as_oserror():
            infos: Sequence[Any] = self._system.get_file_info(
                fs.FileSelector(self._path(folder), allow_not_found=True)
            )
        return sorted(info.base_name for info in infos if info.base_name)

    def delete(self, path: str) -> None:
        """Delete a file."""
        try:
            with _failing_as_oserror():
                self._system.delete_file(self._path(path))
        except FileNotFoundError:
            return

    def open(self, path: str) -> Any:
        """Return the file, opened. Raises FileNotFoundError."""
        with _failing_as_oserror():
            return self._system.open_input_file(self._path(path))

    def local(self, path: str) -> str | None:
        """Return None."""
        return None
