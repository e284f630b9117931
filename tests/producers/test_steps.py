"""What a step of an attempt has to have, and where it has to stand: each test names what a new one lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from producers.failures import Stage
from producers.probe.attempt import PROBERS
from producers.probe.metrics import ProbeMetrics
from producers.probe.schedule import ScheduleTotals
from producers.records import Timings
from producers.simulated.worlds import MECHANISMS as SIMULATED
from producers.steps import SCHEMES, STEPS, Step
from streams.step.rows import MECHANISMS

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text() for name in ("docs/index.md", "docs/probing.md", "docs/glossary.md")}
NUMBERS = {4: "four", 5: "five", 6: "six", 7: "seven"}
EVERY_STEP = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.title)


@EVERY_STEP
def test_a_step_has_what_takes_it_and_a_field_for_its_time(step: Step) -> None:
    assert step.stage in PROBERS, f"say in attempt.PROBERS who takes {step.title}"
    assert step.timing in Timings.__struct_fields__, f"give producers.records.Timings a field {step.timing}"
    assert any(step.stage in stages for stages in SCHEMES.values()), f"no scheme goes as far as {step.title}"


@EVERY_STEP
def test_a_step_is_counted_and_simulated(step: Step) -> None:
    registry = CollectorRegistry()
    ProbeMetrics(registry, ["x"], ScheduleTotals(), lambda: None)
    page = generate_latest(registry).decode()
    assert f'outcome="{step.stage}"' in page
    assert f'step="{step.stage}"' in page
    assert any(name.startswith(f"{step.stage}.") for name in MECHANISMS)
    # What is simulated asks over https.
    assert step.stage not in SCHEMES["https"] or any(
        name.startswith(f"{step.stage}.") for name in SIMULATED
    ), f"no simulated world fails at {step.title}: see producers/simulated/worlds.py"


@EVERY_STEP
def test_a_step_is_in_the_docs(step: Step) -> None:
    probing = PAGES["docs/probing.md"]
    table = probing[probing.index("| step | what happens |") :].split("\n\n")[0]
    assert f"| {step.title} |" in table, (
        f"say in docs/probing.md, 'What an attempt does', what {step.title} is"
    )
    columns = next(line for line in probing.splitlines() if line.startswith("platform   target"))
    assert step.timing in columns.split(), f"the example of --once in docs/probing.md has no {step.timing}"
    stages = next(line for line in PAGES["docs/glossary.md"].splitlines() if line.startswith("| stage |"))
    assert step.stage in stages, f"docs/glossary.md, 'stage', lacks {step.stage}"


@pytest.mark.parametrize("page", ["docs/index.md", "docs/probing.md"])
def test_the_steps_are_counted_in_words(page: str) -> None:
    said = f"{NUMBERS[len(STEPS)]} steps ({', '.join(step.title for step in STEPS)})"
    assert said in " ".join(PAGES[page].split()), f"{page} says otherwise than: {said}"


def test_every_scheme_takes_steps_in_their_order() -> None:
    order = [step.stage for step in STEPS]
    for scheme, stages in SCHEMES.items():
        assert [stage for stage in order if stage in stages] == list(stages), scheme
    assert set(order) <= set(Stage)
