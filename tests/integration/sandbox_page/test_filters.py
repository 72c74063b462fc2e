"""The search and the filters."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.browser import open_page
from tests.support.reporting_server import ReportingServer


@pytest.fixture
async def filled(server: ReportingServer) -> None:
    """Two people, four calls (one of which was rejected), one request of another client."""
    await server.identify("1", {"email": "ann@example.com", "plan": "pro"}, "call-1")
    server.report("call-1", "create_or_update_customer", {"customer_id": "1", "email": "ann@example.com"})
    await server.send_event("call-2", "1", "bought", {"coupon": "SPRING 10"})
    await server.send_event("call-3", "bob@example.com", "bought")
    server.report(
        "call-4", "send_event", {"customer_id": "9", "event_name": "left"}, is_error=True, result={"error": "No."}
    )
    await server.track("bob@example.com", {"name": "left"})


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("label", "text", "count"),
    [
        ("Search", "spring", 1),
        ("Search", "bought ANN@", 1),  # the person's email, in a call that names the id
        ("Search", "shop-backend", 1),
        ("Person", "ann@", 2),
        ("Person", "BOB@", 2),
        ("Person", "9", 1),  # a call that sent no request
        ("Event name", "bou", 2),
        ("Event name", "left", 2),
    ],
)
async def test_search_and_filters_find_calls_and_requests(page: Page, label: str, text: str, count: int) -> None:
    entries = page.locator("#timeline .entry")
    await expect(entries).to_have_count(5)
    await page.get_by_label(label, exact=True).fill(text)
    await expect(entries).to_have_count(count)


@pytest.mark.usefixtures("filled")
async def test_person_is_found_by_cio_id(page: Page, sandbox: RunningSandbox) -> None:
    cio_id = next(person.cio_id for person in sandbox.workspace.people if person.id == "1")
    await page.get_by_label("Person").fill(cio_id)
    await expect(page.locator("#timeline .entry")).to_have_count(2)


@pytest.mark.usefixtures("filled")
async def test_tool_filter(page: Page) -> None:
    tool = page.get_by_label("Tool")
    await tool.select_option("send_event")
    await expect(page.locator("#timeline .entry")).to_have_count(3)
    await tool.select_option("other clients")
    await expect(page.locator("#timeline .entry")).to_have_count(1)
    await tool.select_option("All tools")
    await expect(page.locator("#timeline .entry")).to_have_count(5)


@pytest.mark.usefixtures("filled")
async def test_status_filter_counts_what_the_other_filters_find(page: Page) -> None:
    rejected = page.get_by_role("button", name="Rejected 1")
    await rejected.click()
    await expect(page.locator("#timeline .entry")).to_have_count(1)
    await page.get_by_label("Event name").fill("bought")
    await expect(page.get_by_role("button", name="Accepted 2")).to_be_visible()
    await expect(page.get_by_text("Nothing matches.")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").last.click()
    await expect(page.locator("#timeline .entry")).to_have_count(5)
    await expect(page.get_by_label("Event name")).to_have_value("")


@pytest.mark.usefixtures("filled")
async def test_filters_survive_an_opened_entry_another_view_and_a_reload(page: Page) -> None:
    await page.get_by_label("Person").fill("ann@")
    await page.locator(".entry-link").first.click()
    await expect(page.locator("#entry h2")).to_contain_text("bought")
    await expect(page.locator("#timeline .entry")).to_have_count(2)
    await page.reload()
    await expect(page.locator("#entry h2")).to_contain_text("bought")
    await expect(page.get_by_label("Person")).to_have_value("ann@")
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("link", name="Events 3").click()
    await expect(page.get_by_label("Person")).to_have_value("ann@")
    await page.get_by_role("link", name="Timeline 5").click()
    await expect(page.locator("#timeline .entry")).to_have_count(2)


@pytest.mark.usefixtures("filled")
async def test_typing_is_not_disturbed_by_changes(page: Page, server: ReportingServer) -> None:
    search = page.get_by_label("Search")
    await search.press_sequentially("bou")
    await server.send_event("call-6", "1", "bought more")
    await expect(page.locator("#timeline .entry")).to_have_count(3)
    await expect(search).to_be_focused()
    await search.press_sequentially("ght")
    await expect(search).to_have_value("bought")
    await page.keyboard.press("Escape")
    await expect(search).to_have_value("")


@pytest.mark.usefixtures("filled")
async def test_filters_are_collapsed_on_a_narrow_page(browser: Browser, sandbox: RunningSandbox) -> None:
    async with open_page(browser, sandbox.url, width=400, height=800) as page:
        await expect(page.get_by_label("Person")).to_be_hidden()
        await page.get_by_role("button", name="Filters").click()
        await page.get_by_label("Person").fill("ann@")
        await expect(page.locator("#timeline .entry")).to_have_count(2)
        await page.get_by_role("button", name="Filters (1)").click()
        await expect(page.get_by_label("Person")).to_be_hidden()
