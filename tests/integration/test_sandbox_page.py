"""The sandbox's page in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import MAX_WATCHERS
from customerio_track_mcp.sandbox.records import Event
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, RetryPolicy, TrackClient
from tests.support.raw_clients import received, silent_clients

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("REQUIRE_CHROMIUM"), reason="no Chromium on this machine"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        await chromium.close()


@pytest.fixture
async def page(browser: Browser, sandbox: RunningSandbox) -> AsyncIterator[Page]:
    """The sandbox's page, connected. A console error or a request to another host fails the test."""
    context = await browser.new_context(viewport={"width": 1600, "height": 1000})
    page = await context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith((sandbox.url, "data:")) else errors.append(request.url),
    )
    await page.goto(sandbox.url)
    await expect(page.locator("#connection")).to_have_text("Live.")
    yield page
    assert errors == []
    await context.close()


@pytest.fixture
def tools(client: TrackClient) -> ToolHandlers:
    return ToolHandlers(client)


async def add_ann(tools: ToolHandlers) -> None:
    await tools.create_or_update_customer(
        {"customer_id": "1", "email": "ann@example.com", "attributes": {"plan": "pro"}}
    )


async def test_page_says_that_it_is_a_sandbox(page: Page) -> None:
    await expect(page.get_by_text("This is a sandbox. It contains no real data and sends no messages.")).to_be_visible()
    await expect(
        page.get_by_text("The newest 10,000 events, drops and requests are kept in memory, up to 32 MiB of each.")
    ).to_be_visible()


async def test_changes_appear_without_a_reload(page: Page, tools: ToolHandlers) -> None:
    await add_ann(tools)
    await tools.send_event({"customer_id": "1", "event_name": "first", "data": {"total": 5}})
    await tools.send_event({"customer_id": "1", "event_name": "second"})
    await tools.add_customers_to_segment({"segment_id": "2", "customer_ids": ["1"]})
    events = page.locator("#events li")
    await expect(events).to_have_count(2)
    await expect(events.nth(0)).to_contain_text("second by 1")
    await expect(events.nth(1)).to_contain_text('{"total":5}')
    await expect(page.locator("#requests .count")).to_have_text("(4)")
    await page.locator("#people summary").click()
    await expect(page.locator("#people dl")).to_contain_text("plan")
    await expect(page.locator("#people li li")).to_have_count(2)
    await page.locator("#segments summary").nth(1).click()
    await expect(page.locator("#segments li li")).to_have_text("1")


async def test_dropped_data_is_highlighted_with_the_reason(page: Page, tools: ToolHandlers) -> None:
    dropped = page.locator("#dropped")
    await expect(dropped).not_to_have_class(re.compile("has-items"))
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": ["nobody"]})
    await expect(dropped).to_have_class(re.compile("has-items"))
    await expect(dropped.locator("li")).to_contain_text(
        "no person has this id; people must exist before they are added to a segment"
    )


async def test_person_and_event_name_filters(page: Page, tools: ToolHandlers) -> None:
    await add_ann(tools)
    await tools.send_event({"customer_id": "1", "event_name": "bought"})
    await tools.send_event({"customer_id": "bob@example.com", "event_name": "bought"})
    await tools.send_event({"customer_id": "bob@example.com", "event_name": "left"})
    await expect(page.locator("#events li")).to_have_count(3)
    await page.get_by_label("Person").fill("BOB@")
    await expect(page.locator("#events .count")).to_have_text("(2 of 3)")
    await expect(page.locator("#people li")).to_have_count(1)
    await expect(page.locator("#requests .count")).to_have_text("(2 of 4)")
    await page.get_by_label("Event name").fill("left")
    await expect(page.locator("#events li")).to_have_count(1)
    await page.get_by_label("Person").fill("nobody at all")
    await expect(page.locator("#events li")).to_have_text("Nothing matches the filter.")


