"""Prometheus: what blackbox_exporter or cloudprober has measured, as ProbeResults.

Read from the answer of its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/): an instant vector
or a range. `probe_success` decides; `probe_http_status_code`, `probe_duration_seconds` and the phases say how far it
came. cloudprober counts: `total` and `success` (github.com/cloudprober/cloudprober, docs/content/docs/surfacers); what
they grew by between two scrapes is one result. Which label is what says a settings file, for every installation has
labels of its own.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from producers.complaints import complaints
from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings
from producers.sources.contract import Item, RefusalReason, RowError, detail, document, each, epoch, identity
from producers.sources.ooni.platforms import Platforms

SOURCE: Final = "prometheus"
#: What is asked for: blackbox_exporter's metrics.
METRICS: Final = (
    "probe_success",
    "probe_duration_seconds",
    "probe_http_status_code",
    "probe_http_duration_seconds",
    "probe_dns_lookup_time_seconds",
    "probe_http_redirects",
    "probe_failed_due_to_regex",
    "probe_failed_due_to_cel",
    "probe_ip_protocol",
)
#: So much is asked for at once, and half as much where that is too much for Prometheus or for us, down to the least.
_STRETCH_SECONDS: Final = 3600.0
_STRETCH_SECONDS_MIN: Final = 60.0
#: A counter's two readings belong together for so long, as in Prometheus itself (query.lookback-delta).
_REACH_SECONDS: Final = 300.0
#: The phases of blackbox_exporter's HTTP module, and the step that each is.
_PHASES: Final = {
    "resolve": (Stage.DNS, "dns"),
    "connect": (Stage.TCP, "tcp"),
    "tls": (Stage.TLS, "tls"),
    "processing": (Stage.HTTP, "ttfb"),
}
_NO_IDENTITY: Final = frozenset(("__name__", "phase"))


class LabelError(ValueError):
    """A settings file for labels that can't be used; the message names file, key, value and remedy."""


