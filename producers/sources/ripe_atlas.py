"""RIPE Atlas: results of DNS, TLS, HTTP and ping measurements as ProbeResults, and how many probes are connected.

Read as the documents describe them (https://atlas.ripe.net/docs/apis/result-format/): one JSON a line, or a list.
Results name a probe and no country: the list of probes that RIPE publishes
(https://ftp.ripe.net/ripe/atlas/probes/archive/) says where each one is. Measurement 7000 has one entry whenever a
probe connects or disconnects.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

import msgspec

from producers.addresses import is_bogon
from producers.failures import Failure, Stage
from producers.records import ProbeResult, Timings
from producers.signals import Signal
from producers.sources.contract import (
    NO_JSON,
    Item,
    RefusalReason,
    Refused,
    RowError,
    detail,
    each,
    epoch,
    identity,
    lines,
)
from producers.sources.ooni.platforms import Platforms, host_of

SOURCE: Final = "ripe_atlas"
#: How its vantages are named, before their numbers.
VANTAGES: Final = "atlas"
API: Final = "https://atlas.ripe.net/api/v2"
#: What was said of so many changes is said again, where they are read again: a pull reads each for some minutes.
_CHANGES_MAX: Final = 20_000
#: RFC 1035's codes of answers.
_RCODES: Final = {
    2: Failure.DNS_SERVFAIL_ERROR,
    3: Failure.DNS_NXDOMAIN_ERROR,
    5: Failure.DNS_REFUSED_ERROR,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe is."""

    country: str
    asn: int | None
    connected: bool


def read_probes(text: bytes) -> dict[int, Place]:
    """Take RIPE's list of probes. Raises ValueError for what is none."""
    try:
        objects = msgspec.json.decode(text)["objects"]
        return {
            int(one["id"]): Place(
                one["country_code"],
                one.get("asn_v4") or one.get("asn_v6"),
                one.get("status_name") == "Connected",
            )
            for one in objects
            if one.get("country_code")
        }
    except (*NO_JSON, KeyError, TypeError) as error:
        raise ValueError(
            f'{detail(error)}; give RIPE\'s list of probes: {{"objects": [{{"id", "country_code", ...}}]}}'
        ) from error


@dataclass
class AtlasReader:
    """How results are read.

    Parameters
    ----------
    probes
        Where each probe is.
    platforms
        Hosts to platform names.
    """

    probes: Mapping[int, Place]
    platforms: Platforms = field(default_factory=Platforms)

    def __post_init__(self) -> None:
        self._connected = Counter(
            (place.country, asn)
            for place in self.probes.values()
            if place.connected
            for asn in dict.fromkeys((None, place.asn))
        )
        #: When each probe that has changed did so last, and whether it is connected since.
        self._since: dict[int, tuple[int, bool]] = {}
        self._said: dict[tuple[int, int, str], tuple[Signal, ...]] = {}

    def read(self, name: str, stream: IO[bytes]) -> Iterator[Item]:
        """Results of one file."""
        return each(_rows(name, stream), self._items)

    def _items(self, row: Any) -> Iterator[ProbeResult | Signal]:
        if (kind := str(row.get("type"))) not in {*_READERS_OF, "connection"}:
            raise RowError(RefusalReason.OTHER_TEST, kind)
        place = self.probes.get(int(row["prb_id"]))
        if place is None:
            raise RowError(
                RefusalReason.NO_PLACE_OR_TIME, f"probe {row['prb_id']} is not in the list of probes"
            )
        if row["type"] == "connection":
            yield from self._connection(row, place)
        else:
            yield self._result(row, place)

    def _connection(self, row: Any, place: Place) -> Iterator[Signal]:
        """The number that is connected after it, of the country and of the network.

        A change that is read again says what it said; one that is older than the probe's last says nothing.
        """
        event, probe, time = row["event"], int(row["prb_id"]), int(row["timestamp"])
        if event not in ("connect", "disconnect"):
            raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"event {event!r}")
        change = (probe, time, event)
        if change not in self._said:
            self._said[change] = tuple(self._count(change, place))
            if len(self._said) > _CHANGES_MAX:
                del self._said[next(iter(self._said))]
        yield from self._said[change]

    def _count(self, change: tuple[int, int, str], place: Place) -> Iterator[Signal]:
        probe, time, event = change
        last, was = self._since.get(probe, (time, place.connected))
        if time < last:
            return
        now = event == "connect"
        self._since[probe] = (time, now)
        for asn in dict.fromkeys((None, place.asn)):
            key = (place.country, asn)
            self._connected[key] += now - was
            yield Signal(
                source=SOURCE,
                country=place.country,
                asn=asn,
                time=epoch(time),
                name="connected_probes",
                value=float(self._connected[key]),
                url=f"https://atlas.ripe.net/probes/public?search=country:{place.country}",
                vantages=VANTAGES,
            )

    def _result(self, row: Any, place: Place) -> ProbeResult:
        target, stage, failure, milliseconds, status = _READERS_OF[row["type"]](row)
        host = host_of(target)
        if host is None:
            raise RowError(RefusalReason.NO_HOST, f"target {target!r}")
        asn = place.asn or 0
        return ProbeResult(
            id=identity("atlas", row["msm_id"], row["prb_id"], row["timestamp"], target),
            time=epoch(row["timestamp"]),
            platform=self.platforms.of_host(host),
            target=target,
            country=place.country,
            asn=asn,
            vantage=f"{VANTAGES}-{row['prb_id']}",
            ok=stage is None,
            stage=stage,
            failure=failure,
            timings_ms=None if milliseconds is None else Timings(total=milliseconds),
            source=SOURCE,
            method=row["type"],
            status=status if status is not None else msgspec.UNSET,
        )


