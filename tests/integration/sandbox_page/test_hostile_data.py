"""What clients send, and addresses that others made, are shown as text and cannot break the page."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.browser import open_page
from tests.support.raw_clients import AUTHORIZATION, send
from tests.support.reporting_server import ReportingServer

MARKUP: Final = "<img src=x onerror='window.owned=1'><script>window.owned=1</script>"
AGENT: Final = "<img/src=x/onerror=window.owned=1>"
NAMES_OF_OBJECTS: Final = ("__proto__", "constructor", "toString", "hasOwnProperty", "length")
"""Properties that every object of JavaScript has, or that its lists have."""

WATCH: Final = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""
NAMES_OF_HANDLERS: Final = """
[...document.querySelectorAll("#app *")].flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith("on"))
"""
ADDRESSES: Final = [
    "#/call/<img src=x onerror=window.owned=1>",
    "#/request/<img src=x onerror=window.owned=1>",
    "#/people/%3Cscript%3Ewindow.owned=1%3C/script%3E",
    "#/events/<img src=x onerror=window.owned=1>",
    "#/segments/'%22><img src=x onerror=window.owned=1>",
    "#javascript:window.owned=1",
    "#//other.example/",
    "#/%E0%A4%A",
    "#/people/%",
    "#/events/1/../../../x",
    "#/?search=<img src=x onerror=window.owned=1>&tool=<b>&person=<b>&event=<b>&status=<b>",
    "#/?search=%&tool=%E0%A4%A",
    "#/people?search=" + "x" * 50_000,
    "#/call/" + "x" * 50_000,
    *(f"#/{view}/{name}" for view in ("call", "request", "people", "events", "segments") for name in NAMES_OF_OBJECTS),
    *(f"#/?status={name}&tool={name}&search={name}" for name in NAMES_OF_OBJECTS),
    *(f"#/{name}" for name in NAMES_OF_OBJECTS),
]


def marked(field: str) -> str:
    """Return markup that names the field that contains it."""
    return f"{MARKUP}{field}"


@asynccontextmanager
async def watched_page(browser: Browser, url: str, **options: Any) -> AsyncIterator[Page]:
    """Open the page; fail if text became markup, or if the page tried what its policy forbids."""
    async with open_page(browser, url, **options) as page:
        await page.evaluate(WATCH)
        yield page
        assert await page.evaluate("window.owned") is None
        assert await page.evaluate("violations") == []


async def assert_only_text(page: Page) -> None:
    assert await page.locator("#app :is(script, img, iframe, object, embed, base, style, form[action])").count() == 0
    assert await page.evaluate(NAMES_OF_HANDLERS) == []
    links = await page.evaluate("[...document.querySelectorAll('#app [href]')].map(e => e.getAttribute('href'))")
    assert [link for link in links if not link.startswith("#/")] == []


async def open_path(page: Page, path: str) -> None:
    """Open an address of the page, with or without its #, and wait until it is drawn."""
    await page.evaluate("path => { location.hash = path; }", path)
    await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture
async def hostile(sandbox: RunningSandbox, server: ReportingServer) -> RunningSandbox:
    """A sandbox whose every field that a client controls contains markup."""
    call = marked("call")
    nested = {marked("inner"): [marked("item")]}
    person = {"email": "a@example.com", marked("attribute"): marked("value"), "nested": nested}
    await server.identify(marked("id"), person | {"n" * 151 + MARKUP: "dropped"}, call)
    event = {"name": marked("event"), "id": marked("event-id"), "data": {marked("key"): marked("data")}}
    await server.track(marked("id"), event, call)
    await server.track(marked("id"), event, call)
    names = {"customer_id": "customer", "event_name": "named", "email": "email", "segment_id": "segment"}
    server.report(
        call,
        marked("tool"),
        {marked("argument"): marked("text"), **{name: marked(value) for name, value in names.items()}},
        client=marked("client"),
        outcome=marked("outcome"),
        result={"message": marked("message"), marked("field"): marked("result")},
        meta={marked("meta"): marked("metadata")},
    )
    await server.send("POST", "/api/v1/segments/1/add_customers", {"ids": [marked("nobody"), marked("id")]})
    sandbox.workspace.add_to_segment("1", [marked("gone")], "id")  # a drop without its request
    for fault in (
        {"kind": "redirect", "location": f"https://other.example/{marked('location')}", "operation": "find_region"},
        {"kind": "status", "status": 503, "retry_after": MARKUP, "operation": "find_region"},
        {"kind": "status", "status": 503, "retry_after": MARKUP, "count": 9},
    ):
        await server.add_fault(**fault)
    head = f"GET /api/v1/accounts/region?{MARKUP.replace(' ', '+')}path HTTP/1.1\r\nHost: localhost\r\n".encode()
    headers = f"User-Agent: {AGENT}\r\nX-Name: {marked('header')}\r\n".encode()
    assert await send(sandbox.url, head + AUTHORIZATION + headers + b"Connection: close\r\n\r\n")
    await server.send("PUT", "/api/v1/customers/javascript:window.owned=1", {"name": "javascript:window.owned=1"})
    return sandbox


