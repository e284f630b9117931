"""Whether a broker is there: by what it answered, what failed, and what waits for its answer."""

from __future__ import annotations

from asyncio import CancelledError

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.engine.presence import BrokerPresence


class Clock:
    """Seconds that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def presence(clock: Clock) -> BrokerPresence:
    return BrokerPresence("nowhere:1", clock=clock)


def test_a_request_without_an_answer_tells_before_it_fails(presence: BrokerPresence, clock: Clock) -> None:
    with presence.asking():
        clock.now += 1.9
        assert not presence.failing
        clock.now += 0.1
        assert presence.failing
        assert presence.away() is None
        clock.now += 3.0
        assert presence.away() == (
            "the broker at nowhere:1 has not answered for 5 s: a request waits for its answer"
        )
    assert not presence.failing
    assert presence.away() is None


def test_what_failed_counts_from_when_it_was_asked(presence: BrokerPresence, clock: Clock) -> None:
    with pytest.raises(KafkaConnectionError), presence.asking():
        clock.now += 15.0
        raise KafkaConnectionError("gone")
    why = "the broker at nowhere:1 has not answered for 15 s: KafkaConnectionError: gone"
    assert presence.away() == why
    # The next one's wait is no news.
    with presence.asking():
        clock.now += 5.0
        assert presence.away() == why.replace("15 s", "20 s")


def test_one_answer_does_not_hide_that_another_is_waited_for(presence: BrokerPresence, clock: Clock) -> None:
    with presence.asking():
        clock.now += 6.0
        with presence.asking():
            pass
        assert presence.away() is not None
    assert presence.away() is None


def test_who_is_cancelled_says_nothing_of_the_broker(presence: BrokerPresence, clock: Clock) -> None:
    with pytest.raises(CancelledError), presence.asking():
        clock.now += 9.0
        raise CancelledError
    assert not presence.failing