#: Target, stage and failure (none where it is well), milliseconds, HTTP status.
_Found = tuple[str, Stage | None, Failure | None, float | None, int | None]


def _dns(row: Any) -> _Found:
    """The probe's own resolvers give a `resultset`; one of them that answers is enough, as for a system."""
    parts = row.get("resultset") or [row]
    failures: list[Failure | None] = []
    target = ""
    for part in parts:
        answer = part.get("result")
        target = target or _question(row, answer)
        if answer is None:
            error = part.get("error") or {}
            failures.append(
                Failure.GENERIC_TIMEOUT_ERROR
                if "timeout" in error
                else _named(" ".join(map(str, error.values()))) or Failure.DNS_TEMPORARY_FAILURE
            )
            continue
        code = _rcode(answer)
        if code == 0 and _answers(answer) > 0:
            # A private answer for a public name is a block's, whatever else the resolvers say.
            if any(map(is_bogon, _addresses(answer))):
                return target, Stage.DNS, Failure.DNS_BOGON_ERROR, None, None
            return target, None, None, answer.get("rt"), None
        failures.append(
            Failure.DNS_NO_ANSWER if code == 0 else _RCODES.get(code, Failure.DNS_SERVER_MISBEHAVING)
        )
    return target, Stage.DNS, failures[0], None, None


def _question(row: Any, answer: Any) -> str:
    """The name that was asked for: in the answer's own question, or in what RIPE says of the measurement."""
    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415

    if answer and answer.get("abuf"):
        import base64  # noqa: PLC0415

        try:
            message = dns.message.from_wire(base64.b64decode(answer["abuf"]), ignore_trailing=True)
            return message.question[0].name.to_text(omit_final_dot=True)
        except (dns.exception.DNSException, ValueError, IndexError):
            pass
    return str(row.get("query_argument") or row.get("dst_name") or "")


