"""Who measures, from where; and an outcome as the record that goes on the topic."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from msgspec import UNSET

from producers.probe.attempt import Outcome
from producers.records import ProbeResult, VantagePresence, VantageStatus

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class ProbeVantage:
    """Where the probe stands. `region` is an ISO 3166-2 code; `asn` is 0 if it is not known."""

    name: str
    country: str
    asn: int = 0
    region: str | None = None

    def record(
        self, outcome: Outcome, *, control_ok: bool | None = None, every_seconds: float | None = None
    ) -> ProbeResult:
        """An outcome as a ProbeResult; `every_seconds` is the rhythm that is promised for its target."""
        return ProbeResult(
            id=new_id(outcome.began),
            time=outcome.began,
            platform=outcome.target.platform,
            target=outcome.target.name,
            country=self.country,
            region=self.region,
            asn=self.asn,
            vantage=self.name,
            ok=outcome.ok,
            stage=outcome.stage,
            failure=outcome.failure,
            control_ok=control_ok,
            timings_ms=outcome.timings_ms,
            bytes=outcome.body_bytes,
            every_seconds=every_seconds or UNSET,
            status=outcome.status or UNSET,
            certificate_expires=(
                datetime.fromtimestamp(outcome.certificate_expires, UTC)
                if outcome.certificate_expires is not None
                else UNSET
            ),
            ech_offered=UNSET if outcome.ech_offered is None else outcome.ech_offered,
            count=outcome.count if outcome.count > 1 else UNSET,
            good=outcome.good if outcome.count > 1 else UNSET,
        )

    def status(
        self, presence: VantagePresence, moment: datetime, *, every_seconds: float, targets: int, version: str
    ) -> VantageStatus:
        """What the vantage says of itself: that it measures, in which rhythm, or that it stops in good order."""
        return VantageStatus(
            vantage=self.name,
            country=self.country,
            region=self.region,
            asn=self.asn,
            time=moment,
            status=presence,
            every_seconds=every_seconds,
            targets=targets,
            version=version,
        )


def new_id(moment: datetime) -> str:
    """A ULID (github.com/ulid/spec): 48 bits of milliseconds, 80 bits of chance; sorts by time.

    >>> from datetime import UTC
    >>> new_id(datetime(2024, 1, 20, 13, 41, 7, 250000, tzinfo=UTC))[:10]
    '01HMKHN2HJ'
    """
    number = (int(moment.timestamp() * 1000) << 80) | secrets.randbits(80)
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))