class Labels(BaseModel):
    """Which label holds what; and what holds for all, where no label says it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    #: The labels' names.
    target: str = "instance"
    platform: str | None = None
    country: str | None = "country"
    asn: str | None = "asn"
    region: str | None = "region"
    vantage: str | None = "vantage"
    #: What holds where the label is missing.
    constants: Mapping[str, str] = {}
    #: How often a target is asked, if that is promised.
    every_seconds: Annotated[float | None, Field(gt=0, le=604_800)] = None
    #: How the names of cloudprober's metrics begin ("" for none): its counters are then read, and nothing else.
    cloudprober: Annotated[str | None, Field(pattern="^[a-zA-Z_:][a-zA-Z0-9_:]*$|^$")] = None
    #: Only series with these labels.
    only: Mapping[str, str] = {}


def read_labels(path: Path) -> Labels:
    """Read a settings file for labels. Raises LabelError."""
    try:
        return Labels.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabelError(f"{path}: {error}; name a TOML file of labels") from error
    except ValidationError as error:
        raise LabelError("\n".join(complaints(error, Labels, lambda _: str(path)))) from error


class PrometheusReader:
    """How an answer is read.

    Parameters
    ----------
    labels
        Which label is what.
    platforms
        Hosts to platform names, where no label names the platform.
    """

    def __init__(self, labels: Labels | None = None, platforms: Platforms | None = None) -> None:
        self.labels = labels or Labels()
        self._platforms = platforms or Platforms()

    def read(self, name: str, stream: IO[bytes]) -> Iterator[Item]:
        """Results of one answer."""
        return each(document(name, stream, lambda answer: self._rows(name, answer)), self._results)

    @property
    def reach_seconds(self) -> float:
        """How long before the time that a request is for its answer begins: at what a counter showed before."""
        return 0.0 if self._counters is None else _REACH_SECONDS

    @property
    def _counters(self) -> tuple[str, str] | None:
        """The names of cloudprober's counters, where these are read."""
        prefix = self.labels.cloudprober
        return None if prefix is None else (f"{prefix}total", f"{prefix}success")

    def requests(self, url: str, since: float, until: float) -> Iterator[str]:
        """The URLs that a pull asks for: all samples of the metrics, as they were scraped, an hour at a time.

        Not `query_range`: that repeats a sample at each of its steps, for five minutes after the last one too, and
        refuses more than 11,000 steps.
        """
        only = "".join(f",{name}={json.dumps(value)}" for name, value in self.labels.only.items())
        metrics = f'{{__name__=~"{"|".join(self._counters or METRICS)}"{only}}}'
        begin = since
        while begin < until:
            end = min(begin + _STRETCH_SECONDS, until)
            # What a counter grew by needs its reading from before.
            yield _asking(url, metrics, begin - self.reach_seconds, end)
            begin = end

    def halves(self, url: str) -> tuple[str, ...]:
        """The two requests that ask for the same as one of ours; none where it asks for little already."""
        base, _, query = url.partition(_API)
        known = dict(parse_qsl(query))
        metrics, _, length = known["query"].removesuffix("ms]").rpartition("[")
        end, seconds = float(known["time"]), float(length) / 1000
        reach = self.reach_seconds
        half = (seconds - reach) / 2
        if half < _STRETCH_SECONDS_MIN / 2:
            return ()
        return (
            _asking(base, metrics, end - seconds, end - half),
            _asking(base, metrics, end - half - reach, end),
        )

    def _rows(self, name: str, answer: Any) -> Iterator[tuple[str, Any]]:
        """One row a target and moment, with all that is known of it."""
        if answer["status"] != "success":
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"Prometheus' own error: {answer.get('error')}")
        # Where a part of a larger installation (Thanos, Mimir) is away, the rest answers, and says so.
        for number, warning in enumerate(answer.get("warnings") or ()):
            yield (
                f"{name}#warning{number}",
                RowError(RefusalReason.NOT_A_MEASUREMENT, f"its own warning: {warning}"),
            )
        facts: dict[tuple[Any, float], dict[str, float]] = {}
        labels_of: dict[Any, Mapping[str, str]] = {}
        for number, series in enumerate(answer["data"]["result"]):
            try:
                labels, fact, samples = _samples(series)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                yield f"{name}#{number}", error
                continue
            key = tuple(sorted(item for item in labels.items() if item[0] not in _NO_IDENTITY))
            labels_of[key] = labels
            for time, value in samples:
                # A figure beside it that is none (NaN) tells nothing.
                if math.isfinite(value) or fact == "probe_success":
                    facts.setdefault((key, time), {})[fact] = value
        if self._counters is not None:
            for key, time, good, count in _grown(facts, *self._counters):
                yield f"{name}@{time:.0f}", (labels_of[key], time, good, count)
            return
        for (key, time), known in sorted(facts.items(), key=lambda item: item[0][1]):
            if "probe_success" in known:
                yield f"{name}@{time:.0f}", (labels_of[key], time, known)

    def _results(self, content: Any) -> Iterator[ProbeResult]:
        if isinstance(content, RowError):
            raise content
        if isinstance(content, Exception):
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"a series of another shape: {detail(content)}")
        if self._counters is not None:
            labels, time, good, count = content
            yield ProbeResult(
                **self._place(labels, time, sorted(labels.items())),
                ok=good == count,
                count=count,
                good=good,
                method="cloudprober",
            )
            return
        labels, time, known = content
        place = self._place(labels, time)
        if known["probe_success"] not in (0.0, 1.0):
            raise RowError(
                RefusalReason.INVALID,
                f"probe_success {known['probe_success']:g}: neither 0 nor 1; ask for the samples as they were scraped",
            )
        ok = known["probe_success"] == 1
        status = int(known.get("probe_http_status_code", 0))
        stage, failure = (None, None) if ok else self._end(place["target"], known, status)
        yield ProbeResult(
            **place,
            ok=ok,
            stage=stage,
            failure=failure,
            timings_ms=_timings(known),
            method="blackbox",
            status=status or UNSET,
        )

    def _place(self, labels: Mapping[str, str], time: float, *more: object) -> dict[str, Any]:
        """What was measured, where, when and by whom; `more` tells apart what these do not. Raises RowError."""
        target = self._of("target", labels)
        country = (self._of("country", labels) or "").upper() or None
        if target is None or country is None:
            missing = "target" if target is None else "country"
            raise RowError(
                RefusalReason.NO_PLACE_OR_TIME,
                f"no label says the {missing}: see `{missing}` and `constants` (--map)",
            )
        platform = self._of("platform", labels) or self._platforms.of_url(target)
        if platform is None:
            raise RowError(RefusalReason.NO_HOST, f"target {target!r} names no host")
        number = (self._of("asn", labels) or "0").upper().removeprefix("AS")
        if not (number.isascii() and number.isdigit()):
            raise RowError(
                RefusalReason.INVALID,
                f"label {self.labels.asn} = {number[:40]!r}: no network's number, like AS64500",
            )
        asn = int(number)
        return {
            "id": identity(SOURCE, target, country, asn, time, self._of("vantage", labels), *more),
            "time": epoch(time),
            "platform": platform,
            "target": target,
            "country": country,
            "region": self._of("region", labels),
            "asn": asn,
            "vantage": self._of("vantage", labels) or f"prometheus-{country}-AS{asn}",
            "every_seconds": self.labels.every_seconds or UNSET,
            "source": SOURCE,
        }

    def _of(self, what: str, labels: Mapping[str, str]) -> str | None:
        label = getattr(self.labels, what)
        return (labels.get(label) if label else None) or self.labels.constants.get(what)

    def _end(
        self, target: str, known: Mapping[str, float], status: int
    ) -> tuple[Stage | None, Failure | None]:
        """At which step it ended, as far as blackbox_exporter tells that; why, it does not say."""
        if known.get("probe_failed_due_to_regex") == 1 or known.get("probe_failed_due_to_cel") == 1:
            return Stage.HTTP, Failure.HTTP_UNEXPECTED_BODY
        if status:
            # A good one with a failure beside it: a header, a version, TLS that should not be there. It does not say.
            good = 200 <= status < 300
            return Stage.HTTP, None if good else Failure.HTTP_UNEXPECTED_STATUS_CODE
        # It stays 0 where the name led to no address; the time of a look-up that failed is there all the same.
        if known.get("probe_ip_protocol") == 0:
            return Stage.DNS, None
        phases = {name: known.get(f"probe_http_duration_seconds.{name}") for name in _PHASES}
        # The phases of all hops are added up: what a redirect led to may have ended at any step.
        if all(value is None for value in phases.values()) or known.get("probe_http_redirects"):
            return None, None
        if known.get("probe_dns_lookup_time_seconds") == 0 and not phases["resolve"]:
            return Stage.DNS, None
        if not phases["connect"]:
            # It notes the connect after the handshake alone (prober/http.go, gotConn): one that was reset, or a
            # certificate that is not believed, looks like a port that refuses.
            return None if _is_https(target) else Stage.TCP, None
        return Stage.TLS if _is_https(target) and not phases["tls"] else Stage.HTTP, None


