"""The page, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounded_log import History
from customerio_track_mcp.sandbox.records import Event
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import Credentials, Patience, TrackClient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("REQUIRE_CHROMIUM"), reason="no Chromium on this machine"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser, sandbox: RunningSandbox) -> AsyncIterator[Page]:
    """The sandbox's page, live. No error in its console and no request to another host is left unnoticed."""
    context = await browser.new_context(viewport={"width": 1600, "height": 1000})
    opened = await context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on(
        "request",
        lambda request: None if request.url.startswith((sandbox.url, "data:")) else trouble.append(request.url),
    )
    await opened.goto(sandbox.url)
    await expect(opened.locator("#connection")).to_have_text("Live.")
    yield opened
    assert trouble == []
    await context.close()


@pytest.fixture
def tools(client: TrackClient) -> Tools:
    return Tools(client)


async def add_ann(tools: Tools) -> None:
    await tools.create_or_update_customer(
        {"customer_id": "1", "email": "ann@example.com", "attributes": {"plan": "pro"}}
    )


async def test_it_says_that_it_is_a_sandbox(page: Page) -> None:
    await expect(page.get_by_text("This is a sandbox. No real data, and nobody is mailed.")).to_be_visible()
    await expect(
        page.get_by_text("The newest 10,000 events, drops and requests are kept, up to 32 MiB of each, in memory")
    ).to_be_visible()


async def test_what_arrives_appears_without_a_reload(page: Page, tools: Tools) -> None:
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


async def test_what_the_real_api_would_drop_is_seen_at_once_with_the_reason(page: Page, tools: Tools) -> None:
    dropped = page.locator("#dropped")
    await expect(dropped).not_to_have_class(re.compile("some"))
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": ["nobody"]})
    await expect(dropped).to_have_class(re.compile("some"))
    await expect(dropped.locator("li")).to_contain_text(
        "nobody has this id; people must exist before they join a segment"
    )


async def test_filters_by_person_and_event_name(page: Page, tools: Tools) -> None:
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
    await expect(page.locator("#events li")).to_have_text("Nothing fits the filter.")


async def test_what_came_from_outside_is_text(page: Page, tools: Tools) -> None:
    bad = '<script>document.title="owned"</script><img src=x onerror="document.title=1">'
    await tools.create_or_update_customer({"customer_id": bad, "email": "a@b", "attributes": {bad: bad}})
    await tools.send_event({"customer_id": bad, "event_name": bad, "data": {bad: bad}})
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": [bad, bad + "nobody"]})
    await page.locator("#people summary").click()
    await expect(page.locator("#people summary")).to_contain_text(bad)
    await expect(page.locator("#events li")).to_contain_text(bad)
    await expect(page.locator("#dropped li")).to_contain_text(bad)
    await expect(page).to_have_title("Sandbox Track API")
    assert await page.locator("main script, main img").count() == 0


