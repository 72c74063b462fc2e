"""The empty state: what to connect with, snippets, and the demo's data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from tests.support.browser import open_page

SNIPPETS = ["Claude Desktop", "Claude Code", "Cursor", "VS Code", "curl", "Python", "Node"]


@asynccontextmanager
async def page_with_demo(
    browser: Browser, play_demo: Callable[[str], Awaitable[None]] | None, **options: str
) -> AsyncIterator[Page]:
    async with (
        run_sandbox(play_demo=play_demo) as sandbox,
        open_page(browser, sandbox.url, **options) as page,  # type: ignore[arg-type]
    ):
        yield page


async def test_empty_page_shows_the_address_and_the_credentials_and_copies_them(
    page: Page, sandbox: RunningSandbox
) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    await expect(page.get_by_role("heading", name="Nothing has reached this sandbox yet")).to_be_visible()
    for name, value in (("URL", sandbox.url), ("Site ID", "sandbox"), ("API key", "sandbox")):
        await page.evaluate("navigator.clipboard.writeText('')")
        await page.get_by_role("button", name=f"Copy {name}").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == value
        await expect(page.get_by_role("button", name="Copied")).to_have_count(0)


async def test_first_request_replaces_the_empty_state_which_stays_reachable(
    page: Page, sandbox: RunningSandbox
) -> None:
    await page.request.post(
        f"{sandbox.url}/api/v1/customers/1/events",
        headers={"Authorization": "Basic c2FuZGJveDpzYW5kYm94"},
        data={"name": "bought"},
    )
    await expect(page.locator("#timeline .entry")).to_have_count(1)
    await expect(page.get_by_text("Nothing has reached this sandbox yet")).to_have_count(0)
    await page.get_by_role("link", name="Connect").click()
    await expect(page.get_by_role("heading", name="Connect to this sandbox")).to_be_visible()
    await expect(page.get_by_role("tab")).to_have_text(SNIPPETS)


async def test_each_snippet_contains_the_real_address_and_is_copied(page: Page, sandbox: RunningSandbox) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
    for title in SNIPPETS:
        await page.get_by_role("tab", name=title).click()
        panel = page.get_by_role("tabpanel", name=title)
        await expect(panel.locator("pre")).to_contain_text(sandbox.url)
        await panel.get_by_role("button", name=f"Copy the snippet for {title}").click()
        assert await page.evaluate("navigator.clipboard.readText()") == await panel.locator("pre").inner_text()


async def test_snippets_are_chosen_with_the_keyboard(page: Page) -> None:
    tabs = page.get_by_role("tab")
    await tabs.first.focus()
    for key, title in (
        ("ArrowRight", "Claude Code"),
        ("ArrowLeft", "Claude Desktop"),
        ("ArrowLeft", "Node"),
        ("Home", "Claude Desktop"),
        ("End", "Node"),
        ("ArrowRight", "Claude Desktop"),
    ):
        await page.keyboard.press(key)
        tab = page.get_by_role("tab", name=title, selected=True)
        await expect(tab).to_be_focused()
        await expect(page.get_by_role("tabpanel", name=title)).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Copy the snippet for Claude Desktop")).to_be_focused()


async def test_demo_plays_once_at_a_time_and_its_progress_is_shown(browser: Browser) -> None:
    played: list[str] = []
    end = asyncio.Event()

    async def play(url: str) -> None:
        played.append(url)
        await end.wait()

    async with page_with_demo(browser, play) as page:
        await page.get_by_role("button", name="Play the demo's data").click()
        progress = page.get_by_role("button", name="Playing the demo's data…")
        await expect(progress).to_be_disabled()
        await page.reload()
        await expect(progress).to_be_disabled()
        end.set()
        await expect(page.get_by_role("button", name="Play the demo's data")).to_be_enabled()
        (url,) = played
        assert page.url.startswith(url)


async def test_problem_of_the_demo_is_shown_and_it_can_be_played_again(browser: Browser) -> None:
    async def play(url: str) -> None:
        raise RuntimeError(url)

    async with page_with_demo(browser, play) as page:
        await page.get_by_role("button", name="Play the demo's data").click()
        await expect(page.get_by_text("The demo's data could not be loaded (RuntimeError)")).to_be_visible()
        await expect(page.get_by_role("button", name="Play the demo's data")).to_be_enabled()


async def test_sandbox_that_cannot_play_the_demo_does_not_offer_it(page: Page) -> None:
    await expect(page.get_by_role("tab").first).to_be_visible()
    await expect(page.get_by_text("Play the demo's data")).to_have_count(0)


@pytest.mark.parametrize("width", [400, 1400])
async def test_empty_page_fits_its_width(browser: Browser, width: int) -> None:
    async with run_sandbox() as sandbox, open_page(browser, sandbox.url, width=width) as page:
        for title in SNIPPETS:
            await page.get_by_role("tab", name=title).click()
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, title
