"""The faults that wait: a form that adds them, and chips that remove them."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.track import Credentials, RetryPolicy, TrackClient
from tests.support.browser import open_page


async def add_fault(page: Page, fault: str, operation: str = "any write", count: int = 1) -> None:
    await page.locator(".faults summary").click()
    await page.get_by_label("Fail with").select_option(label=fault)
    await page.get_by_label("Which requests").select_option(label=operation)
    await page.get_by_label("How many").fill(str(count))
    await page.get_by_role("button", name="Add fault").click()
    await expect(chips(page).last).to_be_visible()
    await page.keyboard.press("Escape")


def chips(page: Page) -> Locator:
    return page.get_by_role("list", name="Waiting faults").get_by_role("listitem")


def track(sandbox: RunningSandbox) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{sandbox.url}/api/v1", auth=("sandbox", "sandbox"), trust_env=False)


@pytest.mark.parametrize(
    ("fault", "chip", "status", "is_recorded"),
    [
        ("503 Service Unavailable", "503", 503, False),
        ("429 with Retry-After: 2", "429 with Retry-After: 2", 429, False),
        ("Redirect to the EU host", "redirect", 307, False),
        ("Lost response, but carried out", "lost response", None, True),
        ("Connection reset, not carried out", "connection reset", None, False),
    ],
)
async def test_each_fault_does_what_its_words_say(
    page: Page, sandbox: RunningSandbox, fault: str, chip: str, status: int | None, is_recorded: bool
) -> None:
    await add_fault(page, fault)
    await expect(chips(page)).to_contain_text([chip])
    async with track(sandbox) as client:
        try:
            response = await client.post("/customers/1/events", json={"name": "bought"})
        except httpx.TransportError:
            assert status is None
        else:
            assert response.status_code == status
            assert response.headers.get("Retry-After") == ("2" if status == 429 else None)
    await expect(chips(page)).to_have_count(0)
    assert bool(list(sandbox.workspace.events)) is is_recorded


async def test_timeout_delays_the_response_and_the_retry_does_not_duplicate_the_event(
    page: Page, sandbox: RunningSandbox
) -> None:
    await add_fault(page, "Timeout: response after 15 s")
    await expect(chips(page)).to_contain_text(["response after 15 s"])
    retry_policy = RetryPolicy(read_timeout=0.3, initial_backoff=0.001)
    async with TrackClient(Credentials("sandbox", "sandbox"), sandbox.url, retry_policy=retry_policy) as client:
        assert (await client.track("1", "bought")).attempts >= 2
    await expect(chips(page)).to_have_count(0)
    assert len(list(sandbox.workspace.events)) == 1


async def test_fault_waits_for_its_operation_and_counts_down(page: Page, sandbox: RunningSandbox) -> None:
    await add_fault(page, "503 Service Unavailable", "create or update a person", 3)
    await expect(chips(page)).to_contain_text(["503, create or update a person, 3 times"])
    await expect(page.locator(".faults summary")).to_have_text("Faults 3")
    async with track(sandbox) as client:
        assert (await client.post("/customers/1/events", json={"name": "bought"})).status_code == 200
        assert (await client.put("/customers/1", json={})).status_code == 503
        await expect(chips(page)).to_contain_text(["2 times"])
        await expect(page.locator(".faults summary")).to_have_text("Faults 2")
    await page.locator(".faults summary").click()
    await expect(page.get_by_text("2 requests will fail.")).to_be_visible()


async def test_region_lookup_of_check_takes_no_fault_unless_it_is_meant_for_it(
    page: Page, sandbox: RunningSandbox
) -> None:
    await add_fault(page, "503 Service Unavailable")
    async with track(sandbox) as client:
        assert (await client.get("/accounts/region")).status_code == 200
        await expect(chips(page)).to_have_count(1)
        await add_fault(page, "503 Service Unavailable", "find the region")
        await expect(chips(page)).to_have_count(2)
        assert (await client.get("/accounts/region")).status_code == 503
    await expect(chips(page)).to_have_count(1)
    await page.locator(".faults summary").click()
    await expect(page.get_by_text("Probes and check do not take a fault")).to_be_visible()


async def test_chips_are_removed_one_by_one_also_with_the_keyboard(page: Page, sandbox: RunningSandbox) -> None:
    await add_fault(page, "503 Service Unavailable")
    await add_fault(page, "Lost response, but carried out", "send an event")
    await add_fault(page, "Redirect to the EU host")
    await expect(chips(page)).to_have_count(3)
    await page.get_by_role("button", name="Remove fault: lost response, send an event").click()
    await expect(chips(page)).to_have_count(2)
    await page.get_by_role("button", name="Remove fault: 503").focus()
    await page.keyboard.press("Enter")
    await expect(chips(page)).to_contain_text(["redirect"])
    await expect(page.get_by_role("button", name="Remove fault: redirect")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(chips(page)).to_have_count(0)
    await expect(page.locator(".faults summary")).to_be_focused()
    async with track(sandbox) as client:
        assert (await client.post("/customers/1/events", json={"name": "bought"})).status_code == 200


async def test_form_is_used_and_closed_with_the_keyboard(page: Page) -> None:
    summary = page.locator(".faults summary")
    await summary.focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Fail with")).to_be_focused()
    for _ in range(3):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Add fault")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(chips(page)).to_contain_text(["503"])
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Fail with")).to_be_hidden()
    await expect(summary).to_be_focused()


async def test_form_closes_by_a_click_outside_it(page: Page) -> None:
    await page.locator(".faults summary").click()
    await page.get_by_label("How many").click()
    await expect(page.get_by_label("How many")).to_be_visible()
    await page.locator("h1").click()
    await expect(page.get_by_label("How many")).to_be_hidden()


async def test_refusal_of_too_many_faults_is_reported(browser: Browser, sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        for _ in range(10):
            fault = {"kind": "reset", "count": 1000}
            assert (await client.post("/_sandbox/faults", json=fault)).status_code == 200
    async with open_page(browser, sandbox.url, expected_error="status of 400") as page:
        await expect(page.locator(".faults summary")).to_have_text("Faults 10,000")
        await page.locator(".faults summary").click()
        await page.get_by_role("button", name="Add fault").click()
        await expect(page.get_by_role("alert")).to_contain_text("faults may wait for at most")


async def test_only_some_of_many_faults_are_chips(page: Page, sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as client:
        for _ in range(15):
            await client.post("/_sandbox/faults", json={"kind": "reset"})
    await expect(chips(page)).to_have_count(13)
    await expect(chips(page).last).to_have_text("and 3 more")


async def test_faults_collapse_at_400_pixels(browser: Browser, sandbox: RunningSandbox) -> None:
    async with open_page(browser, sandbox.url, width=400) as page:
        await expect(page.get_by_label("Fail with")).to_be_hidden()
        for _ in range(3):
            await add_fault(page, "429 with Retry-After: 2", "create or update a person", 1000)
        await page.locator(".faults summary").click()
        await expect(page.get_by_label("Fail with")).to_be_in_viewport()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