_API: Final = "/api/v1/query?"


def _asking(url: str, metrics: str, begin: float, end: float) -> str:
    """The request for all samples of a stretch of time."""
    query = {"query": f"{metrics}[{math.ceil((end - begin) * 1000)}ms]", "time": end}
    return f"{url.rstrip('/')}{_API}{urlencode(query)}"


def _grown(
    facts: Mapping[tuple[Any, float], Mapping[str, float]], total: str, success: str
) -> Iterator[tuple[Any, float, int, int]]:
    """Series, time, how many succeeded and how many there were, between a reading and the one before.

    A counter that is less than before began anew, and counts since then. What was counted over a gap is left out: of
    when it was nobody knows.
    """
    before: dict[Any, tuple[float, float, float]] = {}
    for (key, time), known in sorted(facts.items(), key=lambda item: item[0][1]):
        if total not in known or success not in known:
            continue
        then, count, good = before.get(key, (-math.inf, 0.0, 0.0))
        before[key] = (time, known[total], known[success])
        if time - then > _REACH_SECONDS:
            continue
        if known[total] < count or known[success] < good:
            count = good = 0.0
        if known[total] > count:
            yield key, time, round(known[success] - good), round(known[total] - count)


def _is_https(target: str) -> bool:
    """What names no scheme is asked over plain HTTP."""
    return target.lower().startswith("https://")


def _samples(series: Any) -> tuple[Mapping[str, str], str, list[tuple[float, float]]]:
    """A series' labels, what it tells, and its samples. A histogram has none, and raises as any other shape does."""
    labels = msgspec.convert(series["metric"], dict[str, str])
    metric = labels.get("__name__", "")
    fact = f"{metric}.{labels['phase']}" if "phase" in labels else metric
    samples = [(float(time), float(value)) for time, value in series.get("values") or [series["value"]]]
    return labels, fact, samples


def _timings(known: Mapping[str, float]) -> Timings | None:
    taken = {
        field: round(value * 1000, 3)
        for name, (_, field) in _PHASES.items()
        if (value := known.get(f"probe_http_duration_seconds.{name}"))
    }
    if "probe_duration_seconds" in known:
        taken["total"] = round(known["probe_duration_seconds"] * 1000, 3)
    return Timings(**taken) if taken else None
