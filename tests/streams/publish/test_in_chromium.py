"""A report as a reader's browser has it: whole, alone, readable on a phone, in print, and by everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streams.publish.pages import to_html
from tests.streams.publish.stories import results, story
from tests.streams.publish.test_report import page_of, report_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page, with everything that it asked for and complained about."""

    def __init__(self, browser: Any, path: Path, width: int, **more: Any) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800}, **more)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture(params=[True, False], ids=["simulated", "real"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(page_of(request.param, drawn=True), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", [320, 390, 768, 1400])
def test_it_asks_for_nothing_and_fits(browser: Any, path: Path, width: int) -> None:
    opened = Opened(browser, path, width)
    assert opened.asked == [path.as_uri()]
    assert opened.complaints == []
    assert opened.ask("document.documentElement.scrollWidth") <= width
    # Nothing sticks out either, hidden by its parent: every visible box ends within the page.
    out = opened.ask(
        """() => [...document.querySelectorAll('main *, header *, footer *')]
            .filter(e => !e.closest('.watermark, svg') && e.getClientRects().length)
            .filter(e => getComputedStyle(e.closest('thead') || e).position !== 'absolute')
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert out == []
    shown = opened.ask(
        "[...document.querySelectorAll('figure svg')].filter(e => e.getClientRects().length)"
        ".map(e => e.getBoundingClientRect().width)"
    )
    assert len(shown) == 2
    assert all(200 < w <= width for w in shown)


def test_text_in_the_charts_is_large_enough_on_a_phone(browser: Any, path: Path) -> None:
    sizes = Opened(browser, path, 390).ask(
        """() => [...document.querySelectorAll('figure svg text')].filter(e => e.getClientRects().length)
            .map(e => parseFloat(getComputedStyle(e).fontSize)
                 * e.ownerSVGElement.getBoundingClientRect().width / e.ownerSVGElement.viewBox.baseVal.width)"""
    )
    assert sizes
    assert min(sizes) >= 8.5


CONTRASTS = """() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const linear = v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const light = c => { const [r, g, b] = c.map(linear); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                        if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest('[aria-hidden=true], svg, style')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    found.push([(a + .05) / (b + .05), walk.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""


def test_everybody_can_read_it(browser: Any, path: Path) -> None:
    opened = Opened(browser, path, 1000)
    contrasts = opened.ask(CONTRASTS)
    assert len(contrasts) > 50
    assert [text for ratio, text in contrasts if ratio < 4.5] == []  # WCAG 2.2, 1.4.3 (AA)
    assert opened.ask("document.documentElement.lang") == "en"
    assert opened.ask("document.title")
    levels = opened.ask("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    labels = opened.ask(
        "[...document.querySelectorAll('svg')].map(e => [e.getAttribute('role'), e.ariaLabel])"
    )
    assert all(role == "img" and label and "during the incident" in label for role, label in labels)
    assert opened.ask(
        "[...document.querySelectorAll('table')].every(t => t.querySelector('thead th[scope=col]'))"
    )
    assert opened.ask("document.querySelectorAll('main').length") == 1


def test_simulated_is_seen_wherever_one_looks(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page_of(True, drawn=True), encoding="utf-8")
    opened = Opened(browser, file, 390)
    height = opened.ask("document.documentElement.scrollHeight")
    for top in range(0, height, 400):
        opened.ask(f"window.scrollTo(0, {top})")
        seen = opened.ask(
            """() => [...document.querySelectorAll('.watermark span')].map(e => e.getBoundingClientRect())
                .filter(r => r.right > 0 && r.left < innerWidth && r.bottom > 0 && r.top < innerHeight).length"""
        )
        assert seen >= 2
    opened.page.emulate_media(media="print")
    assert (
        opened.ask("getComputedStyle(document.querySelector('.watermark')).position") == "fixed"
    )  # on every sheet
    assert opened.ask("document.querySelector('.banner').getClientRects().length") == 1


def test_it_prints(browser: Any, path: Path) -> None:
    opened = Opened(browser, path, 1000)
    pdf = opened.page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF-")
    sheets = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 2 <= sheets <= 8
    size = re.search(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", pdf)
    assert size is not None
    assert [round(float(side)) for side in size.groups()] in ([595, 842], [596, 842])  # A4


def test_text_from_outside_runs_nothing(browser: Any, tmp_path: Path) -> None:
    bad = '</title></svg><img src="https://evil.example/x.png" onerror="alert(1)"><script>alert(1)</script>'
    snapshots = story(summary=bad, platforms=(bad,), reason=bad)
    file = tmp_path / "report.html"
    file.write_text(to_html(report_of(snapshots, results(platforms=(bad,)))), encoding="utf-8")
    opened = Opened(browser, file, 1000)
    assert opened.asked == [file.as_uri()]
    assert opened.complaints == []
    assert opened.ask("document.querySelectorAll('img, script').length") == 0
    assert bad in opened.ask("document.body.innerText")
