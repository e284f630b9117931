"""The export of an incident that a reader can check, out of the archive: `netdusk report ID --bundle`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from producers.bundles import text_signer
from streams.archive.store import ToldStore, store_at, without_keys
from streams.errors import install
from streams.publish.exports import Export, ExportError, Header, Sign, read, write
from streams.publish.report import of_one
from streams.records import Incident, Status, Window
from streams.release import release
from streams.settings import Settings, SettingsError

#: So much before the onset and after the end: what was usual, and that it is again.
_AROUND: Final = timedelta(hours=1)


def export(
    settings: Settings, wanted: str | None, url: str | None, key: Path | None, after: Path | None
) -> bytes:
    """Return the export of a resolved incident of the archive. Raises SettingsError, which says what to do."""
    place = url or settings.archive.url
    try:
        from streams.archive.reader import Archive  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise SettingsError(f"--bundle needs {error.name}; {install('archive')}") from error
    archive = Archive(ToldStore(store_at(place), place))
    try:
        snapshots = of_one(archive.incidents(), wanted)
    except ValueError as error:
        raise SettingsError(f"{without_keys(place)}: {error}") from error
    last = snapshots[-1]
    if last.status is not Status.RESOLVED or last.resolved is None:
        raise SettingsError(f"{last.id} is open still; export it once it is resolved")
    public_key, sign = (None, None) if key is None else _signer(key)
    header = Header(
        incident=last.id,
        made=datetime.now(UTC).replace(microsecond=0),
        version=release(),
        simulated=last.simulated,
        previous=None if after is None else _before(after),
    )
    return b"".join(write(header, snapshots, _windows(archive, last), public_key=public_key, sign=sign))


def checked(path: Path) -> Export:
    """An export whose chain is whole. Raises ExportError where it is not, SettingsError where it can't be read."""
    try:
        with path.open("rb") as file:
            return read(file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a readable file") from error


def _before(path: Path) -> str:
    try:
        return checked(path).end.hash
    except ExportError as error:
        raise SettingsError(f"{path}: {error}") from error


def _windows(archive: Any, incident: Incident) -> Iterator[Window]:
    begin = incident.onset - _AROUND
    end = (incident.resolved or incident.updated) + _AROUND
    for country in (incident.country,) if incident.country is not None else incident.countries:
        for window in archive.windows(country, begin, end):
            if window.simulated == incident.simulated:
                yield window


def _signer(path: Path) -> tuple[str, Sign]:
    try:
        return text_signer(path.read_text().strip())
    except ModuleNotFoundError as error:
        raise SettingsError(f"--key needs {error.name}; {install('trust')}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a readable file") from error
    except ValueError as error:
        raise SettingsError(f"{path}: no private key; `netdusk vantage keygen FILE` makes one") from error
