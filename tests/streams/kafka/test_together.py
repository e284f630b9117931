"""Many questions, one request; no answer is older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from streams.kafka.client import Together


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
