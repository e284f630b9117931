"""What other programs are told of the topics: JSON Schemas and an AsyncAPI 3 document, made from the records.

`python -m tools.schemas` writes them into docs/; a test compares, so that they cannot lag behind the code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from producers.records import (
    PROBE_SCHEMA,
    TICK_SCHEMA,
    VANTAGE_STATUS_SCHEMA,
    ProbeResult,
    Tick,
    VantageStatus,
)
from producers.signals import SIGNAL_SCHEMA, Signal
from streams.records import (
    ANNOTATION_SCHEMA,
    ARRIVALS_SCHEMA,
    CALENDAR_SCHEMA,
    HEALTH_SCHEMA,
    INCIDENT_SCHEMA,
    REJECTED_SCHEMA,
    VANTAGE_SCHEMA,
    WINDOW_SCHEMA,
    Annotation,
    Arrivals,
    CalendarEvent,
    HealthRecord,
    Incident,
    Rejected,
    Vantage,
    Window,
)
from streams.settings import TopicSettings

DOCS: Final = Path(__file__).parents[1] / "docs"

RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    PROBE_SCHEMA: ProbeResult,
    VANTAGE_STATUS_SCHEMA: VantageStatus,
    TICK_SCHEMA: Tick,
    INCIDENT_SCHEMA: Incident,
    HEALTH_SCHEMA: HealthRecord,
    ARRIVALS_SCHEMA: Arrivals,
    REJECTED_SCHEMA: Rejected,
    CALENDAR_SCHEMA: CalendarEvent,
    ANNOTATION_SCHEMA: Annotation,
    WINDOW_SCHEMA: Window,
    VANTAGE_SCHEMA: Vantage,
    SIGNAL_SCHEMA: Signal,
}

_topics = TopicSettings()
#: topic, what it is keyed by, what stands on it, who writes it, in one line.
CHANNELS: Final = (
    (
        _topics.probes,
        "country",
        (PROBE_SCHEMA, VANTAGE_STATUS_SCHEMA, TICK_SCHEMA),
        "receive",
        "What probes measured, which vantages are up, and the clock.",
    ),
    (_topics.alerts, "incident id", (INCIDENT_SCHEMA,), "send", "Incidents; each record a whole snapshot."),
    (
        _topics.health,
        "platform, or `arrivals` and whether simulated",
        (HEALTH_SCHEMA, ARRIVALS_SCHEMA),
        "send",
        "How each platform stands in each country, and what came of what was due from each.",
    ),
    (
        _topics.vantages,
        "vantage",
        (VANTAGE_SCHEMA,),
        "receive",
        "The register: who may speak, from operators.",
    ),
    (_topics.calendar, "event id", (CALENDAR_SCHEMA,), "receive", "Scheduled events, from operators."),
    (
        _topics.annotations,
        "incident id, and for all but closings `/` and its own id",
        (ANNOTATION_SCHEMA,),
        "receive",
        "What people say of an incident; `closed` ends it.",
    ),
    (
        _topics.windows,
        "country",
        (WINDOW_SCHEMA,),
        "send",
        "What was counted in each closed window of each country.",
    ),
    (
        _topics.signals,
        "country",
        (SIGNAL_SCHEMA,),
        "receive",
        "Numbers from elsewhere: what other observatories see of a country.",
    ),
    (_topics.rejected, "topic-partition-offset", (REJECTED_SCHEMA,), "send", "Records not applied, and why."),
)


#: Where a result has to lie: without it, a country is judged in halves.
PARTITIONER: Final = (
    "Every record of a country lies in the partition that Kafka's default partitioner (murmur2) chooses for its key. "
    "With librdkafka, set partitioner=murmur2_random; its own default (CRC32) is refused as wrong_partition."
)


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a record, self-contained."""
    schema = msgspec.json.schema(RECORDS[name])
    start = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name}
    if name == PROBE_SCHEMA:
        start["description"] = f"Keyed by country. {PARTITIONER}"
    return {**start, **schema}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0 document of the topics (https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name in RECORDS:
        key = _key(name)
        messages[key] = {
            "name": name,
            "contentType": "application/json",
            "payload": {"$ref": f"schemas/{key}.json"},
        }
    for topic, keyed_by, names, action, summary in CHANNELS:
        channel = topic.removeprefix("netdusk.").replace(".", "-")
        channels[channel] = {
            "address": topic,
            "title": summary,
            "messages": {_key(name): {"$ref": f"#/components/messages/{_key(name)}"} for name in names},
            "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
            "description": f"Keyed by {keyed_by}.{f' {PARTITIONER}' if topic == _topics.probes else ''}",
        }
        operations[f"{action}-{channel}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": summary,
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "netdusk",
            "version": "1",
            "description": "The Kafka topics of netdusk, as its worker sees them.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def documents() -> dict[str, bytes]:
    """Every generated file, by its path under docs/."""
    schemas = {f"schemas/{_key(name)}.json": _text(json_schema(name)) for name in RECORDS}
    return {**schemas, "asyncapi.json": _text(asyncapi())}


def _key(name: str) -> str:
    return name.removeprefix("netdusk.").replace("/", "-")


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def main() -> None:
    """Write the documents."""
    for path, text in documents().items():
        (DOCS / path).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / path).write_bytes(text)
        sys.stdout.write(f"docs/{path}\n")


if __name__ == "__main__":
    main()
