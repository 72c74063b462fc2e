"""The panel of an open entry."""

from __future__ import annotations

import json
import os
import re
import shutil

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, RunningSandbox
from tests.support.browser import open_page
from tests.support.reporting_server import ReportingServer
from tests.support.sandbox_state import state_of

SENT = ("method", "path", "body", "status")
EVENT_ID = "01JD0000000000000000000000"


async def test_click_opens_everything_that_is_known_of_a_call(page: Page, server: ReportingServer) -> None:
    await server.track("ann", {"name": "bought", "id": EVENT_ID, "data": {"total": 5}}, "call-1")
    server.report("call-1", "send_event", {"customer_id": "ann", "event_name": "bought", "data": {"total": 5}})
    await page.locator(".entry-link").click()
    panel = page.locator("#entry")
    await expect(panel).to_contain_text('"total": 5')
    await expect(panel).to_contain_text('"success": true')
    await expect(panel).to_contain_text("test-host 1.0")
    await expect(panel).to_contain_text(EVENT_ID)
    await expect(panel.locator(".request-part > summary")).to_have_text(
        re.compile(r"POST /api/v1/customers/ann/events\s+200")
    )
    await expect(panel.get_by_role("heading", name="Response body")).to_be_visible()
    await panel.get_by_text("Request headers").click()
    await expect(panel.locator(".headers").first).to_contain_text("application/json")
    await expect(panel).not_to_contain_text("Basic ")
    await panel.get_by_role("link", name="ann").click()
    await expect(page).to_have_url(re.compile("#/people/"))


