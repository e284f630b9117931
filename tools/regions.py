"""Writes `streams/names/regions.json`: English names of ISO 3166-2 codes, from the CLDR.

The CLDR's are in the npm package `cldr-subdivisions-full` (Unicode-3.0): `npm pack cldr-subdivisions-full@48.2.0`, then
`python -m tools.regions package/subdivisions/en/en.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

OUT = Path(__file__).parents[1] / "streams" / "names" / "regions.json"
#: What the CLDR puts behind the second of two regions of one name.
_MARKS = "²³⁴"


def regions(source: str) -> dict[str, str]:
    """Names by code, as ISO 3166-2 writes codes.

    >>> regions('{"subdivisions": {"localeDisplayNames": {"subdivisions": {"pkpb": "Punjab", "ug330": "Zombo²"}}}}')
    {'PK-PB': 'Punjab', 'UG-330': 'Zombo'}
    """
    names = json.loads(source)["subdivisions"]["localeDisplayNames"]["subdivisions"]
    return {
        f"{code[:2].upper()}-{code[2:].upper()}": name.rstrip(_MARKS) for code, name in sorted(names.items())
    }


def text(names: dict[str, str]) -> str:
    """A line a name, so that a change can be read."""
    return json.dumps(names, ensure_ascii=False, indent=0, separators=(",", ":")) + "\n"


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="en.json of cldr-subdivisions-full")
    OUT.write_text(text(regions(parser.parse_args().source.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
