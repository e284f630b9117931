"""Every command on every page is run, in the page's order, in a folder of its own; what the page shows is what it says.

Which words of a command are the reader's own, and what is checked in another way or not run, stands in `scenes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from monitoring.shipped import ROOT
from tests.docs.scenes import INSTEAD, NOT_RUN, SCENES, NotRun, Scene
from tests.docs.shell import FIGURES_DIFFER, Said, Shell, Step, agrees, steps
from tests.docs.world import Demo, Internet, World, environment, monitored
from tests.monitoring.servers import Webhook, free_port, wait_until

Found = TypeVar("Found")
_PATTERNS = ("*.md", "docs/*.md", "docs/runbooks/*.md", "monitoring/*.md", "helm/*/*.md", "deploy/**/*.md")
PAGES = {
    str(path.relative_to(ROOT)): found
    for pattern in _PATTERNS
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md" and (found := list(steps(path.read_text())))
}


def not_run(page: str, step: Step) -> NotRun | None:
    return next((one for one in NOT_RUN if one.page == page and step.command.startswith(one.begins)), None)


def test_pages_with_commands_have_a_scene_and_no_other_has() -> None:
    assert set(PAGES) == set(SCENES), "say in scenes.py what the commands of a new page find"
    assert len(PAGES) > 25
    named = [
        begins
        for scene in SCENES.values()
        for begins in (*scene.ends, *scene.says, *scene.until, *scene.once)
    ]
    commands = [step.command for found in PAGES.values() for step in found]
    unused = [begins for begins in named if not any(command.startswith(begins) for command in commands)]
    assert unused == []


@pytest.mark.parametrize("one", NOT_RUN, ids=lambda one: f"{one.page}-{one.begins}")
def test_what_is_not_run_is_on_its_page_and_had_by_the_test_that_is_named(one: NotRun) -> None:
    assert any(step.command.startswith(one.begins) for step in PAGES[one.page]), "take it off the list"
    assert one.why
    if one.test:
        assert one.words in (ROOT / one.test).read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    started = Demo(tmp_path_factory.mktemp("demo") / "here")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def world(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    demo.ready()
    with (
        Internet(tmp_path_factory.mktemp("internet") / "here") as internet,
        monitored(tmp_path_factory.mktemp("monitoring"), demo.worker) as (prometheus, alertmanager),
        Webhook() as phone,
    ):
        yield World(demo, prometheus, alertmanager, internet, phone, free_port())


class Walk:
    """A reader who does what a page says."""

    def __init__(self, page: str, scene: Scene, folder: Path, world: World | None) -> None:
        self.page, self.scene, self.folder = page, scene, folder
        settings = world.settings() if world else {}
        if world is not None and scene.archived:
            settings["NETDUSK_ARCHIVE__URL"] = world.demo.archive
        self.shell = Shell(folder, environment(folder, **settings, **scene.settings))
        scene.files(folder, world)
        self.words = dict(scene.words(world, folder)) if world or not scene.world else {}  # type: ignore[arg-type]
        self._ports: list[str] = []
        if world is not None:
            self._ports = [f":{port}" for port in world.internet.ports]

    def filled(self, text: str) -> str:
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text

    def take(self, step: Step) -> None:
        """Do what a step says. Fails where that is not what the page says of it."""
        instead = next((one for one in INSTEAD if step.command.startswith(one.begins)), None)
        if instead is not None:
            said = self.shell.run(
                f"cd {instead.folder or '.'} && {instead.command(self.filled(step.command))}"
            )
            assert said.code == 0, self._told(step, said)
            return
        if until := self._of(self.scene.until, step):
            said = self.shell.start(self.filled(step.command), until)
            if once := self._of(self.scene.once, step):
                wait_until(lambda: self.shell.run(self.filled(once)).code == 0, 180, once)
        else:
            said = self.shell.run(self.filled(step.command))
        assert said.code == (self._of(self.scene.ends, step) or 0), self._told(step, said)
        if words := self._of(self.scene.says, step):
            assert re.search(words, said.text), self._told(step, said)
        if step.shown is not None:
            text = self._theirs(said.text)
            differ = FIGURES_DIFFER.search(step.command) is not None
            assert agrees(step.shown, text, figures_differ=differ), (
                f"{self._told(step, said)}\nthe page shows:\n{step.shown}"
            )

    def look(self) -> None:
        """Whether the files are there that the page speaks of."""
        for name, words in self.scene.leaves.items():
            assert re.search(words.encode(), (self.folder / name).read_bytes()), (
                f"{self.page}: {name}: {words}"
            )

    def leave(self) -> None:
        """End what runs still; all of it has to end as it should."""
        wrong = [
            f"{command}: ended with {said.code}\n{said.text[-3000:]}"
            for command, said in self.shell.stop()
            if said.code != 0
        ]
        assert wrong == []

    def _theirs(self, text: str) -> str:
        for port in self._ports:
            text = text.replace(port, "")
        return text.replace(str(self.folder), "")

    def _of(self, table: Mapping[str, Found], step: Step) -> Found | None:
        found = [begins for begins in table if step.command.startswith(begins)]
        return table[max(found, key=len)] if found else None

    def _told(self, step: Step, said: Said) -> str:
        return (
            f"{self.page}:{step.line}: {step.command}\nended with {said.code}, and said:\n{said.text[-4000:]}"
        )


def _needs_world(page: str) -> bool:
    return SCENES[page].world if page in SCENES else False


@pytest.mark.integration
@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("page", sorted(PAGES, key=_needs_world))
def test_every_command_does_what_its_page_says(
    page: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scene = SCENES[page]
    walk = Walk(page, scene, tmp_path, request.getfixturevalue("world") if scene.world else None)
    taken = 0
    try:
        for step in PAGES[page]:
            if not_run(page, step) is None:
                walk.take(step)
                taken += 1
        walk.look()
    finally:
        walk.leave()
    assert taken or all(not_run(page, step) for step in PAGES[page])
