"""`docs/metrics.md`, written from the table of metrics: `python -m tools.metrics`. A test compares."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from streams.engine.families import CHECKPOINT_RECORDS, FAMILIES, OTHER, RESTORE_CAUSES, RESULTS
from streams.engine.metrics import WorkerMetrics
from streams.engine.trouble import Remedy
from streams.machine import MESSAGE_ROLES
from streams.records import Kind, Scope, Severity
from streams.settings import LabelSettings

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "metrics.md"


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


#: label: what its values can be.
LABELS: Final[dict[str, str]] = {
    "platform": f"`labels.platforms`, else `{OTHER}`; with an empty list every name that comes. Absent where there is "
    "none: a dark network has lost no platform, but all.",
    "country": f"`labels.countries`, else `{OTHER}`; with an empty list every ISO 3166-1 code, and `QN`, the canary. "
    "Absent on worldwide incidents.",
    "asn": f"`labels.asns`, else `{OTHER}`; with an empty list every AS number that comes. From 4,250,000,000 on: a "
    "network that is not named (`trust.name_small_networks`).",
    "simulated": "`true` where the results were made up: a drill, a demonstration, the canary. Never the same series "
    "as real ones.",
    "kind": f"{_words(Kind)}.",
    "scope": f"{_words(Scope)}.",
    "severity": f"{_words(Severity)}.",
    "mechanism": "`stage.failure` from the closed vocabulary of results (OONI's failure strings); "
    "a wrong status from 300 on stands behind a colon.",
    "outcome": "`ok`, or `stage.failure` from the same vocabulary.",
    "result": f"{_words(RESULTS)}.",
    "cause": f"{_words(RESTORE_CAUSES)}.",
    "remedy": f"{_words(Remedy)}.",
    "role": f"{_words(MESSAGE_ROLES)}.",
    "record": f"{_words(CHECKPOINT_RECORDS)}.",
    "state": "`restoring`, `running`, `stopped`.",
    "partition": "The partitions of the probes and health topics that this worker owns.",
    "version": "netdusk's own.",
    "python": "The interpreter's.",
    "transport": "`chunks`, or `records` where the chunk transport can't run.",
}

_TOP: Final = """\
# Metrics

<!-- Written by `python -m tools.metrics` from streams/engine/metrics.py; edit that. -->

A worker serves them under `/metrics` (settings `http.host`, `http.port`; 9464 by default), in Prometheus' text format.
While a partition is being restored it answers 503: half of the partitions would look like an outage of the other half.
The process's own CPU, memory, file descriptors and garbage collections (`process_*`, `python_gc_*`) stand beside them.
Rules, dashboards and what they make of these figures: `monitoring/README.md`.
"""

_NOTES: Final = """\
## What to know before writing a query

- **Aggregate with `max by (...)`.** A country lives in one partition, a partition on one worker; while it is handed
  over, two may show it for a scrape, and `sum` would count it twice. Which `instance` says it is never of interest.
- **A country is no sum of its networks.** What its networks say together has metrics of its own (`netdusk_country_*`),
  not a special `asn`: each network would otherwise be counted once by itself and once in the whole.
- **An incident's id is no label.** It would be a new series, and a new page, for each. Ids are on the topic
  (`netdusk incidents`), in the report (`netdusk report ID`), and never here.
- **Absent is not zero.** The series of an incident ends with it; those of a partition go with it to another worker.
  What can be foreseen (results, causes, kinds by scopes) is there from the start, as 0.
- `netdusk_anomaly_score` is 1.0 at the alarm's threshold, for every detector and series: one panel, one line.

## How many series

A label's values are a closed vocabulary or a configured list. Where a list is left empty, what comes in decides, and
`labels.series_max` ({series_max:,} by default, with which the page stays under 20,000 series) bounds each of: networks
by platforms, countries by platforms, and outcomes by platforms and countries. Over it, newcomers are left out or
counted as `{other}`, those that were there first stay, and `netdusk_series_dropped_total` rises.

| for | series |
|---|---|
| a platform on a network | 4 |
| a platform in a country | 4, and 1 for each way of ending that occurs |
| a country | 4 |
| an open incident | 5 a platform |
| a partition | 1 |
| a worker | {fixed} |

Fifty platforms in fifty countries with twenty networks each are 50,000 cells and 200,000 series: raise the bound for
them, or choose with `labels.platforms`, `labels.countries` and `labels.asns`.
"""


def document() -> str:
    """The whole text."""
    return "\n".join((_TOP, *_families(), "", "## Labels", "", *_labels(), "", _notes()))


def _families() -> Iterator[str]:
    yield "## What there is"
    yield ""
    yield "| metric | type | labels | what it says |"
    yield "|---|---|---|---|"
    for family in FAMILIES.values():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"| `{family.name}` | {family.type} | {labels} | {family.text} |"


def _labels() -> Iterator[str]:
    yield "| label | values |"
    yield "|---|---|"
    used = {label for family in FAMILIES.values() for label in family.labels}
    for label, text in LABELS.items():
        if label not in used:
            raise ValueError(f"label {label} is described and on no metric; take it out of LABELS")
        yield f"| `{label}` | {text} |"
    if missing := used - set(LABELS):
        raise ValueError(f"labels {sorted(missing)} are on metrics and not described; add them to LABELS")


def _notes() -> str:
    return _NOTES.format(series_max=LabelSettings().series_max, other=OTHER, fixed=_fixed())


def _fixed() -> int:
    """Series of a worker that owns nothing yet."""
    registry = CollectorRegistry()
    WorkerMetrics(registry, LabelSettings()).say_build("chunks")
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return sum(sample.name.startswith("netdusk_") for sample in samples)


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document())
    sys.stdout.write(f"docs/{DOCUMENT.name}\n")


if __name__ == "__main__":
    main()
