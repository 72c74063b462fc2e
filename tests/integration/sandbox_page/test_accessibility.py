"""Every view and state of the page meets WCAG 2.2 AA, as far as axe can decide that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.calls import CALL_HEADER
from tests.support.browser import open_page
from tests.support.reporting_server import ReportingServer, reporting_server

RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice")
EVENT_ID: Final = "01JD0000000000000000000000"
OPENED: Final = ("accepted", "retried", "rejected", "dropped", "progress")
SECONDS, MILLISECONDS = 1767225600, 1767225600000

Prepare = Callable[[Page], Awaitable[None]]


async def violations(page: Page) -> list[str]:
    """Return each violated rule with the elements that violate it."""
    await page.evaluate("scrollTo(0, 0)")  # what the header covers while the page is scrolled is not a violation
    options = {"runOnly": list(RULES), "resultTypes": ["violations"], "preload": False}
    found = (await Axe().run(page, options=options)).response["violations"]
    return [f"{rule['id']}: {node['target']}: {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@asynccontextmanager
async def request_in_flight(sandbox: RunningSandbox, server: ReportingServer) -> AsyncIterator[None]:
    """Send a request of the call `progress` that gets no response until the block ends."""
    await server.add_fault(kind="delay", seconds=600)
    credentials = (SANDBOX_SITE_ID, SANDBOX_API_KEY)
    headers = {CALL_HEADER: "progress"}
    async with httpx.AsyncClient(auth=credentials, headers=headers, timeout=600, trust_env=False) as http:
        path = "/api/v1/customers/ann/events"
        request = asyncio.create_task(http.post(sandbox.url + path, json={"name": "late"}))
        yield
        request.cancel()


async def add_every_status(server: ReportingServer) -> None:
    """Fill the sandbox with an entry of every status, except one that is in progress."""
    person = {"email": "ann@example.com", "created_at": SECONDS, "seen_at": MILLISECONDS, "address": {"city": "Lyon"}}
    await server.identify("ann", person, "identified")
    server.report("identified", "create_or_update_customer", {"customer_id": "ann", "email": "ann@example.com"})
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": ["ann"]}, "member")
    server.report("member", "add_customers_to_segment", {"segment_id": "1", "customer_ids": ["ann"]})
    await server.send_event("accepted", "ann", "signed_up", {"plan": "pro", "at": SECONDS})

    await server.add_fault(kind="status", status=503)
    event = {"name": "bought", "id": EVENT_ID}
    for _ in range(3):  # the second is accepted, the third is a repeat
        await server.track("ann", event, "retried")
    server.report("retried", "send_event", {"customer_id": "ann", "event_name": "bought"}, meta={"attempts": 3})
    for outcome in ("joined", "cancelled", "dry_run", "confirmation_required"):
        server.report(outcome, "send_event", {"event_name": outcome}, outcome=outcome, result=None)
    reason = {"error": "Nothing was sent. email: invalid"}
    server.report("rejected", "send_event", {"email": "ann"}, is_error=True, outcome="invalid_arguments", result=reason)
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": ["nobody"]}, "dropped")
    server.report("dropped", "add_customers_to_segment", {"segment_id": "1", "customer_ids": ["nobody"]})
    await server.identify("bob", {"note": "n" * 1200})
    await server.track("ann", {"name": ""})


async def open_path(page: Page, path: str) -> None:
    await page.evaluate("path => { location.hash = path; }", path)


def at(path: str, text: str) -> Prepare:
    """Return a step that opens a path and waits for the text that shows that it is there."""

    async def prepare(page: Page) -> None:
        await open_path(page, path)
        await expect(page.locator("main, #entry").get_by_text(text).first).to_be_visible()

    return prepare


def entry(status: str) -> Prepare:
    """Return a step that opens the newest entry with a status, and all of its details."""

    async def prepare(page: Page) -> None:
        await open_path(page, "/")
        await page.locator(f'#timeline [data-status="{status}"] .entry-link').first.click()
        await expect(page.locator("#entry h2")).to_be_visible()
        await page.evaluate("for (const part of document.querySelectorAll('#entry details')) part.open = true")

    return prepare


async def open_request_entry(page: Page) -> None:
    await at("/request/1", "ann@example.com")(page)


async def open_faults(page: Page) -> None:
    await open_path(page, "/")
    await page.locator(".faults summary").click()
    await expect(page.get_by_label("Fail with")).to_be_visible()


async def open_reset(page: Page) -> None:
    await page.keyboard.press("Escape")  # closes the faults
    await page.get_by_role("button", name="Reset…").click()
    await expect(page.get_by_role("dialog")).to_be_visible()


async def open_filters(page: Page) -> None:
    await page.keyboard.press("Escape")  # closes the dialog
    await open_path(page, "/?tool=send_event&person=ann")
    toggle = page.get_by_role("button", name="Filters")
    if await toggle.is_visible():
        await toggle.click()
    await expect(page.get_by_label("Event name")).to_be_visible()


def steps(sandbox: RunningSandbox) -> Mapping[str, Prepare]:
    """Return what leads to each state, in the order in which a page goes through them."""
    ann = next(iter(sandbox.workspace.people)).cio_id
    return {
        "timeline": at("/", "Dropped by the API"),
        **{f"open entry, {status}": entry(status) for status in OPENED},
        "open request of another client": entry("failed"),
        "open entry by its request": open_request_entry,
        "entry that is not kept": at("/call/gone", "No longer kept"),
        "drops": at("/?status=dropped", "Drops whose requests are not complete or no longer kept"),
        "people": at("/people", "ann@example.com"),
        "person": at(f"/people/{ann}", "looks like milliseconds"),
        "person that does not exist": at("/people/9", "does not have a person"),
        "events": at("/events", "signed_up"),
        "event": at("/events/1", "Recorded by"),
        "repeated event": at("/events/2", "recorded once"),
        "segments": at("/segments", "Paying customers"),
        "segment": at("/segments/1", "1 member"),
        "segment without members": at("/segments/3", "Nobody yet"),
        "connect": at("/start", "Ready to paste"),
        "nothing matches": at("/?search=zzz", "Nothing matches"),
        "faults": open_faults,
        "reset": open_reset,
        "filters": open_filters,
    }


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_and_state_is_accessible(browser: Browser, scheme: str, width: int) -> None:
    found: list[str] = []

    async def check(state: str, page: Page) -> None:
        found.extend(f"{state}: {problem}" for problem in await violations(page))

    async with AsyncExitStack() as running:
        sandbox = await running.enter_async_context(run_sandbox())
        server = await running.enter_async_context(reporting_server(sandbox))
        options: dict[str, Any] = {"width": width, "color_scheme": scheme, "expected_error": "ERR_"}
        async with open_page(browser, sandbox.url, **options) as page:
            await expect(page.get_by_role("heading", name="Nothing has reached this sandbox yet")).to_be_visible()
            await check("empty", page)
            await add_every_status(server)
            sandbox.workspace.add_to_segment("1", ["gone"], "id")  # a drop without its request
            await running.enter_async_context(request_in_flight(sandbox, server))
            await expect(page.locator("#timeline [data-status=progress]")).to_be_visible()
            for fault in ({"kind": "status", "status": 503, "count": 3}, {"kind": "reset", "operation": "track"}):
                await server.add_fault(**fault)
            await expect(page.get_by_role("list", name="Waiting faults").get_by_role("listitem")).to_have_count(2)
            for name, prepare in steps(sandbox).items():
                await prepare(page)
                await check(name, page)
            await running.aclose()
            await expect(page.get_by_role("alert")).to_contain_text("Connection to the sandbox lost")
            await check("lost connection", page)
    assert not found, "\n".join(found)


async def test_checker_finds_what_is_not_accessible(page: Page) -> None:
    await page.evaluate("document.querySelector('.purpose').style.color = '#aaa'")
    await page.evaluate("document.querySelector('.field-search span').remove()")
    await page.evaluate("document.querySelector('input[name=search]').placeholder = ''")
    found = await violations(page)
    assert {problem.partition(":")[0] for problem in found} == {"color-contrast", "label"}