def _addresses(answer: Any) -> list[str]:
    """The addresses in it; none where it is not there whole."""
    import base64  # noqa: PLC0415

    import dns.exception  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    try:
        message = dns.message.from_wire(base64.b64decode(answer.get("abuf") or ""), ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return []
    kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return [
        str(record.address) for answers in message.answer if answers.rdtype in kinds for record in answers
    ]


def _rcode(answer: Any) -> int:
    import base64  # noqa: PLC0415

    if answer.get("abuf"):
        return base64.b64decode(answer["abuf"])[3] & 15
    return 0 if answer.get("ANCOUNT", 0) > 0 else 2


def _answers(answer: Any) -> int:
    """How many records it holds: some measurements give the answer alone, without its counts."""
    import base64  # noqa: PLC0415

    if "ANCOUNT" in answer or not answer.get("abuf"):
        return int(answer.get("ANCOUNT", 0))
    return int.from_bytes(base64.b64decode(answer["abuf"])[6:8], "big")


def _tls(row: Any) -> _Found:
    host = str(row.get("dst_name") or row["dst_addr"])
    target = f"https://{f'[{host}]' if ':' in host else host}:{row.get('dst_port', 443)}/"
    if row.get("cert"):
        return target, None, None, row.get("rt"), None
    if row.get("alert"):
        return target, Stage.TLS, Failure.SSL_FAILED_HANDSHAKE, None, None
    return target, *_told(str(row.get("err") or row.get("dnserr") or ""), Stage.TLS, row), None, None


def _http(row: Any) -> _Found:
    """One address of a name that answers is enough, as for a system that tries one after the other."""
    target = row["uri"]
    answers = row["result"]
    answer = next((one for one in answers if _is_well(one)), answers[0])
    if "res" in answer and not answer.get("err"):
        well = 200 <= answer["res"] < 400
        stage = None if well else Stage.HTTP
        failure = None if well else Failure.HTTP_UNEXPECTED_STATUS_CODE
        return target, stage, failure, answer.get("rt"), answer["res"]
    stage, failure = _told(str(answer.get("err") or answer.get("dnserr") or ""), Stage.HTTP, answer)
    return target, stage, failure, None, answer.get("res")


def _is_well(answer: Any) -> bool:
    return "res" in answer and not answer.get("err") and 200 <= answer["res"] < 400


def _ping(row: Any) -> _Found:
    host = str(row.get("dst_name") or row["dst_addr"])
    target = f"//[{host}]" if ":" in host else host
    if int(row.get("rcvd", 0)) > 0:
        average = row.get("avg")
        return target, None, None, average if average is not None and average >= 0 else None, None
    if row.get("dnserr") or not row.get("dst_addr"):
        return target, Stage.DNS, Failure.DNS_TEMPORARY_FAILURE, None, None
    # Packets that were never sent say why; those that were are waited for.
    why = {_named(str(one["error"])) for one in row.get("result") or () if "error" in one}
    waited = any("x" in one for one in row.get("result") or ())
    failure = next(iter(why)) if len(why) == 1 and not waited else None
    return target, Stage.TCP, failure or Failure.GENERIC_TIMEOUT_ERROR, None, None


def _told(error: str, stage: Stage, row: Any) -> tuple[Stage, Failure]:
    """A probe's own words for what went wrong, as stage and failure."""
    words = error.lower()
    if row.get("dnserr") or "resolution" in words or "nodename" in words:
        return Stage.DNS, Failure.DNS_TEMPORARY_FAILURE
    failure = _named(words)
    if failure is None:
        return stage, Failure.UNKNOWN_FAILURE
    return (Stage.TCP if words.startswith("connect") else stage), failure


def _named(error: str) -> Failure | None:
    """The failure that a probe's own words name; None where they name none that is known."""
    words = error.lower()
    for part, failure in (
        ("refused", Failure.CONNECTION_REFUSED),
        ("reset", Failure.CONNECTION_RESET),
        ("host is unreachable", Failure.HOST_UNREACHABLE),
        ("no route to host", Failure.HOST_UNREACHABLE),
        ("unreachable", Failure.NETWORK_UNREACHABLE),
        ("timeout", Failure.GENERIC_TIMEOUT_ERROR),
        ("timed out", Failure.GENERIC_TIMEOUT_ERROR),
    ):
        if part in words:
            return failure
    return None


_READERS_OF: Final = {"dns": _dns, "sslcert": _tls, "http": _http, "ping": _ping}


def _rows(name: str, stream: IO[bytes]) -> Iterator[Any]:
    """One result a line, or lists of them."""
    for number, line in lines(stream):
        place = f"{name}:{number}"
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Refused(RefusalReason.NOT_JSON, detail(error), place)
            continue
        for row in document if isinstance(document, list) else [document]:
            yield place, row


def requests(measurement: int, since: float, until: float) -> Iterator[str]:
    """The URL that a pull asks for."""
    span = f"start={int(since)}&stop={int(until)}"
    yield f"{API}/measurements/{measurement}/results/?{span}&format=json"
