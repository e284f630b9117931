"""The composition: nothing happens before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams import app
from streams.release import release
from streams.settings import Settings

LOOKS = """
import sys, streams.app
assert "faust" not in sys.modules and "numpy" not in sys.modules
assert not hasattr(streams.app, "nothing_of_the_kind")
assert streams.app.app is streams.app.app
print(type(streams.app.app).__name__)
"""


@pytest.mark.system
def test_importing_it_loads_nothing_and_faust_finds_the_app() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "WorkerApp"


def test_a_worker_reads_results_by_country_and_the_world_s_health() -> None:
    settings = Settings()
    worker = app.worker_of(settings)
    assert list(worker.pipelines) == [settings.topics.probes, settings.topics.health]


def test_every_log_says_which_release_and_which_settings_decided() -> None:
    settings, others = Settings(), Settings.model_validate({"detection": {"alarm_country": 9.0}})
    for pipeline in app.worker_of(settings).pipelines.values():
        assert release() in pipeline.mark(settings)
        assert pipeline.mark(settings) != pipeline.mark(others)
