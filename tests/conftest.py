"""What tests of several parts share: a real Kafka."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.effort import examples
from tests.faults.brokers import OwnBroker

#: How long an example takes depends on the machine: no deadline decides a test. CI tries the same examples each time,
#: so that it judges the change and not the draw; everybody else's runs draw anew.
settings.register_profile("netdusk", examples(40), deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("netdusk")


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through it again and again, nor as often."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a real Apache Kafka answers: one KRaft node for the whole run.

    NETDUSK_TEST_BOOTSTRAP names one that runs already. Topics are never made by themselves; each test makes its own,
    under names of its own. Without Kafka's jars or Java the test fails and says what to do.
    """
    if given := os.environ.get("NETDUSK_TEST_BOOTSTRAP"):
        yield given
        return
    broker = OwnBroker(tmp_path_factory.mktemp("kafka"), heap="512m")
    broker.format()
    broker.start()
    try:
        asyncio.run(broker.wait())
        yield broker.bootstrap
    finally:
        broker.close()
