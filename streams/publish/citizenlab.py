"""Citizen Lab's test lists, in and out: CSV of `url,category_code,category_description,date_added,source,notes`.

The format is https://github.com/citizenlab/test-lists'. The lists themselves are not here (CC BY-NC-SA): one is read
from a file that somebody has, who decides what a vantage may ask without putting anybody at risk.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import IO, Final

from producers.failures import Stage
from producers.probe.asked import Endpoint
from producers.probe.targets import Target
from producers.sources.contract import RowError
from producers.sources.csv_rows import csv_rows
from producers.sources.ooni.platforms import Platforms
from streams.publish.target_files import Found, TargetFile

COLUMNS: Final = ("url", "category_code", "category_description", "date_added", "source", "notes")
#: What the lists call social networking; netdusk knows no categories.
CATEGORY: Final = ("GRP", "Social Networking")


def read_list(
    name: str, stream: IO[bytes], *, categories: Collection[str] = (), platform: str | None = None
) -> TargetFile:
    """Targets of one list; of some categories (codes) alone, if any are given. Says which rows gave none, and why.

    `platform` is the name for all; else each URL's host says it.
    """
    reading, seen = TargetFile(), set[Endpoint]()
    wanted, platforms = {code.upper() for code in categories}, Platforms()
    columns: list[str] | None = None
    for number, cells in csv_rows(stream):
        place = f"{name}:{number}"
        if isinstance(cells, RowError):
            reading.left_out.append(f"{place}: {cells}")
        elif columns is None:
            columns = [cell.strip().lower() for cell in cells]
            if not {"url", "category_code"} <= set(columns):
                reading.left_out.append(f"{place}: no columns url and category_code")
                return reading
        else:
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
            url, category = row.get("url", ""), row.get("category_code", "").upper()
            if wanted and category not in wanted:
                continue
            host = platform or platforms.of_url(url)
            try:
                target = Target(platform=host or "", url=url)
            except ValueError:
                reading.left_out.append(f"{place}: {url[:200]!r} can't be asked")
                continue
            if target.is_at_a_private_place:
                reading.left_out.append(f"{place}: {url[:200]!r} is at no public address or name")
            elif target.place not in seen:  # `https://x.com` is `https://x.com/` once more
                seen.add(target.place)
                reading.targets.append(Found(target.platform, target.url, {}))
    return reading


def list_text(targets: Iterable[Target], *, added: date) -> str:
    """Targets as a list: each URL of a web page once. What is asked over tcp or tls alone has no place in it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    urls = dict.fromkeys(target.url for target in targets if target.place.scheme in {"http", "https"})
    for url in urls:
        rows.writerow([url, *CATEGORY, added.isoformat(), "netdusk", ""])
    return text.getvalue()


def asked(targets: Iterable[Target]) -> Iterator[str]:
    """A line for each target: the platform, the steps, how often if its file says so, and the URL."""
    for target in targets:
        rhythm = f" every {target.interval_seconds:g} s" if target.interval_seconds else ""
        private = " private" if target.private else ""
        beside = f" beside {target.beside}" if target.beside else ""
        # An address in place of a name is not looked up.
        known = target.place.is_address and target.place.scheme != "dns"
        steps = [step for step in target.steps if not (known and step is Stage.DNS)]
        yield f"{target.platform}: {' '.join(steps)}{rhythm}{private} {target.name}{beside}"