async def test_markup_in_client_data_is_shown_as_text(page: Page, tools: ToolHandlers) -> None:
    markup = '<script>document.title="owned"</script><img src=x onerror="document.title=1">'
    await tools.create_or_update_customer({"customer_id": markup, "email": "a@b", "attributes": {markup: markup}})
    await tools.send_event({"customer_id": markup, "event_name": markup, "data": {markup: markup}})
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": [markup, markup + "nobody"]})
    await page.locator("#people summary").click()
    await expect(page.locator("#people summary")).to_contain_text(markup)
    await expect(page.locator("#events li")).to_contain_text(markup)
    await expect(page.locator("#dropped li")).to_contain_text(markup)
    await expect(page).to_have_title("Sandbox Track API")
    assert await page.locator("main script, main img").count() == 0


@pytest.mark.parametrize(
    ("button", "statuses"),
    [
        ("503", ["200", "503"]),
        ("429 with Retry-After", ["200", "429"]),
        ("lost response", ["200", "no response"]),
        ("redirect", ["307"]),
    ],
)
async def test_retry_after_an_injected_fault_does_not_duplicate_the_event(
    page: Page, tools: ToolHandlers, button: str, statuses: list[str]
) -> None:
    await page.get_by_role("button", name=button, exact=True).click()
    await expect(page.locator("#faults-waiting")).to_have_text("1 waiting")
    await tools.send_event({"customer_id": "1", "event_name": "bought"})
    await expect(page.locator("#faults-waiting")).to_have_text("")
    requests = page.locator("#requests li")
    await expect(requests).to_have_count(len(statuses))
    for number, status in enumerate(statuses):
        await expect(requests.nth(number)).to_contain_text(status)
    if len(statuses) == 2:
        await expect(requests.nth(0)).to_contain_text("attempt 2")
        await expect(page.locator("#events li")).to_have_count(1)
        await expect(page.locator("#events li")).to_contain_text("bought")


async def test_timeout_button_delays_the_response_and_the_event_is_not_duplicated(
    page: Page, sandbox: RunningSandbox
) -> None:
    await page.get_by_role("button", name="timeout").click()
    await expect(page.locator("#faults-waiting")).to_have_text("1 waiting")
    retry_policy = RetryPolicy(read_timeout=0.3, initial_backoff=0.001)
    async with TrackClient(Credentials("sandbox", "sandbox"), sandbox.url, retry_policy=retry_policy) as client:
        assert (await client.track("1", "bought")).attempts >= 2
    await expect(page.locator("#faults-waiting")).to_have_text("")
    await expect(page.locator("#events li")).to_have_count(1)
    await expect(page.locator("#requests li").first).to_contain_text("attempt")
    await expect(page.locator("#dropped li").first).to_contain_text("duplicate of event")


