"""A full sandbox: the page draws a part of it, at most once a frame, and counts all of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_ITEMS
from tests.support.browser import open_page, show_tab
from tests.support.full_sandbox import write_full_data_file
from tests.support.reporting_server import ReportingServer, reporting_server

MAX_ELEMENTS: Final = 4000
"""Of a view with 100 rows; 10,000 rows have more than this in any view."""
ROWS: Final = {"Timeline": "#timeline .entry", "People": ".people-list > .row", "Events": ".events-list > .row"}
LIVE_CALLS: Final = 100
"""Each is five changes: a request that starts and ends, a person, an event and a call."""

COUNT_DRAWINGS: Final = """
window.drawings = 0;
window.frames_shown = 0;
new MutationObserver(() => { drawings += 1; }).observe(document.getElementById("app"),
  { subtree: true, childList: true, characterData: true, attributes: true });
const count = () => { frames_shown += 1; requestAnimationFrame(count); };
requestAnimationFrame(count);
"""


@pytest.fixture(scope="module")
def full_data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "sandbox.db"
    write_full_data_file(path)
    return path


@pytest.fixture
async def full_sandbox(full_data_file: Path, tmp_path: Path) -> AsyncIterator[RunningSandbox]:
    data = Path(shutil.copy(full_data_file, tmp_path))
    async with run_sandbox(data=data) as running:
        yield running


@pytest.fixture
async def full_server(full_sandbox: RunningSandbox) -> AsyncIterator[ReportingServer]:
    async with reporting_server(full_sandbox) as running:
        yield running


@pytest.fixture
async def full_page(browser: Browser, full_sandbox: RunningSandbox) -> AsyncIterator[Page]:
    async with open_page(browser, full_sandbox.url) as opened:
        await expect(tab(opened, "Timeline")).to_be_visible()
        yield opened


def tab(page: Page, name: str, count: int = MAX_ITEMS) -> Locator:
    return page.get_by_role("navigation", name="Views").get_by_role("link", name=f"{name} {count:,}")


async def elements(page: Page) -> int:
    count: int = await page.evaluate("document.querySelectorAll('*').length")
    return count


async def test_every_view_counts_all_and_draws_a_part(full_page: Page) -> None:
    for name, rows in ROWS.items():
        await show_tab(full_page, name)
        await expect(full_page.locator(rows)).to_have_count(100)
        await expect(full_page.get_by_role("button", name="Show 100 more of 9,900")).to_be_visible()
        assert await elements(full_page) < MAX_ELEMENTS


async def test_search_and_filters_find_among_all(full_page: Page) -> None:
    entries = full_page.locator("#timeline .entry")
    await full_page.get_by_label("Search").fill("sku-77")
    await expect(full_page.get_by_role("button", name="All")).to_have_text(re.compile(r"All\s+111"))
    await full_page.get_by_label("Search").fill("sku-77 enterprise")
    await expect(full_page.get_by_role("button", name="All")).to_have_text(re.compile(r"All\s+28\s*$"))
    await full_page.get_by_label("Search").fill("sku-1 ")
    await full_page.get_by_label("Person").fill("customer-1@example.com")
    await expect(entries).to_have_count(1)
    await expect(entries).to_contain_text(["event 1 for customer-1"])
    await show_tab(full_page, "People")
    await expect(full_page.locator(".people-list > .row")).to_have_count(0)
    await full_page.get_by_label("Search").fill("")
    await expect(full_page.locator(".people-list > .row")).to_have_count(1)
    await show_tab(full_page, "Events")
    await expect(full_page.locator(".events-list > .row")).to_have_count(1)


async def test_live_changes_are_drawn_at_most_once_a_frame(full_page: Page, full_server: ReportingServer) -> None:
    await full_page.evaluate(COUNT_DRAWINGS)
    for round_, path in enumerate(("/?search=sku", "/call/call-10000", "/people", "/events")):
        await full_page.evaluate("path => { location.hash = path; }", path)
        for number in range(LIVE_CALLS):
            person = f"new-{round_}-{number}"
            await full_server.send_event(f"call-{person}", person, f"live {number}", {"sku": "sku"})
        people = MAX_ITEMS + (round_ + 1) * LIVE_CALLS
        await expect(tab(full_page, "People", people)).to_be_visible()
        newest = full_page.locator(", ".join(ROWS.values())).first
        await expect(newest).to_contain_text(f"new-{round_}-{LIVE_CALLS - 1}")
        await expect(tab(full_page, "Timeline")).to_be_visible()
        await expect(tab(full_page, "Events")).to_be_visible()
        assert await full_page.evaluate("drawings <= frames_shown")
        assert await elements(full_page) < MAX_ELEMENTS
