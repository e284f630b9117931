"""Names of networks by AS number, from a table of the operator's: a CSV file with the columns `asn` and `name`.

None is shipped: no registry gives its table away under a licence that would let us.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from producers.names import is_printable
from streams.errors import SettingsError

_ASN_MAX: Final = 4_294_967_295
_NAME_MAX: Final = 200


def read_networks(path: Path) -> Mapping[int, str]:
    """Return names by AS number. `AS17557` and `17557` are the same; rows without a name are passed over.

    Raises SettingsError with file, line and remedy.
    """
    names: dict[int, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"asn", "name"} <= set(rows.fieldnames or ()):
                raise SettingsError(
                    f"names.networks: {path}: the first line has to name the columns asn and name"
                )
            for row in rows:
                number = (row["asn"] or "").strip().upper().removeprefix("AS")
                name = " ".join((row["name"] or "").split())
                if not (number.isascii() and number.isdecimal() and 0 < int(number[:11]) <= _ASN_MAX):
                    raise SettingsError(
                        f"names.networks: {path}, line {rows.line_num}: asn = {row['asn']!r}: "
                        "write a number, like 17557"
                    )
                if not is_printable(name) or len(name) > _NAME_MAX:
                    raise SettingsError(
                        f"names.networks: {path}, line {rows.line_num}: name = {name[:40]!r}: up to {_NAME_MAX} "
                        "printable characters"
                    )
                if name:
                    names[int(number)] = name
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"names.networks: {path}: {why}; name a CSV file in UTF-8") from error
    return names
