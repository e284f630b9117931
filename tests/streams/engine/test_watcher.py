"""What nobody tells is found out: a source made anew, more partitions, an open transaction, a topic set wrongly."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from streams.engine import watcher as module
from streams.engine.watcher import Ends, Watcher
from streams.kafka.described import DescribedTopic
from streams.machine import Note, PartitionCount
from tests.streams.engine.fakes import FakeBroker, surroundings

PLACE = TP("probes", 0)


class Reader:
    """A source of some partitions, each of which ends at the same offset."""

    def __init__(self) -> None:
        self.count, self.end, self.id = 2, 100, "first"
        self.asked_for_ends = 0

    async def describe(self, topic: str) -> DescribedTopic:
        return DescribedTopic(self.id, list(range(self.count)))

    async def describe_each(self, topics: list[str]) -> dict[str, DescribedTopic]:
        return {topic: await self.describe(topic) for topic in topics}

    async def bounds(self, topic: str, partitions: list[int]) -> dict[int, tuple[int, int]]:
        self.asked_for_ends += 1
        return dict.fromkeys(partitions, (0, self.end))


class Watched:
    """A watcher of one partition, and what it does with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, executor: ThreadPoolExecutor) -> None:
        self.notes: list[Note] = []
        self.renewed: list[str] = []
        self.read_again: list[int] = []
        self.ends = Ends(100, 100)
        self.refusals: list[str] = []
        self.reader = Reader()

        async def read_again(offset: int) -> None:
            self.read_again.append(offset)

        async def refusals(_: Any) -> list[str]:
            return self.refusals

        monkeypatch.setattr(module, "refusals", refusals)
        self.partition: Any = SimpleNamespace(
            name="probes-0",
            running_at=100,
            source="first",
            machine=SimpleNamespace(note=self.notes.append),
            idle=lambda seconds: True,
            renew=self.renewed.append,
            read_again=read_again,
        )
        around = surroundings(FakeBroker(), executor)
        around.reader = cast(Any, self.reader)
        self.watcher = Watcher(around, {PLACE: self.partition}, lambda tp: self.ends, ["probes"])


async def test_a_source_that_was_made_anew_renews_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        await watched.watcher.look_at_topics()
        assert watched.renewed == []
        watched.reader.end = 99
        await watched.watcher.look_at_topics()
        assert watched.renewed == ["its topic was made anew: it ends at offset 99, and not after 100"]


async def test_a_source_that_was_made_anew_and_has_grown_since_is_known_by_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        watched.reader.id, watched.reader.end = "", 5_000
        await watched.watcher.look_at_topics()  # no broker could tell
        assert watched.renewed == []
        watched.reader.id = "second"
        await watched.watcher.look_at_topics()
        assert watched.renewed == ["its topic was made anew: it has the id second, and not first"]


async def test_a_passing_look_asks_for_no_ends_unless_something_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        watched.refusals = ["topic checkpoints: compacted"]
        await watched.watcher.look_at_topics()
        assert (watched.reader.asked_for_ends, watched.watcher.unready()) == (
            1,
            "topic checkpoints: compacted",
        )
        watched.refusals = []
        await watched.watcher.look_at_topics(thorough=False)
        assert (watched.reader.asked_for_ends, watched.watcher.unready()) == (
            1,
            "topic checkpoints: compacted",
        )
        watched.reader.count = 4
        await watched.watcher.look_at_topics(thorough=False)
        assert watched.notes == [PartitionCount(4, 100, 0)]
        watched.reader.id = "second"
        await watched.watcher.look_at_topics(thorough=False)
        assert watched.renewed == ["its topic was made anew: it has the id second, and not first"]
        watched.reader.count = 0
        await watched.watcher.look_at_topics(thorough=False)
        assert "topic probes does not exist any more" in str(watched.watcher.unready())
        # No id is known of an old broker's topic: then its ends must tell.
        watched.reader.count, watched.reader.id, asked = 4, "", watched.reader.asked_for_ends
        await watched.watcher.look_at_topics(thorough=False)
        assert watched.reader.asked_for_ends == asked + 1


async def test_machines_are_told_of_another_number_of_partitions_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        await watched.watcher.look_at_topics()
        watched.reader.count = 4
        for _ in range(2):
            await watched.watcher.look_at_topics()
        assert watched.notes == [PartitionCount(4, 100, 0)]


async def test_who_doubts_the_number_of_partitions_has_it_asked_and_not_twice_in_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        await watched.watcher.look_at_topics()
        watched.reader.count = 4
        await watched.watcher.recount("probes")
        assert watched.notes == [PartitionCount(4, 100, 0)]
        watched.reader.count = 8
        await watched.watcher.recount("probes")
        assert watched.notes == [PartitionCount(4, 100, 0)]


async def test_who_doubts_it_while_that_is_asked_waits_for_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also before the topics were looked at for the first time."""
    with ThreadPoolExecutor(1) as executor:
        watched, answer = Watched(monkeypatch, executor), asyncio.Event()
        describe, asked = watched.reader.describe, []

        async def slowly(topic: str) -> DescribedTopic:
            asked.append(topic)
            await answer.wait()
            return await describe(topic)

        monkeypatch.setattr(watched.reader, "describe", slowly)
        doubts = [asyncio.create_task(watched.watcher.recount("probes")) for _ in range(2)]
        while not asked:
            await asyncio.sleep(0)
        assert not any(one.done() for one in doubts)
        answer.set()
        await asyncio.gather(*doubts)
        assert (asked, watched.notes) == (["probes"], [PartitionCount(2, 100, 0)])


async def test_what_is_wrong_with_a_topic_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        watched.refusals = ["topic checkpoints: compacted"]
        with capture_logs() as logs:
            for _ in range(2):
                await watched.watcher.look_at_topics()
        assert [entry["why"] for entry in logs] == ["topic checkpoints: compacted"]


async def test_what_should_have_come_is_read_again_once_and_what_is_held_back_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_TRANSACTION_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as executor:
        watched = Watched(monkeypatch, executor)
        watched.ends = Ends(105, 105)
        for _ in range(2):
            await watched.watcher.look_at(PLACE, watched.partition)
        assert watched.read_again == [100]
        watched.ends = Ends(100, 105)
        with capture_logs() as logs:
            for _ in range(3):
                await watched.watcher.look_at(PLACE, watched.partition)
        assert [(entry["from_offset"], entry["held_back"]) for entry in logs] == [(100, 5)]