@pytest.mark.parametrize(
    ("button", "statuses"),
    [
        ("503", ["200", "503"]),
        ("429 with Retry-After", ["200", "429"]),
        ("lost reply", ["200", "no answer"]),
        ("redirect", ["307"]),
    ],
)
async def test_a_fault_is_ordered_and_the_retry_does_not_double_the_event(
    page: Page, tools: Tools, button: str, statuses: list[str]
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


async def test_the_time_out_button_holds_the_answer_up_and_the_event_is_not_doubled(
    page: Page, sandbox: RunningSandbox
) -> None:
    await page.get_by_role("button", name="time-out").click()
    await expect(page.locator("#faults-waiting")).to_have_text("1 waiting")
    patience = Patience(read_timeout=0.3, first_backoff=0.001)
    async with TrackClient(Credentials("sandbox", "sandbox"), sandbox.url, patience=patience) as client:
        assert (await client.track("1", "bought")).attempts >= 2
    await expect(page.locator("#faults-waiting")).to_have_text("")
    await expect(page.locator("#events li")).to_have_count(1)
    await expect(page.locator("#requests li").first).to_contain_text("attempt")
    await expect(page.locator("#dropped li").first).to_contain_text("a repeat of event")


async def test_a_time_that_no_clock_shows_does_not_stop_the_page(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.events.add(Event("far away", "event", "1", 10**15, {}, None), 1)
    sandbox.workspace.track("1", {"name": "today"})
    await page.reload()
    await expect(page.locator("#events li")).to_have_count(2)
    await expect(page.locator("#people .count")).to_have_text("(1)")


async def test_old_ones_go_while_the_page_watches(page: Page, client: TrackClient, sandbox: RunningSandbox) -> None:
    sandbox.workspace.events = History(most_items=3)
    for number in range(5):
        await client.track("1", f"event {number}")
    await expect(page.locator("#events li").first).to_contain_text("event 4")
    await expect(page.locator("#events .count")).to_have_text("(3)")


async def test_a_hidden_tab_lets_its_connection_go(page: Page) -> None:
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert await page.evaluate("changes") is None
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#connection")).to_have_text("Live.")


async def test_a_press_is_a_click_though_something_arrives_in_between(page: Page, tools: Tools) -> None:
    await add_ann(tools)
    await page.locator("#people summary").hover()
    await page.mouse.down()
    await tools.send_event({"customer_id": "1", "event_name": "in between"})
    await page.mouse.up()
    await expect(page.locator("#people details")).to_have_attribute("open", "")
    await expect(page.locator("#events li")).to_have_count(1)


async def test_a_request_is_copied_as_a_curl_line_without_the_key(
    page: Page, tools: Tools, sandbox: RunningSandbox
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    await tools.send_event({"customer_id": "o'neill", "event_name": "it's bought"})
    await page.get_by_role("button", name="Copy as curl").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    line = await page.evaluate("navigator.clipboard.readText()")
    assert line.startswith('curl --globoff --path-as-is -X POST -u "$CUSTOMERIO_SITE_ID:$CUSTOMERIO_API_KEY" ')
    assert "it'\\''s bought" in line
    assert line.endswith(f"'{sandbox.url}/api/v1/customers/o%27neill/events'")


async def test_reset_asks_first(page: Page, tools: Tools, sandbox: RunningSandbox) -> None:
    await add_ann(tools)
    await expect(page.locator("#people li summary")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.locator("#people li summary")).to_have_count(1)
    await page.get_by_role("button", name="Reset").click()
    await page.get_by_role("button", name="Forget everything").click()
    await expect(page.locator("#people li")).to_have_text("Nothing yet.")
    assert list(sandbox.workspace.people) == []


async def test_the_keyboard_reaches_everything_and_keeps_its_place_while_things_arrive(
    page: Page, tools: Tools
) -> None:
    await add_ann(tools)
    summary = page.locator("#people summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#people details")).to_have_attribute("open", "")
    await tools.send_event({"customer_id": "1", "event_name": "while focused"})
    await expect(page.locator("#people li li")).to_have_count(1)
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"
    await page.goto(page.url)
    reached = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached[0] == "Skip to the content"
    assert reached[1:9] == [
        "filter-person",
        "filter-event",
        "503",
        "429 with Retry-After",
        "time-out",
        "lost reply",
        "redirect",
        "reset",
    ]


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_and_can_be_read(
    browser: Browser, tools: Tools, sandbox: RunningSandbox, width: int, scheme: str
) -> None:
    await tools.send_event({"customer_id": "x" * 150, "event_name": "y" * 100, "data": {"z": "w" * 500}})
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(sandbox.url)
    await expect(page.locator("#events li")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", ground)[:3])
    assert (brightness > 600) is (scheme == "light")
    await context.close()


async def test_ten_thousand_events_are_kept_and_a_hundred_are_drawn(page: Page, sandbox: RunningSandbox) -> None:
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
    await expect(page.locator("#events li")).to_have_count(111)  # the new one has made "event 50" itself go


async def test_it_says_when_the_sandbox_is_gone(browser: Browser) -> None:
    from customerio_track_mcp.sandbox import run_sandbox

    page = await browser.new_page()
    async with run_sandbox() as sandbox:
        await page.goto(sandbox.url)
        await expect(page.locator("#connection")).to_have_text("Live.")
    await expect(page.locator("#connection")).to_contain_text("does not answer")
