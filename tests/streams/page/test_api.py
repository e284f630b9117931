"""The API: filters, cursors, forms, tags; and its description, which schemathesis holds it to."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from streams.page.api import ADDRESSES, Api, moment, openapi
from streams.page.history import History
from streams.page.observatory import Observatory, place_of
from streams.page.site import Site
from streams.records import Severity, Status
from tests.effort import examples
from tests.streams.page.world import NOW, client, observatory
from tests.streams.page.world import settings as page_settings
from tests.streams.publish.stories import ID, ONSET, incident


def many() -> list[Any]:
    return [
        incident(
            id=f"pk-{number:04d}",
            onset=ONSET - timedelta(hours=number),
            status=Status.RESOLVED,
            resolved=ONSET - timedelta(hours=number - 1),
            severity=Severity.MINOR if number % 2 else Severity.MAJOR,
        )
        for number in range(1, 120)
    ]


async def test_a_cursor_goes_through_all_of_them_once() -> None:
    async with client(await observatory(incident(), *many())) as asking:
        seen: list[str] = []
        query = "limit=50"
        while True:
            page = await (await asking.get(f"/api/v1/incidents?{query}")).json()
            seen += [one["id"] for one in page["data"]]
            if page["next"] is None:
                break
            query = f"limit=50&cursor={page['next']}"
    assert seen == [ID, *(f"pk-{number:04d}" for number in range(1, 120))]


@examples(40)
@given(st.data())
def test_lists_hold_each_incident_once_whatever_changes_and_in_whatever_order(data: st.DataObject) -> None:
    """Onsets move, incidents end, snapshots come late or twice: two pages list alike, by how each stands now."""
    snapshots = data.draw(
        st.lists(
            st.builds(
                lambda name, seq, offset, over, place: incident(
                    id=f"pk-{name}",
                    seq=seq,
                    country=place,
                    onset=ONSET + timedelta(seconds=offset / 2),
                    status=Status.RESOLVED if over else Status.UPDATED,
                    updated=NOW + timedelta(minutes=seq),
                    resolved=NOW + timedelta(minutes=seq) if over else None,
                ),
                st.integers(0, 6),
                st.integers(1, 4),
                st.integers(-4, 4),
                st.booleans(),
                st.sampled_from(("PK", "UG")),
            ),
            max_size=20,
            unique_by=lambda one: (one.id, one.seq),
        )
    )
    pages = []
    for order in (snapshots, data.draw(st.permutations([*snapshots, *snapshots[:3]]))):
        known = Observatory()
        for one in order:
            known.take(one)
        pages.append(known)
    since = NOW + timedelta(minutes=data.draw(st.integers(0, 5)))
    for filters in (
        {},
        {"status": "open"},
        {"country": "PK"},
        {"since": since},
        {"status": "open", "since": since},
    ):
        listed = [[case.last for case in known.incidents(**filters)] for known in pages]
        assert listed[0] == listed[1]
        last = {one.id: one for one in sorted(snapshots, key=lambda one: one.seq)}.values()
        fit = [
            one
            for one in last
            if (filters.get("status") != "open" or one.status is not Status.RESOLVED)
            and (filters.get("country") in (None, one.country))
            and ("since" not in filters or (one.resolved or one.updated) >= since)
        ]
        assert listed[0] == sorted(fit, key=place_of, reverse=True)
    site = Site(pages[0], History(pages[0].recent, None), page_settings())
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        page = Api(site).ask(ADDRESSES[0], query, "", NOW)
        seen += [one.id for one in page.data]
        if page.next is None:
            break
        query = {"limit": "2", "cursor": page.next}
    assert seen == [case.last.id for case in pages[0].incidents()]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status=open", 1),
        ("status=resolved&limit=200", 119),
        ("severity=minor&limit=200", 60),
        ("country=UG", 0),
        ("platform=x&asn=64501&limit=200", 120),
        ("simulated=true", 0),
        ("kind=connectivity", 0),
        (f"until={ONSET - timedelta(hours=100):%Y-%m-%dT%H:%MZ}", 19),
        (f"since={ONSET - timedelta(hours=2):%Y-%m-%dT%H:%MZ}", 4),
    ],
)
async def test_incidents_are_chosen_by(query: str, count: int) -> None:
    async with client(await observatory(incident(), *many())) as asking:
        page = await (await asking.get(f"/api/v1/incidents?{query}")).json()
    assert len(page["data"]) == count


async def test_a_series_is_the_same_in_every_form() -> None:
    async with client(await observatory()) as asking:
        answer = await asking.get("/api/v1/series?country=PK&by=platform")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        rows = (await answer.json())["data"]
        again = await asking.get(
            "/api/v1/series?country=PK&by=platform", headers={"If-None-Match": answer.headers["ETag"]}
        )
        assert again.status == 304
        table = list(
            csv.DictReader(
                io.StringIO(await (await asking.get("/api/v1/series?country=PK&format=csv")).text())
            )
        )
        packed = await (await asking.get("/api/v1/series?country=PK&format=parquet")).read()
        for accept, form in (("text/csv", "text/csv"), ("text/html, */*;q=0.8", "application/json")):
            answer = await asking.get("/api/v1/series?country=PK", headers={"Accept": accept})
            assert (answer.content_type, answer.headers["Vary"]) == (form, "Accept, Accept-Encoding")
        answer = await asking.get("/api/v1/series?country=PK&format=json", headers={"Accept": "text/csv"})
        assert answer.content_type == "application/json"  # what the address says goes before
    assert len(rows) == len(table) == pq.read_table(io.BytesIO(packed)).num_rows > 50
    last = [row for row in rows if row["name"] == "x"][-1]
    assert (last["n"], last["k"], last["failure"]) == (30, 3, "tls.connection_reset")
    assert last["reachability"] == pytest.approx(0.1) and last["expected"] == pytest.approx(0.98)


async def test_feeds_can_be_read() -> None:
    async with client(await observatory(incident(), *many())) as asking:
        atom = ElementTree.fromstring(await (await asking.get("/feed.atom?country=PK")).read())
        feed = json.loads(await (await asking.get("/feed.json?severity=minor")).read())
    name = "{http://www.w3.org/2005/Atom}"
    assert len(atom.findall(f"{name}entry")) == 50
    assert atom.find(f"{name}entry/{name}id").text == f"https://netdusk.example/incident/{ID}"  # type: ignore[union-attr]
    assert feed["version"] == "https://jsonfeed.org/version/1.1" and len(feed["items"]) == 50


async def test_a_browser_elsewhere_may_send_a_tag_back() -> None:
    async with client(await observatory()) as asking:
        asked = await asking.options(
            "/api/v1/incidents",
            headers={
                "Origin": "https://x.example",
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "if-none-match",
            },
        )
        page = await asking.options("/")
    assert asked.status == 204 and asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "If-None-Match" in asked.headers["Access-Control-Allow-Headers"]
    assert page.status == 405


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("incidents?since=2024-02-01&until=2024-01-01", "the first has to be before the second"),
        ("series?country=PK&from=2024-02-01&to=2024-02-01", "the first has to be before the second"),
        ("series", "country is missing"),
        ("series?country=pk", "country = 'pk'"),
        ("incidents?limit=1000", "a whole number from 1 to 200"),
        ("incidents?cursor=abc", "take `next` as it was given"),
        ("incidents?colour=red", "colour: no such parameter; there are country"),
        ("incidents?status=open&status=open", "there twice"),
    ],
)
async def test_a_wrong_query_is_told_with_the_remedy(query: str, why: str) -> None:
    async with client(await observatory()) as asking:
        answer = await asking.get(f"/api/v1/{query}")
        assert answer.status == 400 and why in (await answer.json())["error"]


@pytest.mark.integration
async def test_answers_are_as_the_description_says() -> None:
    """Schemathesis asks what may be asked, and what may not, and holds every answer to the description."""
    server = await observatory(incident(), *many()[:3], settings=page_settings(requests_per_second=100_000))
    async with client(server) as asking:
        url = str(asking.make_url("/")).rstrip("/")
        asked = await asyncio.to_thread(ask_all, url)
    assert asked > 9 * 5


def backward(query: dict[str, Any]) -> bool:
    """Whether a span ends before it begins: no schema can forbid that, and it is 400."""
    spans = (("since", "until"), ("from", "to"))
    try:
        return any(a in query and b in query and moment(query[a]) >= moment(query[b]) for a, b in spans)
    except (TypeError, ValueError):
        return False  # another fault, which the description does name


def ask_all(url: str) -> int:
    import schemathesis  # half a second, for this test alone
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_dict(openapi("netdusk", url, "0"))
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        modes = (
            list(GenerationMode)
            if operation.query or operation.path_parameters
            else [GenerationMode.POSITIVE]
        )
        for mode in modes:

            @settings(
                examples(20),
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
                derandomize=True,
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def hold(case: Any) -> None:
                nonlocal asked
                asked += 1
                assume(not backward(case.query or {}))
                case.call_and_validate(base_url=url)

            hold()
    return asked


async def test_now_is_the_clock_and_in_a_replay_the_newest_record() -> None:
    from streams.page.observatory import Observatory

    live, replay = Observatory(), Observatory(replay=True)
    for known in (live, replay):
        known.take(incident())
    assert live.now(NOW) == NOW and replay.now(NOW) == incident().updated
