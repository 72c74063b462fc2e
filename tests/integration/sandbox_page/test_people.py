"""The tab People, and a person's page."""

from __future__ import annotations

from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient
from tests.support.browser import open_page, show_tab

SECONDS, MILLISECONDS = 1767225600, 1767225600000  # 2026-01-01T00:00:00Z


async def show_person(page: Page, sandbox: RunningSandbox, number: int = 0) -> None:
    person = list(sandbox.workspace.people)[number]
    await page.goto(f"{sandbox.url}/#/people/{person.cio_id}")
    await expect(page.get_by_role("heading", level=2).first).to_have_text(person.id or person.email or "")


async def test_person_in_the_list_opens_a_page_with_identifiers_attributes_and_segments(
    page: Page, sandbox: RunningSandbox, tools: ToolHandlers
) -> None:
    await tools.create_or_update_customer(
        {"customer_id": "1", "email": "ann@example.com", "attributes": {"plan": "pro", "address": {"city": "Lyon"}}}
    )
    await tools.add_customers_to_segment({"segment_id": "2", "customer_ids": ["1"]})
    await show_tab(page, "People")
    row = page.get_by_role("list", name="People").get_by_role("listitem")
    await expect(row).to_contain_text("ann@example.com")
    await expect(row).to_contain_text("2 attributes, 0 events")
    await row.get_by_role("link", name="1", exact=True).click()
    article = page.get_by_role("article", name="1")
    for text in ("ann@example.com", next(iter(sandbox.workspace.people)).cio_id, "Webinar guests"):
        await expect(article.locator("dl").first).to_contain_text(text)
    attributes = article.locator("table.attributes tr")
    await expect(attributes.filter(has_text="plan")).to_contain_text("pro")
    await expect(attributes.filter(has_text="address")).to_contain_text('"city": "Lyon"')
    await article.get_by_role("link", name="Webinar guests", exact=True).click()
    await expect(page.get_by_role("heading", name="Webinar guests")).to_be_visible()


