"""The page in a real browser: no error, no request elsewhere, axe finds nothing, readable without script, live with."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, async_playwright

from streams.records import encode
from tests.streams.page.world import NOW, observatory, window
from tests.streams.publish.stories import ID, incident

pytestmark = pytest.mark.integration

PAGES = ("/", "/country/PK", f"/incident/{ID}", "/incidents", "/about", "/platform/x", "/network/AS64501")
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


def watch(page: Any, home: str) -> list[str]:
    """Collects what went wrong on a page."""
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(home) else wrong.append(asked.url))
    return wrong


async def test_pages_are_well_in_every_look() -> None:
    server = await observatory()
    await server.start()
    found: list[str] = []
    try:
        async with chromium() as browser:
            for look, options in LOOKS.items():
                context = await browser.new_context(**options)
                others = ("/?lang=ar", f"/incident/{ID}?lang=ur") if look == "desktop" else ()
                for path in (*(PAGES if look == "desktop" else PAGES[:3]), *others):
                    page = await context.new_page()
                    wrong = watch(page, server.url)
                    answer = await page.goto(f"{server.url}{path}")
                    assert answer is not None and answer.status == 200, path
                    results = await Axe().run(page)
                    found += [
                        f"{look} {path}: {one['id']}: {one['nodes'][0]['html'][:200]}"
                        for one in results.response["violations"]
                    ]
                    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert wide <= 0, f"{look} {path} is {wide} px too wide"
                    assert wrong == [], (look, path)
                    await page.close()
                await context.close()
    finally:
        await server.stop()
    assert found == []


async def test_a_language_fetches_its_own_fonts_alone() -> None:
    server = await observatory()
    await server.start()
    fetched: dict[str, set[str]] = {}
    try:
        async with chromium() as browser:
            for code in ("en", "ru", "ar", "ur"):
                page = await browser.new_page()
                await page.goto(f"{server.url}/?lang={code}")
                await page.evaluate("document.fonts.ready")
                weights = await page.evaluate(
                    "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                    ".map(one => [one.name, one.encodedBodySize])"
                )
                assert sum(size for _, size in weights) < 150_000, weights
                fetched[code] = {name.rpartition("/")[2] for name, _ in weights if name.endswith("woff2")}
                await page.close()
    finally:
        await server.stop()
    latin, arabic = "libre-franklin.woff2", {"libre-franklin.woff2", "vazirmatn.woff2"}
    assert fetched == {
        "en": {latin, "source-serif.woff2"},
        "ru": {latin, "libre-franklin-cyrillic.woff2"},
        "ar": arabic,
        "ur": arabic,
    }


async def test_it_can_be_read_without_script_and_walked_by_keyboard() -> None:
    server = await observatory()
    await server.start()
    try:
        async with chromium() as browser:
            context = await browser.new_context(java_script_enabled=False)
            page = await context.new_page()
            await page.goto(server.url)
            await page.click("h1 a")
            headline = (await page.locator("h1").inner_text()).replace("\u00a0", " ")
            assert headline == "X (Twitter) and YouTube restricted across Pakistan"
            assert await page.locator("svg.locator").get_attribute("aria-label") == "Pakistan"
            assert await page.locator("svg.chart").count() == 2
            await page.goto(f"{server.url}/incidents")
            await page.select_option("select[name=severity]", "minor")
            await page.click("button")
            assert "severity=minor" in page.url and await page.locator(".story").count() == 0
            await page.goto(server.url)
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.className") == "skip"
            await page.keyboard.press("Enter")
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.closest('main') !== null")
    finally:
        await server.stop()


async def test_what_changes_is_shown_without_being_asked_for() -> None:
    server = await observatory()
    await server.start()
    try:
        async with chromium() as browser:
            page = await browser.new_page()
            wrong = watch(page, server.url)
            await page.goto(f"{server.url}/incident/{ID}")
            assert await page.locator(".timeline li").count() == 1
            while not server.streams.count:
                await asyncio.sleep(0.05)

            async def batches() -> AsyncIterator[list[bytes]]:
                yield [
                    encode(incident(seq=2, updated=NOW, summary="It grew.")),
                    encode(window(NOW, lost=True)),
                ]

            await server.feed(batches())
            await page.wait_for_selector(".timeline li:nth-child(2)")
            assert "It grew." in await page.locator(".standfirst").inner_text()
            await page.goto(f"{server.url}/country/PK")
            await page.click(".zoom button")
            await page.wait_for_selector(".uplot canvas")
            assert wrong == []
    finally:
        await server.stop()


async def test_what_changes_before_a_stream_is_open_is_shown_too() -> None:
    """A page from memory may be a moment old, and a stream may break: nobody stays with what was."""
    server = await observatory()
    await server.start()
    try:
        async with chromium() as browser:
            page = await browser.new_page()
            wrong, opened = watch(page, server.url), asyncio.Event()

            async def later(route: Any) -> None:
                await opened.wait()
                await route.continue_()

            await page.route("**/events*", later)
            await page.goto(f"{server.url}/incident/{ID}")
            assert await page.locator(".timeline li").count() == 1
            await page.evaluate("document.querySelector('main').dataset.same = 'yes'")
            await server.take([incident(seq=2, updated=NOW, summary="It grew.")])
            assert server.streams.count == 0
            opened.set()
            await page.wait_for_selector(".timeline li:nth-child(2)")
            # What has not changed is left alone.
            await page.evaluate("document.querySelector('.timeline').dataset.kept = 'yes'")
            async with page.expect_response(lambda answer: "/incident/" in answer.url):
                server.streams.changed([ID])
                server.streams.tell()
            await page.wait_for_timeout(200)
            assert await page.locator(".timeline[data-kept=yes]").count() == 1
            assert wrong == []
    finally:
        await server.stop()


async def test_the_demonstration_is_seen_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    """`netdusk demo --hold`: an incident appears, is followed, and is over, while nobody reloads the page."""
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        command = [
            sys.executable,
            "-m",
            "streams",
            "demo",
            "--hold",
            "--evening",
            "2024-01-20",
            "--speed",
            "3600",
        ]
        running = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
    try:
        for _ in range(600):
            address = re.search(r"page +(http://\S+)", log.read_text())
            if address or running.poll() is not None:
                break
            await asyncio.sleep(0.1)
        assert address is not None, log.read_text()
        async with chromium() as browser:
            page = await browser.new_page()
            wrong = watch(page, address[1])
            await page.goto(address[1])
            await page.wait_for_selector("h1:has-text('restricted across Pakistan')", timeout=90_000)
            assert await page.locator(".map .s-critical").count() >= 1
            await page.click("h1 a")
            await page.wait_for_selector(".timeline li")
            assert await page.locator(".sim").count() >= 1
            await page.wait_for_selector(".kicker .tag:has-text('Over')", timeout=90_000)
            assert await page.locator(".timeline li").count() >= 2
            await page.goto(f"{address[1]}/country/PK?by=network")
            assert await page.locator("svg.chart").count() == 2
            assert [one for one in wrong if "/events" not in one] == []
            results = await Axe().run(page)
            assert results.response["violations"] == []
    finally:
        running.terminate()
        running.wait(30)
