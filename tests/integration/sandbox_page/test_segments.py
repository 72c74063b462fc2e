"""The tab Segments, and a segment's page."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from tests.support.browser import open_page, show_tab


async def test_segment_opens_its_members_and_a_member_opens_the_person(page: Page, tools: ToolHandlers) -> None:
    await tools.create_or_update_customer({"customer_id": "1", "email": "ann@example.com"})
    await show_tab(page, "Segments")
    row = page.get_by_role("list", name="Segments").get_by_role("listitem").filter(has_text="Beta testers")
    await expect(row).to_contain_text("0 people")
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": ["1"]})
    await expect(row).to_contain_text("1 person")
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="1 member")).to_be_visible()
    member = page.get_by_role("list", name="Members").get_by_role("listitem")
    await expect(member).to_contain_text("ann@example.com")
    await member.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="1", exact=True)).to_be_visible()


async def test_new_segment_appears_and_a_reset_removes_it(page: Page, sandbox: RunningSandbox) -> None:
    await show_tab(page, "Segments")
    rows = page.get_by_role("list", name="Segments").get_by_role("listitem")
    await expect(rows).to_have_count(3)
    sandbox.add_segment(12, "<b>VIP</b>", members=[sandbox.add_person("1")])
    sandbox.add_segment(7, "Computed", "data-driven")
    sandbox.add_segment(1, "Replaced")
    await expect(rows).to_contain_text(["Replaced", "Webinar guests", "Paying customers", "Computed", "<b>VIP</b>"])
    await expect(rows.last).to_contain_text("1 person")
    await rows.last.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="<b>VIP</b> id 12 manual")).to_be_visible()
    await show_tab(page, "Segments")
    sandbox.reset()
    await expect(rows).to_contain_text(["Beta testers", "Webinar guests", "Paying customers"])
    await expect(rows).to_have_count(3)


@pytest.mark.parametrize(
    ("number", "explanation"),
    [("1", "contains the people whom a request has added"), ("3", "the API rejects requests that add people")],
)
async def test_each_kind_of_segment_is_explained(
    page: Page, sandbox: RunningSandbox, number: str, explanation: str
) -> None:
    await page.goto(f"{sandbox.url}/#/segments/{number}")
    await expect(page.get_by_text(explanation)).to_be_visible()
    await expect(page.get_by_text("Nobody yet.")).to_be_visible()


async def test_segments_are_found_by_their_name_and_by_their_members(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("1", {"email": "ann@example.com"})
    sandbox.workspace.add_to_segment("2", ["1"], "id")
    await show_tab(page, "Segments")
    rows = page.get_by_role("list", name="Segments").get_by_role("listitem")
    await expect(rows).to_have_count(3)
    await page.get_by_role("searchbox", name="Search").fill("beta")
    await expect(rows).to_contain_text(["Beta testers"])
    await page.get_by_role("searchbox", name="Search").fill("ann@")
    await expect(rows).to_contain_text(["Webinar guests"])
    await page.get_by_role("searchbox", name="Search").fill("")
    await page.get_by_role("searchbox", name="Person").fill("ANN@")
    await expect(rows).to_contain_text(["Webinar guests"])


async def test_a_hundred_of_many_members_are_shown(page: Page, sandbox: RunningSandbox) -> None:
    ids = [f"person {number}" for number in range(1000)]
    for identifier in ids:
        sandbox.workspace.identify(identifier, {})
    sandbox.workspace.add_to_segment("2", ids, "id")
    await page.goto(f"{sandbox.url}/#/segments/2")
    await page.reload()
    members = page.get_by_role("list", name="Members").get_by_role("listitem")
    await expect(members).to_have_count(100)
    await page.get_by_role("button", name="Show 100 more of 900").click()
    await expect(members).to_have_count(200)


@pytest.mark.parametrize("number", ["9", "no number"])
async def test_segment_that_is_not_there_is_reported(page: Page, sandbox: RunningSandbox, number: str) -> None:
    await page.goto(f"{sandbox.url}/#/segments/{number}")
    await expect(page.get_by_text(f"does not have a segment with the id {number}")).to_be_visible()


async def test_segments_fit_400_pixels(browser: Browser, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("x" * 150, {"email": f"{'y' * 60}@example.com"})
    sandbox.workspace.add_to_segment("2", ["x" * 150], "id")
    async with open_page(browser, sandbox.url, path="/#/segments", width=400) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
        await page.get_by_role("link", name="Webinar guests").click()
        await expect(page.get_by_text("x" * 150)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 400