async def test_timestamp_beyond_the_date_range_does_not_break_the_page(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.events.add(Event("far away", "event", "1", 10**15, {}, None), 1)
    sandbox.workspace.track("1", {"name": "today"})
    await page.reload()
    await expect(page.locator("#events li")).to_have_count(2)
    await expect(page.locator("#people .count")).to_have_text("(1)")


async def test_oldest_events_are_removed_from_an_open_page(
    page: Page, client: TrackClient, sandbox: RunningSandbox
) -> None:
    sandbox.workspace.events = BoundedLog(max_items=3)
    for number in range(5):
        await client.track("1", f"event {number}")
    await expect(page.locator("#events li").first).to_contain_text("event 4")
    await expect(page.locator("#events .count")).to_have_text("(3)")


async def test_hidden_tab_disconnects(page: Page) -> None:
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert await page.evaluate("changes") is None
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#connection")).to_have_text("Live.")


async def test_change_between_press_and_release_does_not_prevent_the_click(page: Page, tools: ToolHandlers) -> None:
    await add_ann(tools)
    await page.locator("#people summary").hover()
    await page.mouse.down()
    await tools.send_event({"customer_id": "1", "event_name": "in between"})
    await page.mouse.up()
    await expect(page.locator("#people details")).to_have_attribute("open", "")
    await expect(page.locator("#events li")).to_have_count(1)


async def test_request_is_copied_as_a_curl_command_without_the_key(
    page: Page, tools: ToolHandlers, sandbox: RunningSandbox
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    await tools.send_event({"customer_id": "o'neill", "event_name": "it's bought"})
    await page.get_by_role("button", name="Copy as curl").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    assert command.startswith('curl --globoff --path-as-is -X POST -u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY" ')
    assert "it'\\''s bought" in command
    assert command.endswith(f"'{sandbox.url}/api/v1/customers/o%27neill/events'")


async def test_reset_asks_for_confirmation(page: Page, tools: ToolHandlers, sandbox: RunningSandbox) -> None:
    await add_ann(tools)
    await expect(page.locator("#people li summary")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#people li summary")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.locator("#people li")).to_have_text("Nothing yet.")
    assert list(sandbox.workspace.people) == []


async def test_keyboard_reaches_every_control_and_keeps_focus_during_changes(page: Page, tools: ToolHandlers) -> None:
    await add_ann(tools)
    summary = page.locator("#people summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#people details")).to_have_attribute("open", "")
    await tools.send_event({"customer_id": "1", "event_name": "while focused"})
    await expect(page.locator("#people li li")).to_have_count(1)
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
    await page.goto(page.url)
    focused = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        focused.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert focused[0] == "Skip to content"
    assert focused[1:9] == [
        "filter-person",
        "filter-event",
        "503",
        "429 with Retry-After",
        "timeout",
        "lost response",
        "redirect",
        "reset",
    ]


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_the_width_and_follows_the_color_scheme(
    browser: Browser, tools: ToolHandlers, sandbox: RunningSandbox, width: int, scheme: str
) -> None:
    await tools.send_event({"customer_id": "x" * 150, "event_name": "y" * 100, "data": {"z": "w" * 500}})
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(sandbox.url)
    await expect(page.locator("#events li")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", background)[:3])
    assert (brightness > 600) is (scheme == "light")
    await context.close()


async def test_ten_thousand_events_are_kept_and_a_hundred_are_shown(page: Page, sandbox: RunningSandbox) -> None:
    for number in range(10_050):
        sandbox.workspace.track("1", {"name": f"event {number}"})
    await page.reload()
    await expect(page.locator("#events .count")).to_have_text("(10,000)")
    assert await page.locator("#events li").count() == 101
    await expect(page.locator("#events li").nth(0)).to_contain_text("event 10049")
    await page.get_by_label("Event name").fill("event 50")
    await expect(page.locator("#events .count")).to_have_text("(111 of 10,000)")
    more = page.get_by_role("button", name="Show 100 more of 11")
    await more.focus()
    sandbox.workspace.track("1", {"name": "event 50 once more"})
    await expect(page.locator("#events li").first).to_contain_text("once more")
    assert "Show 100 more" in await page.evaluate("document.activeElement.textContent")
    await page.keyboard.press("Enter")
    await expect(page.locator("#events li")).to_have_count(111)  # "event 50" itself was removed for the new one


async def test_page_reports_a_lost_connection(browser: Browser) -> None:
    from customerio_track_mcp.sandbox import run_sandbox

    page = await browser.new_page()
    async with run_sandbox() as sandbox:
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_text("Live.")
    await expect(page.locator("#connection")).to_contain_text("Connection to the sandbox lost")


async def test_page_that_was_refused_connects_when_another_is_closed(
    browser: Browser, sandbox: RunningSandbox, tools: ToolHandlers
) -> None:
    await add_ann(tools)
    page = await browser.new_page()
    request = b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with silent_clients(sandbox.url, MAX_WATCHERS, request) as pages:
        for other in pages:
            assert await received(other, 12) == b"HTTP/1.1 200"
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_contain_text("as many pages or connections as it may")
    await expect(page.locator("#connection")).to_have_text("Live.")
    await expect(page.locator("#people li summary")).to_have_count(1)
