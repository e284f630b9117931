"""Answers of OONI's API for sums (`/api/v1/aggregation`): how many measurements of a day, an hour, a network were good.

Each row has `measurement_count`, `anomaly_count`, `confirmed_count`, `failure_count`, `ok_count`, and the axes that
were asked for: `measurement_start_day`, `probe_cc`, `probe_asn`, `domain`, `input`, `test_name`
(https://api.ooni.io/apidocs/). A row becomes one result that stands for its anomalies and good ones; measurements
that failed themselves count for nothing. At which step they failed, a sum does not tell.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, Struct

from producers.records import COUNT_MAX
from producers.sources.contract import RefusalReason, RowError

#: Beside the rows, the API tells of the query alone.
TEST: Final = "aggregation"


class AggregationRow(Struct, frozen=True):
    """One row, as far as it is read."""

    measurement_count: int
    ok_count: int
    anomaly_count: int = 0
    confirmed_count: int = 0
    failure_count: int = 0
    measurement_start_day: str | None = None
    probe_cc: str | None = None
    probe_asn: int | str | None = None
    domain: str | None = None
    input: str | None = None
    test_name: str | None = None


class AggregationAnswer(Struct, frozen=True):
    """The answer: a list of rows; a row alone where no axis was asked for."""

    result: Raw

    @property
    def rows(self) -> list[Raw]:
        """Its rows, each to be decoded by itself. Raises msgspec.ValidationError."""
        if bytes(self.result).lstrip().startswith(b"["):
            return msgspec.json.decode(self.result, type=list[Raw])
        return [self.result]


def counts(row: AggregationRow) -> tuple[int, int]:
    """So many attempts, and so many of them good. Raises RowError for numbers that can't be of one result.

    Confirmed ones are among the anomalies in some of the API's versions and beside them in others; what is neither
    good nor failed itself was not good.
    """
    count = row.measurement_count - row.failure_count
    if not 0 <= row.ok_count <= count or row.failure_count < 0:
        raise RowError(RefusalReason.INVALID, f"{row.ok_count} of {count} are ok")
    if not 1 <= count <= COUNT_MAX:
        raise RowError(RefusalReason.INVALID, f"{count} measurements: a result stands for 1 to {COUNT_MAX}")
    return count, row.ok_count
