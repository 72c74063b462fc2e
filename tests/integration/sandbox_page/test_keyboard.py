"""The page by keyboard alone: everything is reached, the focus is visible, and live changes do not move it."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.browser import open_page
from tests.support.reporting_server import ReportingServer

MAX_STOPS: Final = 60
FOCUSED: Final = """
() => {
  const focused = document.activeElement;
  window.focused = focused;
  if (focused === document.body) return null;
  const {outlineStyle, outlineWidth} = getComputedStyle(focused);
  const {top, bottom, left, right} = focused.getBoundingClientRect();
  return {
    name: focused.getAttribute("aria-label") || focused.name || focused.textContent.trim().replace(/\\s+/g, " "),
    isMarked: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    isInWindow: bottom > 0 && right > 0 && top < innerHeight && left < innerWidth,
  };
}
"""
"""Describe the element that has the focus, and remember it; null if none has it."""
IS_STILL_FOCUSED: Final = "window.focused.isConnected && document.activeElement === window.focused"


async def next_stop(page: Page) -> dict[str, Any] | None:
    await page.keyboard.press("Tab")
    stop: dict[str, Any] | None = await page.evaluate(FOCUSED)
    return stop


async def change_everything(server: ReportingServer, number: int) -> None:
    """Add an entry, a person, an event and a drop, and make a segment larger."""
    await server.send_event(f"change-{number}", f"new-{number}", f"new event {number}")
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": [f"new-{number}", "nobody"]})


async def wait_for_changes(page: Page, events: int) -> None:
    await expect(page.get_by_role("navigation", name="Views").get_by_role("link", name="Events")).to_contain_text(
        re.compile(rf"\b{events}\b")
    )


@pytest.fixture
async def filled(sandbox: RunningSandbox, server: ReportingServer) -> RunningSandbox:
    """A sandbox with one entry, one person, one event, one member of a segment and one fault."""
    await server.identify("ann", {"email": "ann@example.com", "address": {"city": "Lyon"}})
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": ["ann"]})
    await server.send_event("call-1", "ann", "bought", {"total": 5})
    await server.add_fault(kind="status", status=503, operation="find_region")
    return sandbox


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("/", "ann PUT"),
        ("/call/call-1", None),
        ("/people", "ann"),
        ("/people/03000001", None),
        ("/events", "ann"),
        ("/events/1", None),
        ("/segments", "Paying customers"),
        ("/segments/1", "ann"),
        ("/start", None),
    ],
)
async def test_each_stop_is_marked_and_visible_and_kept_by_live_changes(
    browser: Browser, filled: RunningSandbox, server: ReportingServer, path: str, last: str | None, width: int
) -> None:
    async with open_page(browser, filled.url, path=f"/#{path}", width=width) as page:
        await wait_for_changes(page, 1)
        names: list[str] = []
        while (stop := await next_stop(page)) is not None and len(names) < MAX_STOPS:
            names.append(stop["name"])
            assert stop["isMarked"], names
            assert stop["isInWindow"], names
            if len(names) % 4 == 0:
                changes = len(names) // 4
                await change_everything(server, changes)
                await wait_for_changes(page, changes + 1)
                assert await page.evaluate(IS_STILL_FOCUSED), names
                assert (await page.evaluate(FOCUSED))["name"].split(" ")[0] == names[-1].split(" ")[0], names
        assert len(names) < MAX_STOPS
        assert len(names) == len(set(names)) or path in ("/", "/call/call-1", "/people/03000001"), names
        assert last is None or any(last in name for name in names), names


@pytest.mark.parametrize(("path", "name"), [("/people", "ann"), ("/events", "bought"), ("/segments/1", "ann")])
async def test_focus_stays_on_its_row_when_rows_are_added(
    browser: Browser, filled: RunningSandbox, server: ReportingServer, path: str, name: str
) -> None:
    async with open_page(browser, filled.url, path=f"/#{path}") as page:
        row = page.locator("main .row").get_by_role("link", name=name, exact=True)
        await row.focus()
        await change_everything(server, 1)
        await wait_for_changes(page, 2)
        await expect(row).to_be_focused()
        assert await page.evaluate("document.activeElement.textContent.trim()") == name


async def test_what_is_open_stays_open_when_a_change_arrives(
    browser: Browser, filled: RunningSandbox, server: ReportingServer
) -> None:
    async with open_page(browser, filled.url, path="/#/call/call-1") as page:
        headers = page.get_by_text("Request headers")
        await headers.focus()
        await page.keyboard.press("Enter")
        await page.locator(".faults summary").focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("How many").fill("7")
        await change_everything(server, 1)
        await wait_for_changes(page, 2)
        await expect(page.locator(".headers").first).to_contain_text("application/json")
        await expect(page.get_by_label("How many")).to_have_value("7")
        await expect(page.get_by_label("How many")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".faults summary")).to_be_focused()
        await expect(page.locator("#entry")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#entry")).to_have_count(0)
        await expect(page.locator(".entry-link").nth(2)).to_be_focused()


async def test_dialog_keeps_the_focus_inside_and_returns_it(
    browser: Browser, filled: RunningSandbox, server: ReportingServer
) -> None:
    async with open_page(browser, filled.url) as page:
        await page.locator("#reset").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        await change_everything(server, 1)
        await wait_for_changes(page, 2)
        await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        for _ in range(4):
            await page.keyboard.press("Tab")
            assert await page.evaluate(
                "document.activeElement === document.body || document.activeElement.closest('dialog')"
            )
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.locator("#reset")).to_be_focused()
        assert len(list(filled.workspace.people)) == 2


async def test_focus_is_not_lost_when_the_focused_element_disappears(
    browser: Browser, filled: RunningSandbox, server: ReportingServer
) -> None:
    await server.add_fault(kind="status", status=503)
    async with open_page(browser, filled.url) as page:
        await page.get_by_role("button", name="Remove fault: 503", exact=True).focus()
        await server.track("ann", {"name": "used the fault"})
        await expect(page.get_by_role("list", name="Waiting faults").get_by_role("listitem")).to_have_count(1)
        assert await page.evaluate(FOCUSED) is not None


async def test_focus_is_not_lost_when_the_first_entry_replaces_the_empty_state(
    page: Page, server: ReportingServer
) -> None:
    await page.get_by_role("tab", name="Claude Desktop").focus()
    await server.send_event("call-1", "ann", "bought")
    await expect(page.locator("#timeline .entry")).to_have_count(1)
    await expect(page.locator("main")).to_be_focused()