async def test_markup_in_any_field_is_shown_as_text(browser: Browser, hostile: RunningSandbox) -> None:
    ann = next(iter(hostile.workspace.people)).cio_id
    shown: dict[str, tuple[str, ...]] = {
        "/": ("tool", "customer", "named", "email", "segment", "message", "nobody"),
        "/?status=dropped": ("nobody", "gone"),
        "/people": ("id",),
        f"/people/{ann}": ("id", "attribute", "value", "inner", "item", "tool"),
        "/events": ("event", "key", "data", "id"),
        "/events/1": ("event", "event-id", "key", "data", "tool"),
        "/segments": (),
        "/segments/1": ("id",),
        "/start": (),
        "/request/1": ("argument", "text", "client", "outcome", "result", "field", "meta", "metadata", "attribute"),
        "/request/4": ("nobody",),
        "/request/5": ("header", "location"),
    }
    async with watched_page(browser, hostile.url) as page:
        await expect(page.get_by_role("list", name="Waiting faults")).to_contain_text(MARKUP)
        for path, fields in shown.items():
            await open_path(page, path)
            await page.evaluate("for (const part of document.querySelectorAll('#app details')) part.open = true")
            text = await page.locator("#app").inner_text()
            missing = [field for field in fields if not is_shown(marked(field), text)]
            assert missing == [], path
            assert AGENT in text or path not in ("/", "/request/5"), path
            await assert_only_text(page)
        await expect(page).to_have_title("Sandbox Track API")


def is_shown(value: str, text: str) -> bool:
    """Return whether a text shows a value as it is, or as a part of JSON."""
    flat = re.sub(r"\s+", " ", text)
    return value in flat or json.dumps(value)[1:-1] in flat


async def test_copied_markup_is_the_text_that_was_sent(browser: Browser, hostile: RunningSandbox) -> None:
    async with watched_page(browser, hostile.url, path="/#/request/1") as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=hostile.url)
        await page.locator("#entry").get_by_role("button", name="Copy as JSON").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
        assert (copied["tool"], copied["client"]) == (marked("tool"), marked("client"))
        assert json.loads(copied["requests"][0]["body"])[marked("attribute")] == marked("value")
        await page.locator("#entry").get_by_role("button", name="Copy as curl").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        command = await page.evaluate("navigator.clipboard.readText()")
        assert MARKUP.replace("'", "'\\''") in command


async def test_any_address_opens_a_page_that_works(browser: Browser, hostile: RunningSandbox) -> None:
    async with watched_page(browser, hostile.url) as page:
        for address in ADDRESSES:
            await open_path(page, address)
            await expect(page.locator("#connection")).to_have_text("Live")
            await assert_only_text(page)
        await open_path(page, "/people")
        await expect(page.locator(".people-list > .row").first).to_be_visible()


async def test_words_that_are_names_of_object_properties_are_ordinary_words(
    browser: Browser, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    for word in NAMES_OF_OBJECTS:
        await server.track(word, {"name": word, "data": {word: word}}, word)
        arguments = json.loads(f'{{"customer_id": "{word}", "event_name": "{word}", "{word}": 1}}')
        server.report(word, word, arguments, outcome=word, client=word, meta={word: {}}, result={word: {}})
        await server.identify(word, {word: word})
    async with watched_page(browser, sandbox.url) as page:
        await expect(page.locator("#timeline .entry")).to_have_count(2 * len(NAMES_OF_OBJECTS))
        for path in ("/people", "/events", *(f"/call/{word}" for word in NAMES_OF_OBJECTS)):
            await open_path(page, path)
            await expect(
                page.locator("#entry h2") if "call" in path else page.locator("main .row").first
            ).to_be_visible()


async def test_numbers_and_nesting_of_any_size_are_shown(
    browser: Browser, sandbox: RunningSandbox, server: ReportingServer
) -> None:
    deep: Any = "bottom"
    for _ in range(400):
        deep = [deep]
    server.report("deep", "send_event", {"data": deep, "number": 10**308})
    server.report("future", "send_event", {"event_name": "far in the future"}, at=1e300, seconds=1e300)
    server.report("past", "send_event", {"event_name": "long ago"}, at=-1e300, seconds=-5)
    server.report("types", "send_event", {"event_name": 5, "customer_id": {}}, result={"error": [{}], "message": 5})
    await server.track("ann", {"name": "bought", "timestamp": 10**12, "data": {"at": 10**300}})
    async with watched_page(browser, sandbox.url) as page:
        await expect(page.locator("#timeline .entry")).to_have_count(5)
        for path in ("/call/deep", "/call/future", "/call/past", "/call/types", "/events/1", "/?search=bottom"):
            await open_path(page, path)
            await expect(page.locator("#connection")).to_have_text("Live")
        await expect(page.locator("#timeline .entry")).to_have_count(1)
