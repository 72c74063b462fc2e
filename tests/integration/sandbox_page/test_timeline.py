"""The timeline: tool calls with their requests, and how each ended."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.records import Dropped
from tests.support.browser import open_page
from tests.support.reporting_server import ReportingServer

EVENT_ID = "01JD0000000000000000000000"


async def test_call_is_one_entry_with_its_request(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "signed_up", {"plan": "pro"})
    entry = page.locator("#timeline .entry")
    await expect(entry).to_have_count(1)
    await expect(entry.locator(".badge")).to_have_text("Accepted")
    await expect(entry.locator(".what")).to_have_text(
        re.compile(r'send_event\s+signed_up\s+for ann\s+data {"plan":"pro"}')
    )
    await expect(entry.locator(".note")).to_have_text("Accepted.")
    await expect(entry.locator(".entry-link .duration")).to_have_text("12 ms")
    await expect(entry.locator(".requests li")).to_have_text(re.compile(r"POST /api/v1/customers/ann/events\s+200"))
    await expect(entry.locator(".when")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$"))
    await expect(page.locator("#timeline .day")).to_have_text("Today")


async def test_newest_entry_is_first_and_visible_without_scrolling(page: Page, server: ReportingServer) -> None:
    for number in range(40):
        await server.send_event(f"call-{number}", "ann", f"event {number}")
    newest = page.locator("#timeline .entry").first
    await expect(newest).to_contain_text("event 39")
    await expect(newest).to_be_in_viewport(ratio=1)


async def test_request_of_another_client_is_an_entry_that_names_the_client(page: Page, server: ReportingServer) -> None:
    await server.track("bob", {"name": "bought"})
    entry = page.locator("#timeline .entry")
    await expect(entry.locator(".what")).to_have_text(
        re.compile(r"shop-backend/3.1\s+bought for bob\s+POST /api/v1/customers/bob/events\s+200")
    )
    await expect(entry.locator(".badge")).to_have_text("Accepted")
    await expect(entry.locator(".requests")).to_have_count(0)


async def test_call_is_in_progress_until_it_is_reported(page: Page, server: ReportingServer) -> None:
    await server.track("ann", {"name": "bought"}, "call-1")
    entry = page.locator("#timeline .entry")
    await expect(entry.locator(".badge")).to_have_text("In progress")
    await expect(entry.locator(".what")).to_contain_text("bought for ann")
    server.report("call-1", "send_event", {"customer_id": "ann", "event_name": "bought"})
    await expect(entry.locator(".badge")).to_have_text("Accepted")
    await expect(entry).to_have_count(1)


async def test_call_that_is_never_reported_does_not_stay_in_progress(
    browser: Browser, server: ReportingServer, sandbox: RunningSandbox
) -> None:
    await server.track("ann", {"name": "bought"}, "call-1")
    async with open_page(browser, sandbox.url) as page:
        await expect(page.locator("#timeline .badge")).to_have_text("In progress")
        await page.clock.install()
        await page.clock.fast_forward(400_000)
        await page.reload()
        await expect(page.locator("#timeline .badge")).to_have_text("Accepted")


async def test_request_in_flight_is_shown(page: Page, server: ReportingServer) -> None:
    await server.add_fault(kind="delay", seconds=600)
    entry = page.locator("#timeline .entry")
    request = asyncio.create_task(server.track("ann", {"name": "bought"}))
    await expect(entry.locator(".badge")).to_have_text("In progress")
    await expect(entry.locator(".response")).to_have_text("waiting")
    request.cancel()


async def test_call_rejected_by_validation_appears_with_its_reason(page: Page, server: ReportingServer) -> None:
    reason = "Nothing was sent. email: 'ann' is not a valid email address"
    server.report(
        "call-1",
        "create_or_update_customer",
        {"customer_id": "1", "email": "ann"},
        result={"success": False, "error": reason},
        is_error=True,
        outcome="invalid_arguments",
    )
    entry = page.locator("#timeline .entry")
    await expect(entry.locator(".badge")).to_have_text("Rejected before sending")
    await expect(entry.locator(".note")).to_have_text(reason)
    await expect(entry.get_by_role("list")).to_have_count(0)


async def test_retries_are_listed_with_attempt_and_fault_and_the_repeat_is_not_a_drop(
    page: Page, server: ReportingServer
) -> None:
    await server.add_fault(kind="status", status=503)
    await server.add_fault(kind="lost_reply")
    event = {"name": "bought", "id": EVENT_ID}
    await server.track("ann", event, "call-1")
    with pytest.raises(httpx.TransportError):
        await server.track("ann", event, "call-1")
    await server.track("ann", event, "call-1")
    server.report("call-1", "send_event", {"customer_id": "ann", "event_name": "bought"})
    entry = page.locator("#timeline .entry")
    await expect(entry.locator(".badge")).to_have_text("Retried, then accepted")
    requests = entry.locator(".requests li")
    await expect(requests).to_have_count(3)
    await expect(requests.nth(0)).to_have_text(re.compile(r"503\s+attempt 1\s+fault: error status"))
    await expect(requests.nth(1)).to_have_text(re.compile(r"no response\s+attempt 2\s+fault: lost response"))
    await expect(requests.nth(2)).to_have_text(re.compile(r"200\s+attempt 3"))
    await expect(entry.locator(".note.quiet").last).to_have_text(f"Repeat of event {EVENT_ID}, recorded once")
    await expect(entry.locator(".bad.note")).to_have_count(0)
    await expect(page.locator(".drops")).to_have_text("No drops")
    await expect(page.get_by_role("link", name="Events 1")).to_be_visible()


async def test_drop_is_red_with_its_reason_and_counted_in_the_header(page: Page, server: ReportingServer) -> None:
    await server.send_event("call-1", "ann", "signed_up")
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": ["nobody"]}, "call-2")
    server.report("call-2", "add_customers_to_segment", {"segment_id": "1", "customer_ids": ["nobody"]})
    entry = page.locator("#timeline .entry").first
    await expect(entry.locator(".badge")).to_have_text("Dropped by the API")
    await expect(entry.locator(".what")).to_contain_text("nobody to segment 1 (Beta testers)")
    await expect(entry.locator(".note.bad")).to_contain_text("no person has this id; people must exist")
    count = page.get_by_role("link", name="1 dropped", exact=True)
    await count.click()
    await expect(page.locator("#timeline .entry")).to_have_count(1)
    await expect(page.locator("#timeline .entry")).to_contain_text("nobody")
    await expect(page.get_by_role("button", name="Dropped")).to_have_attribute("aria-pressed", "true")


async def test_drop_whose_request_is_no_longer_kept_is_still_found(
    browser: Browser, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    await server.identify("ann", {"note": "x" * 1200})
    sandbox.workspace.dropped.add(Dropped("track", "bob", "event 'old'", "too large", 5.0), 1)
    async with open_page(browser, sandbox.url) as page:
        await page.get_by_role("link", name="2 dropped", exact=True).click()
        await expect(page.locator("#timeline .entry")).to_have_count(1)
        await expect(page.locator(".drop")).to_contain_text("event 'old' of bob")
        await page.get_by_label("Search").fill("nobody")
        await expect(page.locator(".drop")).to_have_count(0)
        await expect(page.get_by_text("Nothing matches.")).to_be_visible()


async def test_other_outcomes_have_words_of_their_own(page: Page, server: ReportingServer) -> None:
    words = {
        "joined": "Joined an identical call",
        "cancelled": "Canceled",
        "dry_run": "Dry run, not sent",
        "confirmation_required": "Asked for confirmation",
    }
    for outcome in words:
        server.report(outcome, "send_event", {"customer_id": "1", "event_name": outcome}, outcome=outcome, result=None)
    badges = page.locator("#timeline .badge")
    await expect(badges).to_have_text(list(reversed(words.values())))
    await server.send("PUT", "/api/v1/customers/1", [], "call-1")
    server.report("call-1", "create_or_update_customer", {}, is_error=True, outcome="rejected", result={"error": "No."})
    await expect(badges.first).to_have_text("Failed")


async def test_oldest_entries_are_removed_from_an_open_page(
    page: Page, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    sandbox.calls.log = BoundedLog(max_items=3)
    for number in range(5):
        server.report(f"call-{number}", "send_event", {"event_name": f"event {number}"})
    entries = page.locator("#timeline .entry")
    await expect(entries.first).to_contain_text("event 4")
    await expect(entries).to_have_count(3)


async def test_outcome_that_is_the_name_of_an_object_property_is_an_ordinary_word(
    page: Page, server: ReportingServer
) -> None:
    for outcome in ("constructor", "__proto__", "toString"):
        server.report(outcome, "send_event", {"event_name": outcome}, outcome=outcome)
    await expect(page.locator("#timeline .badge")).to_have_text(["Accepted"] * 3)


async def test_arguments_of_any_form_are_shown(page: Page, server: ReportingServer) -> None:
    forms = [None, "text", 5, [1, 2], {"customer_ids": 5, "segment_id": {}, "email": []}, {"customer_id": " "}]
    for number, arguments in enumerate(forms):
        server.report(f"call-{number}", "", arguments, is_error=True, result=None, at=number)
    what = page.locator("#timeline .entry .what")
    await expect(what).to_have_text(['" "', "[] 5 to segment {}", "[1,2]", "5", '"text"', "null"])
    await expect(page.get_by_role("combobox", name="Tool")).to_have_text("All tools")


async def test_ten_thousand_calls_are_kept_and_a_hundred_are_drawn(
    browser: Browser, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    for number in range(10_050):
        server.report(f"call-{number}", "send_event", {"customer_id": "1", "event_name": f"event {number}"})
    async with open_page(browser, sandbox.url) as page:
        entries = page.locator("#timeline .entry")
        await expect(page.get_by_role("link", name="Timeline")).to_contain_text("10,000")
        await expect(entries).to_have_count(100)
        await expect(entries.first).to_contain_text("event 10049")
        await page.get_by_label("Event name").fill("event 50")
        await expect(page.get_by_role("button", name="All")).to_have_text(re.compile(r"All\s+111"))
        more = page.get_by_role("button", name="Show 100 more of 11")
        await more.focus()
        server.report("another", "send_event", {"event_name": "event 50 once more"})
        await expect(entries.first).to_contain_text("once more")
        assert "Show 100 more" in await page.evaluate("document.activeElement.textContent")
        await page.keyboard.press("Enter")
        await expect(entries).to_have_count(111)  # "event 50" itself was removed for the new one
