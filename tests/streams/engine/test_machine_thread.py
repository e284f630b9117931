"""Machines are touched by one at a time, wherever the work is done."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from streams.engine.machine_thread import MachineThread


async def test_brief_work_is_done_at_once_where_nothing_else_is() -> None:
    with ThreadPoolExecutor(1) as executor:
        machines = MachineThread(executor)
        assert await machines.compute(threading.get_ident, brief=True) == threading.get_ident()
        assert await machines.compute(threading.get_ident) != threading.get_ident()


async def test_brief_work_waits_for_what_takes_long_even_if_nobody_waits_for_that_any_more() -> None:
    go_on = threading.Event()
    order = []

    def long() -> None:
        go_on.wait(10)
        order.append("long")

    with ThreadPoolExecutor(1) as executor:
        machines = MachineThread(executor)
        task = asyncio.create_task(machines.compute(long))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        brief = asyncio.create_task(machines.compute(lambda: order.append("brief"), brief=True))
        await asyncio.sleep(0)
        assert order == []
        go_on.set()
        await brief
        assert order == ["long", "brief"]
        assert await machines.compute(threading.get_ident, brief=True) == threading.get_ident()
