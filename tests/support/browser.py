"""The sandbox's page in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ZONE: Final = "Europe/Berlin"
"""The time zone of every page, so that tests can name times."""

_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Start Chromium; skip the test if this machine has none and `REQUIRE_CHROMIUM` is not set."""
    if CHROMIUM is None and not os.environ.get("REQUIRE_CHROMIUM"):
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def open_page(
    browser: Browser,
    url: str,
    *,
    path: str = "",
    width: int = 1400,
    height: int = 900,
    expected_error: str | None = None,
    **options: Any,
) -> AsyncIterator[Page]:
    """Open the page of the sandbox at `url`, connected. A console message or a request to another host fails the test.

    Args:
        browser: the browser.
        url: the sandbox's URL.
        path: what follows the URL, such as `/#/people`.
        width: of the window, in pixels.
        height: of the window, in pixels.
        expected_error: a part of the console messages that do not fail the test; None if each does.
        options: further ones of the browser's context, such as `color_scheme`.
    """
    viewport: Any = {"width": width, "height": height}
    errors: list[str] = []
    async with await browser.new_context(viewport=viewport, timezone_id=ZONE, **options) as context:
        page = await context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith((url, "data:")) else errors.append(request.url)
        )
        try:
            await page.goto(url + path)
            await expect(page.locator("#connection")).to_have_text("Live")
            yield page
        finally:
            unexpected = [text for text in errors if expected_error is None or expected_error not in text]
            assert not unexpected, unexpected


async def show_tab(page: Page, name: str) -> None:
    """Open one of the page's views by its tab."""
    await page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