async def test_enter_opens_and_escape_closes_with_the_focus_where_it_was(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "first")
    await server.send_event("call-2", "ann", "second")
    links = page.locator(".entry-link")
    await links.nth(1).focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#entry h2")).to_contain_text("first")
    await expect(page.locator("#entry h2")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#entry")).to_have_count(0)
    await expect(links.nth(1)).to_be_focused()


async def test_arrows_move_between_entries_and_change_the_open_one(page: Page, server: ReportingServer) -> None:
    for number in range(3):
        server.report(f"call-{number}", "send_event", {"event_name": f"event {number}"})
    links = page.locator(".entry-link")
    await expect(links).to_have_count(3)
    await links.first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(links.nth(1)).to_be_focused()
    await expect(page.locator("#entry")).to_have_count(0)
    await links.nth(1).click()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#entry h2")).to_contain_text("event 0")
    await expect(links.nth(2)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(page.locator("#entry h2")).to_contain_text("event 1")


async def test_link_opens_the_entry_after_a_reload(
    page: Page, browser: Browser, server: ReportingServer, sandbox: RunningSandbox
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    await server.send_event("call/1?", "ann", "bought")
    await page.locator(".entry-link").click()
    await page.get_by_role("button", name="Copy link").click()
    address = await page.evaluate("navigator.clipboard.readText()")
    assert address.startswith(f"{sandbox.url}/#/call/")
    async with open_page(browser, sandbox.url, path=address.removeprefix(sandbox.url)) as other:
        await expect(other.locator("#entry h2")).to_contain_text("bought")
        await expect(other.locator(".entry.selected")).to_contain_text("bought")


async def test_entry_that_is_no_longer_kept_is_reported(browser: Browser, sandbox: RunningSandbox) -> None:
    for path in ("/#/call/gone", "/#/request/7", "/#/request/text"):
        async with open_page(browser, sandbox.url, path=path, width=400) as page:
            await expect(page.locator("#entry h2")).to_have_text("No longer kept")
            await expect(page.locator("#entry")).to_contain_text("The sandbox keeps the newest 10,000")


async def test_link_to_a_request_opens_no_other_one_after_a_reset(
    page: Page, browser: Browser, server: ReportingServer, sandbox: RunningSandbox
) -> None:
    await server.track("ann", {"name": "before"})
    await page.locator(".entry-link").click()
    await expect(page.locator("#entry h2")).to_contain_text("before")
    assert (await page.request.post(f"{sandbox.url}/_sandbox/reset", data={})).ok
    await server.track("ann", {"name": "after"})
    await expect(page.locator(".entry")).to_contain_text("after")
    await expect(page.locator("#entry h2")).to_have_text("No longer kept")
    async with open_page(browser, sandbox.url, path="/#/request/1") as other:
        await expect(other.locator("#entry h2")).to_contain_text("after")


async def test_request_of_a_call_opens_the_call_at_that_request(page: Page, server: ReportingServer) -> None:
    await server.add_fault(kind="status", status=503)
    await server.track("ann", {"name": "bought"}, "call-1")
    await server.send_event("call-1", "ann", "bought")
    await page.locator("#timeline .requests a").first.click()
    parts = page.locator(".request-part")
    await expect(parts.first).to_have_attribute("open", "")
    await expect(parts.first).to_contain_text("injected fault: 503")
    await expect(parts.nth(1)).not_to_have_attribute("open", "")
    await expect(page.locator("#entry h2")).to_contain_text("send_event")


async def test_entry_opens_beside_the_view_that_links_to_it(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "bought")
    await page.get_by_role("link", name="People 1").click()
    await page.get_by_role("link", name="ann", exact=True).click()
    await page.locator("#person-timeline .entry-link").click()
    await expect(page.locator("#entry h2")).to_contain_text("bought")
    await expect(page.locator("#person-timeline .entry.selected")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile("#/people/"))
    await expect(page.locator("#person-timeline .entry-link")).to_be_focused()


async def test_reason_of_a_rejection_and_of_a_drop(page: Page, server: ReportingServer) -> None:
    await server.track("ann", {"name": " "})
    await server.identify("ann", {"plan": "pro", "note": "x" * 1200})
    await page.locator("#timeline .entry-link").nth(1).click()
    await expect(page.locator("#entry .note-full")).to_have_text("name cannot be blank")
    await page.locator("#timeline .entry-link").nth(0).click()
    await expect(page.locator("#entry .note-full.bad")).to_contain_text("attribute 'note'")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/customers/o'neill/events", """{"name": "it's", "data": {"a": "`id` $(id) $HOME \\\\ !!"}}"""),
        ("PUT", "/api/v1/customers/[1-3]{a,b}/../x?y=%00&z=$z", "{}"),
        ("POST", "/api/v1/customers/ann/events", "@file"),
        ("POST", "/api/v1/customers/ann/events", "--data %s\n\tü 💥 \u2028"),
        ("PUT", "/api/v1/customers/ann", '{"note": "' + "x'" * 100_000 + '"}'),
        ("HEAD", "/api/v1/customers/ann", ""),
        ("DELETE", "/api/v1/customers/ann", ""),
    ],
    ids=["quotes", "path", "file name", "option", "long body", "HEAD", "no body"],
)
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
async def test_copied_curl_command_sends_the_same_request_again(
    page: Page, sandbox: RunningSandbox, method: str, path: str, body: str
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    async with httpx.AsyncClient(auth=(SANDBOX_SITE_ID, SANDBOX_API_KEY), trust_env=False) as http:
        await http.request(method, sandbox.url, content=body, extensions={"target": path.encode()})
    await page.locator(".entry-link").click()
    await page.get_by_role("button", name="Copy as curl").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    script = ["sh", "-s"]  # not an argument, whose length is limited
    result = await anyio.run_process(script, input=command.encode(), env={"PATH": os.environ["PATH"]}, check=False)
    assert result.returncode == 0, result.stderr
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        first, second = (await state_of(http))["request_log"]
    assert first["path"] == path
    assert [second[name] for name in SENT] == [first[name] for name in SENT]


async def test_integers_are_shown_with_all_their_digits(page: Page, server: ReportingServer) -> None:
    number = 12345678901234567891
    await server.identify("ann", {"order": number}, "call-1")
    server.report("call-1", "create_or_update_customer", {"customer_id": number, "order": number}, at=1e18)
    await expect(page.locator(".entry .what")).to_contain_text(f"{number} order {number}")
    await page.locator(".entry-link").click()
    await expect(page.locator("#entry pre").first).to_contain_text(f'"order": {number}')
    await expect(page.locator("#entry .request-part pre").first).to_contain_text(f'"order": {number}')
    await page.locator("#entry").get_by_role("link", name="ann").click()
    await expect(page.locator(".attributes")).to_contain_text(str(number))
    await page.evaluate("hash => { location.hash = hash; }", f"/?search={number}&person={number}")
    await expect(page.locator(".entry")).to_have_count(1)


async def test_call_is_copied_as_json_with_its_requests(
    page: Page, server: ReportingServer, sandbox: RunningSandbox
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    await server.send_event("call-1", "ann", "bought")
    await page.locator(".entry-link").click()
    await page.get_by_role("button", name="Copy as JSON").first.click()
    copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    assert (copied["tool"], copied["requests"][0]["status"]) == ("send_event", 200)
    assert "Basic " not in json.dumps(copied)


@pytest.mark.parametrize("width", [400, 1400])
async def test_open_entry_fits_the_width(
    browser: Browser, server: ReportingServer, sandbox: RunningSandbox, width: int
) -> None:
    await server.track("x" * 150, {"name": "y" * 100, "data": {"z" * 300: "w" * 500}}, "call-1")
    server.report("call-1", "send_event", {"customer_id": "x" * 150, "event_name": "y" * 100, "data": {"z": "w" * 500}})
    async with open_page(browser, sandbox.url, width=width) as page:
        await page.locator(".entry-link").click()
        await expect(page.get_by_role("button", name="Close")).to_be_in_viewport()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.getElementById('entry'))")
        await page.get_by_role("button", name="Close").click()
        await expect(page.locator(".entry-link")).to_be_focused()


async def test_press_is_not_lost_when_a_change_arrives_before_the_release(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "first")
    await page.locator(".entry-link").hover()
    await page.mouse.down()
    await server.send_event("call-2", "ann", "in between")
    await page.mouse.up()
    await expect(page.locator("#entry h2")).to_contain_text("first")
    await expect(page.locator(".entry")).to_have_count(2)


async def test_focus_is_kept_when_a_change_arrives(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "first")
    await page.locator(".entry-link").focus()
    await server.send_event("call-2", "ann", "second")
    await expect(page.locator(".entry")).to_have_count(2)
    await expect(page.locator(".entry-link").nth(1)).to_be_focused()
