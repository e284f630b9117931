"""Many questions, one request; no answer is older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from streams.kafka import client
from streams.kafka.client import Together
from streams.settings import KafkaSettings


class Broker:
    """Answers with how often it was asked, once the test lets it."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.may_answer = asyncio.Event()

    async def ask(self, questions: Collection[str]) -> Mapping[str, int]:
        self.asked.append(set(questions))
        number = len(self.asked)
        await self.may_answer.wait()
        if "broken" in questions:
            raise OSError("gone")
        return dict.fromkeys(questions, number)


async def test_what_is_asked_meanwhile_goes_together_with_the_next_request() -> None:
    broker = Broker()
    together = Together(broker.ask)
    first = asyncio.create_task(together.ask(["a"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(together.ask(list(names))) for names in ("a", "bc")]
    await asyncio.sleep(0)
    broker.may_answer.set()
    assert (await first)["a"] == 1
    assert [await other for other in others] == [{"a": 2, "b": 2, "c": 2}] * 2
    assert broker.asked == [{"a"}, {"a", "b", "c"}]


async def test_a_failure_is_everybodys_who_asked_and_nobody_elses() -> None:
    broker = Broker()
    broker.may_answer.set()
    together = Together(broker.ask)
    with pytest.raises(OSError, match="gone"):
        await together.ask(["broken"])
    assert await together.ask(["a"]) == {"a": 2}
    assert await together.ask([]) == {}


async def test_a_worker_deletes_what_is_old_in_all_partitions_with_few_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests: list[dict[TopicPartition, int]] = []

    class Admin:
        def __init__(self, **_: object) -> None: ...

        async def start(self) -> None: ...

        async def close(self) -> None: ...

        async def delete_records(self, records: dict[TopicPartition, RecordsToDelete]) -> None:
            requests.append({place: record.before_offset for place, record in records.items()})

    monkeypatch.setattr(client, "AIOKafkaAdminClient", Admin)
    reader = client.TopicReader(KafkaSettings())
    deletions = [
        reader.delete_before("c", partition, offset) for partition in range(240) for offset in (9, 5)
    ]
    await asyncio.gather(*deletions)
    assert len(requests) < 3
    assert {place.partition: offset for one in requests for place, offset in one.items()} == dict.fromkeys(
        range(240), 9
    )


async def test_after_an_answer_to_several_it_waits_for_company_and_after_one_it_does_not() -> None:
    broker = Broker()
    broker.may_answer.set()
    together = Together(broker.ask, pause_seconds=3600.0)
    await together.ask(["a"])
    await together.ask(["b"])
    await asyncio.gather(together.ask(["c"]), together.ask(["d"]))
    late = asyncio.create_task(together.ask(["e"]))
    for _ in range(20):
        await asyncio.sleep(0)
    assert broker.asked == [{"a"}, {"b"}, {"c", "d"}]
    late.cancel()
    assert together._asking is not None
    together._asking.cancel()
