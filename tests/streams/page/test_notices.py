"""Who is told of what: by rule, once, and not too often; and the whole way to a receiver and to a model."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.commands.notify import _send, _sender
from streams.errors import SettingsError
from streams.page.notices import Notice, Notices
from streams.records import Kind, Severity, Status
from streams.settings import Settings, load
from tests.streams.page.world import NOW, client, observatory
from tests.streams.publish.stories import END, ID, incident


def rules(**rule: Any) -> Settings:
    given = {"to": ["json://127.0.0.1"], **rule}
    loaded = load(notify={"rules": {"desk": given}}, page={"public_url": "https://netdusk.example"})
    assert isinstance(loaded, Settings)
    return loaded


RESOLVED = {"status": Status.RESOLVED, "resolved": END}


@pytest.mark.parametrize(
    ("rule", "told", "is_told"),
    [
        ({}, {}, True),
        ({}, RESOLVED, True),
        ({"on": ["resolved"]}, {"status": Status.UPDATED}, False),
        ({"on": ["updated"]}, {"status": Status.UPDATED}, True),
        ({}, {"severity": Severity.MINOR}, False),
        ({"severity": "minor"}, {"severity": Severity.MINOR}, True),
        ({"countries": ["IN"]}, {}, False),
        ({"countries": ["IN"]}, {"country": None, "countries": ("IN", "PK"), "kind": Kind.GLOBAL}, True),
        ({"platforms": ["youtube"]}, {}, True),
        ({"platforms": ["signal"]}, {}, False),
        ({}, {"confirmed": False}, False),
        ({"unconfirmed": True}, {"confirmed": False}, True),
        ({}, {"simulated": True}, False),
        ({"simulated": True}, {"simulated": True}, True),
    ],
)
def test_a_rule_wants(rule: dict[str, Any], told: dict[str, Any], is_told: bool) -> None:
    assert bool(list(Notices(rules(**rule)).of(incident(**told), 0.0))) is is_told


STORIES: dict[str, tuple[list[dict[str, Any]], list[int]]] = {
    "an opening and an end": ([{}, {"status": Status.UPDATED}, RESOLVED], [1, 3]),
    "it grows until it is told": (
        [{"severity": Severity.MINOR}, {"status": Status.UPDATED}, {"status": Status.UPDATED}, RESOLVED],
        [2, 4],
    ),
    "it is confirmed later": ([{"confirmed": False}, {"status": Status.UPDATED}, RESOLVED], [2, 3]),
    "its end is told though it is minor by then": ([{}, RESOLVED | {"severity": Severity.MINOR}], [1, 2]),
    "what never fits is never told": (
        [{"severity": Severity.MINOR}, RESOLVED | {"severity": Severity.MINOR}],
        [],
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("begun_anew", [False, True])
def test_a_rule_hears_of_an_incident_once_it_fits_and_of_its_end(
    story: tuple[list[dict[str, Any]], list[int]], begun_anew: bool
) -> None:
    given, expected = story
    snapshots = [incident(seq=number, **fields) for number, fields in enumerate(given, 1)]
    notices, told = Notices(rules()), []
    for snapshot in snapshots:
        if begun_anew:  # as after a restart at any moment: all that stands on the topic is read first
            notices = Notices(rules())
            for one in snapshots:
                notices.saw(one)
        told += [snapshot.seq for _ in notices.of(snapshot, 0.0)]
    assert told == expected


def test_a_snapshot_is_told_once_and_an_hour_has_an_end() -> None:
    notices = Notices(rules(per_hour=2))
    assert len(list(notices.of(incident(), 0.0))) == 1
    assert list(notices.of(incident(), 1.0)) == []
    titles = [one.title for number in range(5) for one in notices.of(incident(id=f"pk-{number}"), 2.0)]
    assert titles[1:] == ["More than 2 messages within an hour"]
    assert len(list(notices.of(incident(id="pk-later"), 4000.0))) == 1


def test_a_message_says_what_was_measured_and_where_to_read_on() -> None:
    (message,) = Notices(rules(simulated=True)).of(incident(simulated=True), 0.0)
    assert message.title == "SIMULATED: Critical: X (Twitter) and YouTube restricted across Pakistan"
    assert message.body.splitlines() == [incident().summary, f"https://netdusk.example/incident/{ID}"]
    (over,) = Notices(rules()).of(incident(**RESOLVED, retracted=True), 0.0)
    assert over.title.startswith("Withdrawn: ") and over.good


async def test_a_receiver_gets_it() -> None:
    taken: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with TestServer(app) as server:
        sender = _sender("desk", [f"json://127.0.0.1:{server.port}/hook"])
        assert await _send(sender, Notice("desk", "A title", "A body"))
    assert [(one["title"], one["message"], one["type"]) for one in taken] == [
        ("A title", "A body", "warning")
    ]


async def test_a_receiver_that_fails_is_tried_again_and_the_others_are_told_once() -> None:
    came: list[str] = []

    async def take(request: web.Request) -> web.Response:
        came.append(request.path)
        failing = request.path == "/failing" and came.count("/failing") < 3
        return web.Response(status=500 if failing else 200)

    app = web.Application()
    app.router.add_post("/{name}", take)
    async with TestServer(app) as server:
        urls = [f"json://127.0.0.1:{server.port}/{name}" for name in ("well", "failing", "dead")]
        sender = _sender("desk", urls[:2])
        assert await _send(sender, Notice("desk", "A title", "A body"), tries=(0.0, 0.0, 0.0, 0.0))
        assert sorted(came) == ["/failing"] * 3 + ["/well"]
        came.clear()
        sender = _sender("desk", urls[:2])
        assert not await _send(sender, Notice("desk", "A title", "A body"), tries=(0.0, 0.0))
    assert sorted(came) == ["/failing"] * 2 + ["/well"]


def test_an_address_that_is_none_is_told_without_it() -> None:
    with pytest.raises(SettingsError, match=r"notify\.rules\.desk\.to: number 2") as raised:
        _sender("desk", ["json://127.0.0.1", "secret-stuff"])
    assert "secret-stuff" not in str(raised.value)


@pytest.mark.integration
async def test_a_model_reads_what_the_api_says() -> None:
    from mcp import Client

    from streams.page.tools_for_models import server_for

    since = f"{NOW - timedelta(hours=2):%Y-%m-%dT%H:%MZ}"
    async with client(await observatory()) as asking, Client(server_for(str(asking.make_url("/")))) as model:
        tools = {tool.name: tool for tool in (await model.list_tools()).tools}
        assert set(tools) == {"incidents", "incident", "countries", "series", "platforms", "platform"}
        assert all(tool.annotations.read_only_hint for tool in tools.values())
        one = await model.call_tool("incident", {"id": ID})
        assert one.structured_content["data"]["id"] == ID
        where = await model.call_tool("countries", {"code": "PK"})
        assert where.structured_content["state"] == "critical"
        lines = await model.call_tool("series", {"country": "PK", "start": since})
        assert lines.structured_content["data"]
        day = await model.call_tool("platform", {"name": "x"})
        assert {row["name"] for row in day.structured_content["data"]} == {"PK", "UG", "IR"}
        elsewhere = await model.call_tool("incident", {"id": "../countries/PK"})
        assert elsewhere.is_error
        wrong = await model.call_tool("incidents", {"country": "pk"})
        assert wrong.is_error and "in capitals" in wrong.content[0].text
