"""The tab Events, and an event's page."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.records import Event
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient
from tests.support.browser import open_page, show_tab

SECONDS, MILLISECONDS = 1767225600, 1767225600000  # 2026-01-01T00:00:00Z


async def test_event_in_the_list_opens_a_page_with_its_data_its_id_and_its_request(
    page: Page, sandbox: RunningSandbox, client: TrackClient
) -> None:
    await client.track("1", "bought", data={"items": [{"sku": "A1"}], "delivered_at": SECONDS, "sent_at": MILLISECONDS})
    await show_tab(page, "Events")
    await page.get_by_role("list", name="Events").get_by_role("link", name="bought").click()
    article = page.get_by_role("article", name="bought")
    (event,) = sandbox.workspace.events
    await expect(article.get_by_text(event.id or "", exact=True)).to_be_visible()
    await expect(article.locator("pre")).to_contain_text('"sku": "A1"')
    times = article.get_by_role("list", name="Times in the data").get_by_role("listitem")
    await expect(times).to_contain_text(["delivered_at 2026-01-01 01:00:00", "sent_at looks like milliseconds"])
    await article.get_by_role("link", name="Request 1").click()
    await expect(page).to_have_url(re.compile("#/request/1/[0-9]+$"))
    await page.go_back()
    await article.get_by_role("link", name="1", exact=True).click()
    await expect(page.get_by_role("heading", name="1", exact=True)).to_be_visible()


async def test_event_links_to_the_tool_call_that_recorded_it(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.record_call(
        {
            "id": "call-1",
            "at": SECONDS,
            "seconds": 0.1,
            "tool": "send_event",
            "arguments": {"customer_id": "1", "event_name": "bought"},
            "result": {"success": True},
            "is_error": False,
            "outcome": "ok",
        }
    )
    response = await page.request.post(
        f"{sandbox.url}/api/v1/customers/1/events",
        headers={"Authorization": "Basic c2FuZGJveDpzYW5kYm94", "X-Sandbox-Call": "call-1"},
        data={"name": "bought"},
    )
    assert response.ok
    await page.goto(f"{sandbox.url}/#/events/1")
    await page.get_by_role("link", name="send_event").click()
    await expect(page).to_have_url(f"{sandbox.url}/#/call/call-1")


async def test_repeat_of_an_event_is_counted_and_not_a_second_event(
    page: Page, sandbox: RunningSandbox, tools: ToolHandlers
) -> None:
    await page.request.post(f"{sandbox.url}/_sandbox/faults", data={"kind": "lost_reply"})
    await tools.send_event({"customer_id": "1", "event_name": "bought"})
    await show_tab(page, "Events")
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("sent 2 times, recorded once")
    await rows.get_by_role("link", name="bought").click()
    requests = page.get_by_role("list", name="Requests").get_by_role("listitem")
    await expect(requests).to_contain_text(
        ["recorded the event, no response reached the client", "a repeat, which the API ignored"]
    )


async def test_event_without_an_id_and_data_says_so(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.track("1", {"name": "bought", "timestamp": SECONDS})
    await page.goto(f"{sandbox.url}/#/events/1")
    await expect(page.get_by_text("none: a repeat of this request would be a second event")).to_be_visible()
    await expect(page.get_by_text("This event has no data.")).to_be_visible()
    await expect(page.get_by_text("The request is no longer kept.")).to_be_visible()
    await expect(page.get_by_role("article").locator("time")).to_have_text("2026-01-01 01:00:00")
    await expect(page.get_by_role("article")).to_contain_text("Europe/Berlin (UTC")


async def test_timestamp_beyond_the_range_of_dates_is_shown_as_the_number(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.track("1", {"name": "far away", "timestamp": 10**12})
    await show_tab(page, "Events")
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_contain_text("33658-09-27")
    sandbox.workspace.events.add(Event("farther", "event", "1", 10**15, {}, None), 1)
    await page.reload()
    await expect(rows.first).to_contain_text(str(10**15))


async def test_person_event_name_and_search_filters(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.track("ann@example.com", {"name": "bought", "data": {"product": "socks"}})
    sandbox.workspace.track("bob@example.com", {"name": "bought", "data": {"product": "shoes"}})
    sandbox.workspace.track("bob@example.com", {"name": "left"})
    await show_tab(page, "Events")
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(3)
    await page.get_by_role("searchbox", name="Person").fill("BOB@")
    await expect(rows).to_have_count(2)
    await page.get_by_role("searchbox", name="Event name").fill("LEF")
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox", name="Person").fill("")
    await page.get_by_role("searchbox", name="Event name").fill("")
    await page.get_by_role("searchbox", name="Search").fill("bob@ shoes")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(["shoes"])


async def test_markup_in_an_event_is_shown_as_text(page: Page, sandbox: RunningSandbox) -> None:
    markup = '<script>document.title="owned"</script><img src=x onerror="document.title=1">'
    sandbox.workspace.track("1", {"name": markup[:100], "data": {markup: markup}, "id": markup})
    await show_tab(page, "Events")
    await page.get_by_role("list", name="Events").get_by_role("link", name=markup[:100]).click()
    await expect(page.get_by_role("heading", name=markup[:100])).to_be_visible()
    await expect(page.locator("main pre")).to_contain_text("onerror")
    await expect(page).not_to_have_title("owned")
    assert await page.locator("main script, main img").count() == 0


async def test_ten_thousand_events_are_kept_and_a_hundred_are_shown(page: Page, sandbox: RunningSandbox) -> None:
    for number in range(10_050):
        sandbox.workspace.track("1", {"name": f"event {number}"})
    await page.goto(f"{sandbox.url}/#/events")
    await page.reload()
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(100)
    await expect(rows.first).to_contain_text("event 10049")
    await page.get_by_role("searchbox", name="Event name").fill("event 50")
    more = page.get_by_role("button", name="Show 100 more of 11")
    await more.focus()
    sandbox.workspace.track("1", {"name": "event 50 once more"})
    await expect(rows.first).to_contain_text("once more")
    assert "Show 100 more" in await page.evaluate("document.activeElement.textContent")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(111)  # "event 50" itself was removed for the new one


@pytest.mark.parametrize("number", ["999", "no number"])
async def test_event_that_is_not_kept_is_reported(page: Page, sandbox: RunningSandbox, number: str) -> None:
    await page.goto(f"{sandbox.url}/#/events/{number}")
    await expect(page.get_by_text(f"does not keep an event with the number {number}")).to_be_visible()


async def test_events_fit_400_pixels(browser: Browser, sandbox: RunningSandbox) -> None:
    sandbox.workspace.track("x" * 150, {"name": "y" * 100, "data": {"z": "w" * 500}, "id": "v" * 500})
    async with open_page(browser, sandbox.url, path="/#/events", width=400) as page:
        await expect(page.get_by_text("y" * 100)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
        await page.goto(f"{sandbox.url}/#/events/1")
        await expect(page.get_by_role("heading", name="y" * 100)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