async def test_times_are_readable_beside_the_number_in_the_local_time_zone(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify(
        "1",
        {"created_at": SECONDS, "lastLogin": SECONDS, "renewal_date": str(SECONDS), "phone": SECONDS, "seats": 12},
    )
    await show_person(page, sandbox)

    rows = page.locator("table.attributes tr")
    for name in ("created_at", "lastLogin", "renewal_date"):
        row = rows.filter(has=page.get_by_role("rowheader", name=name, exact=True))
        await expect(row).to_contain_text(str(SECONDS))
        await expect(row.locator("time")).to_have_text("2026-01-01 01:00:00")
        await expect(row.locator("time")).to_have_attribute("datetime", "2026-01-01T00:00:00.000Z")
    await expect(page.locator("h3").get_by_text("Times are in Europe/Berlin")).to_have_count(1)
    await expect(rows.locator("time")).to_have_count(3)


async def test_milliseconds_are_pointed_out_and_not_converted(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("1", {"created_at": MILLISECONDS})
    await show_person(page, sandbox)
    cell = page.locator("table.attributes td")
    await expect(cell).to_contain_text(str(MILLISECONDS))
    await expect(cell).to_contain_text("looks like milliseconds")
    await expect(cell).to_contain_text("Customer.io expects seconds")


async def test_timeline_of_a_person_contains_calls_and_requests_about_that_person_newest_first(
    page: Page, sandbox: RunningSandbox, client: TrackClient, tools: ToolHandlers
) -> None:
    await client.identify("1", attributes={"plan": "pro"})
    await client.identify("10", attributes={"plan": "pro"})
    await client.track("10", "of another person")
    await tools.send_event({"customer_id": "1", "event_name": "bought"})
    await tools.add_customers_to_segment({"segment_id": "1", "customer_ids": ["1", "10"]})
    sandbox.record_call(
        {
            "id": "rejected",
            "at": 4_000_000_000,
            "seconds": 0.001,
            "tool": "create_or_update_customer",
            "arguments": {"customer_id": "1", "created_at": MILLISECONDS},
            "result": {"success": False, "error": "created_at looks like milliseconds"},
            "is_error": True,
            "outcome": "invalid_arguments",
        }
    )
    await show_person(page, sandbox)
    entries = page.locator("#person-timeline .entry")
    await expect(entries).to_have_count(4)
    await expect(entries.nth(0)).to_contain_text("created_at looks like milliseconds")
    await expect(entries.nth(1)).to_contain_text("add_customers")
    await expect(entries.nth(2)).to_contain_text("bought")
    await expect(entries.nth(3)).to_contain_text("PUT")
    await entries.nth(0).get_by_role("link").first.click()
    await expect(page).to_have_url(f"{sandbox.url}/#/call/rejected")


async def test_events_whose_requests_are_no_longer_kept_are_listed(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("1", {})
    sandbox.workspace.track("1", {"name": "long ago", "timestamp": SECONDS})
    await show_person(page, sandbox)
    row = page.get_by_role("list", name="Events whose requests are no longer kept").get_by_role("listitem")
    await expect(row).to_contain_text("2026-01-01 01:00:00")
    await row.get_by_role("link", name="long ago").click()
    await expect(page.get_by_role("heading", name="long ago")).to_be_visible()


async def test_person_and_search_filters(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("1", {"email": "ann@example.com", "plan": "pro"})
    sandbox.workspace.identify("bob@example.com", {"plan": "free"})
    await show_tab(page, "People")
    rows = page.get_by_role("list", name="People").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await page.get_by_role("searchbox", name="Person").fill("BOB@")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(["bob@example.com"])
    await page.get_by_role("searchbox", name="Person").fill("")
    await page.get_by_role("searchbox", name="Search").fill("pro")
    await expect(rows).to_contain_text(["ann@example.com"])
    await page.get_by_role("searchbox", name="Search").fill("nothing like this")
    await expect(page.get_by_text("Nothing matches.")).to_be_visible()


async def test_markup_in_client_data_is_shown_as_text(page: Page, client: TrackClient) -> None:
    markup = '<script>document.title="owned"</script><img src=x onerror="document.title=1">'
    await client.identify(markup, email="a@b.example", attributes={markup: markup})
    await show_tab(page, "People")
    await page.get_by_role("link", name=markup).click()
    await expect(page.get_by_role("heading", name=markup)).to_be_visible()
    await expect(page.locator("table.attributes th").last).to_have_text(markup)
    await expect(page.locator("table.attributes td").last).to_contain_text(markup)
    await expect(page).not_to_have_title("owned")
    assert await page.locator("main script, main img").count() == 0


async def test_ten_thousand_people_are_kept_and_a_hundred_are_shown(page: Page, sandbox: RunningSandbox) -> None:
    for number in range(10_000):
        sandbox.workspace.identify(f"person {number}", {"plan": "pro"})
    await page.goto(f"{sandbox.url}/#/people")
    await page.reload()
    rows = page.get_by_role("list", name="People").get_by_role("listitem")
    await expect(rows).to_have_count(100)
    await expect(rows.first).to_contain_text("person 9999")
    await page.get_by_role("button", name="Show 100 more of 9,900").click()
    await expect(rows).to_have_count(200)


async def test_person_who_is_not_there_is_reported(page: Page, sandbox: RunningSandbox) -> None:
    await page.goto(f"{sandbox.url}/#/people/ffffffff")
    await expect(page.get_by_text("does not have a person with the cio_id ffffffff")).to_be_visible()


async def test_person_is_opened_with_the_keyboard(page: Page, sandbox: RunningSandbox) -> None:
    sandbox.workspace.identify("1", {"email": "ann@example.com"})
    tab = page.get_by_role("link", name="People")
    await tab.focus()
    await page.keyboard.press("Enter")
    link = page.get_by_role("list", name="People").get_by_role("link")
    await expect(link).to_be_visible()
    while not await link.evaluate("link => link === document.activeElement"):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement !== document.body"), "the link is not reached"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="1", exact=True)).to_be_visible()


async def test_page_of_a_person_with_long_values_fits_400_pixels(
    browser: Browser, sandbox: RunningSandbox, client: TrackClient
) -> None:
    attributes = {"z" * 100: "w" * 900, "last_seen_at": SECONDS}
    await client.identify("x" * 150, email=f"{'y' * 60}@example.com", created_at=SECONDS, attributes=attributes)
    await client.track("x" * 150, "v" * 100, data={"u": "t" * 500})
    async with open_page(browser, sandbox.url, path="/#/people", width=400) as page:
        for path in ("/#/people", f"/#/people/{next(iter(sandbox.workspace.people)).cio_id}"):
            await page.goto(sandbox.url + path)
            await expect(page.get_by_text("x" * 150).first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 400
