"""The order in which `netdusk up` starts things, on a stack that only notes what it is asked for."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest
from rich.console import Console

from streams.commands.up import _run
from streams.local.stack import ChildError, Stack
from streams.settings import load


class NotedStack:
    """Ends when the page is asked for: that is the last of the start."""

    worker_url = "http://127.0.0.1:9464"
    folder = "here"

    def __init__(self) -> None:
        self.settings = load()
        self.began: list[str] = []

    async def __aenter__(self) -> NotedStack:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.began.append("end")

    def start_worker(self) -> str:
        self.began.append("worker")
        return "worker"

    async def ready(self, child: str) -> None:
        self.began.append(f"{child} has joined")

    def run(self, name: str, *_: Any) -> None:
        self.began.append(name)

    async def start_page(self, port: int) -> None:
        self.began.append("page")
        raise ChildError(f"nothing on port {port}")


async def test_what_decides_waits_for_nothing_that_shows() -> None:
    stack, said = NotedStack(), io.StringIO()
    console = Console(file=said, markup=False)
    with pytest.raises(ChildError):
        await _run(cast("Stack", stack), console, probe=True, canary=True, page=True)
    assert stack.began == ["worker", "worker has joined", "probe", "canary", "page", "end"]
    assert "metrics  http://127.0.0.1:9464/metrics" in said.getvalue()
