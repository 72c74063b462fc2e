"""The page as a whole: header, connection, reset, keyboard, widths and colors."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_WATCHERS
from tests.support.browser import open_page
from tests.support.raw_clients import received, silent_clients
from tests.support.reporting_server import ReportingServer, reporting_server

MARKUP = '<script>document.title="owned"</script><img src=x onerror="document.title=1">'


async def test_page_says_that_it_is_a_sandbox(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sandbox Track API")
    await expect(page.get_by_text("Nothing here is real.")).to_be_visible()
    await expect(page.locator("footer")).to_contain_text(
        "The newest 10,000 tool calls, requests, events and drops are kept in memory, up to 32 MiB of each."
    )
    await expect(page.locator("footer")).to_contain_text(re.compile(r"Version \d+\.\d+"))


async def test_tabs_count_and_name_the_current_view(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "bought")
    await server.send_event("call-2", "ann", "bought")
    views = page.get_by_role("navigation", name="Views")
    await expect(views.get_by_role("link", name="Timeline 2")).to_have_attribute("aria-current", "page")
    for name, path in (
        ("People 1", "people"),
        ("Events 2", "events"),
        ("Segments 3", "segments"),
        ("Connect", "start"),
    ):
        await views.get_by_role("link", name=name).click()
        await expect(views.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        await expect(page).to_have_url(re.compile(f"#/{path}$"))


async def test_markup_in_client_data_is_shown_as_text(page: Page, server: ReportingServer) -> None:
    await server.identify(MARKUP, {"email": "a@example.com", MARKUP: MARKUP}, "call-1")
    server.report("call-1", MARKUP, {MARKUP: MARKUP, "customer_id": MARKUP}, client=MARKUP, result={"error": MARKUP})
    await server.track(MARKUP, {"name": MARKUP, "data": {MARKUP: MARKUP}})
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": [MARKUP, MARKUP + "nobody"]})
    for path in ("/", "/people", "/events", "/segments/1", "/events/1", "/call/call-1", "/request/2"):
        await page.evaluate("path => { location.hash = path; }", path)
        await expect(page.locator("main")).to_contain_text(MARKUP)
    await expect(page).to_have_title("Sandbox Track API")
    assert await page.locator("#app script, #app img").count() == 0


async def test_hidden_page_disconnects(page: Page) -> None:
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#connection")).to_have_text("Paused while hidden")
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#connection")).to_have_text("Live")


async def test_lost_connection_is_reported_until_a_sandbox_is_there_again(browser: Browser) -> None:
    page = await browser.new_page()
    async with run_sandbox() as sandbox, reporting_server(sandbox) as server:
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_text("Live")
        await server.send_event("call-1", "ann", "bought")
        await page.locator(".entry-link").click()
    await expect(page.get_by_role("alert")).to_contain_text("Connection to the sandbox lost")
    await expect(page.locator("#entry h2")).to_contain_text("bought")
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.get_by_role("alert")).to_contain_text("The sandbox does not respond.")
    async with run_sandbox(port=httpx.URL(sandbox.url).port or 0):
        await expect(page.locator("#connection")).to_have_text("Live", timeout=30_000)
        await expect(page.get_by_role("alert")).to_be_empty()
        await expect(page.locator("#entry h2")).to_have_text("No longer kept")


async def test_refused_page_connects_when_another_is_closed(
    browser: Browser, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    await server.send_event("call-1", "ann", "bought")
    page = await browser.new_page()
    request = b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with silent_clients(sandbox.url, MAX_WATCHERS, request) as pages:
        for other in pages:
            assert await received(other, 12) == b"HTTP/1.1 200"
        await page.goto(sandbox.url)
        await expect(page.get_by_role("alert")).to_contain_text("as many pages or connections as it may")
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.get_by_role("alert")).to_be_empty()
    await expect(page.locator(".entry")).to_have_count(1)


async def test_reset_asks_for_confirmation(page: Page, server: ReportingServer, sandbox: RunningSandbox) -> None:
    await server.send_event("call-1", "ann", "bought")
    await expect(page.locator(".entry")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".entry")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.get_by_role("heading", name="Nothing has reached this sandbox yet")).to_be_visible()
    assert list(sandbox.workspace.people) == []


async def test_keyboard_reaches_every_control(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "bought")
    await expect(page.locator(".entry")).to_have_count(1)
    controls = ["Skip", "Faults", "Reset…", "Timeline", "People", "Events", "Segments", "Connect"]
    controls += ["search", "tool", "person", "event", "All", "Accepted"]
    for control in controls:
        await page.keyboard.press("Tab")
        name = await page.evaluate("(e => e.name || e.textContent.trim().split(/\\s+/)[0])(document.activeElement)")
        assert name == control
    await page.keyboard.press("Tab")
    await expect(page.locator(".entry-link")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator("a.request")).to_be_focused()


async def test_focus_is_not_lost_when_its_element_disappears(page: Page, server: ReportingServer) -> None:
    await server.add_fault(kind="status", status=503)
    await page.get_by_role("button", name="Remove fault").focus()
    await server.track("ann", {"name": "bought"})
    await expect(page.get_by_role("button", name="Remove fault")).to_have_count(0)
    await expect(page.locator("main")).to_be_focused()


async def test_skip_link_leads_to_the_content_and_keeps_the_view(page: Page) -> None:
    await page.get_by_role("link", name="People").click()
    await page.locator(".skip").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await expect(page).to_have_url(re.compile("#/people$"))


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_the_width_and_follows_the_color_scheme(
    browser: Browser, server: ReportingServer, sandbox: RunningSandbox, width: int, scheme: str
) -> None:
    await server.send_event("call-1", "x" * 150, "y" * 100, {"z": "w" * 500})
    await server.track("x" * 150, {"name": "y" * 100, "data": {"z" * 200: "w" * 500}})
    async with open_page(browser, sandbox.url, width=width, color_scheme=scheme) as page:
        await expect(page.locator(".entry")).to_have_count(2)
        for path in ("/", "/people", "/events", "/segments", "/start"):
            await page.evaluate("path => { location.hash = path; }", path)
            await expect(page.locator(f'nav a[href="#{path}"]')).to_have_attribute("aria-current", "page")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(int(part) for part in re.findall(r"\d+", background)[:3])
        assert (brightness > 600) is (scheme == "light")
