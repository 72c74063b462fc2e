"""Generate docs/sandbox.png: the sandbox's page with the demo's data, in the system's Chromium."""

import shutil
from pathlib import Path

import anyio
from playwright.async_api import async_playwright

from customerio_track_mcp.demo.scenario import run_scenario
from customerio_track_mcp.sandbox import run_sandbox


async def main() -> None:
    """Run the demo against a sandbox, and save a screenshot of its page."""
    async with run_sandbox() as sandbox, async_playwright() as playwright:
        await run_scenario(sandbox.url, print)
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1500, "height": 900})
        await page.goto(sandbox.url)
        await page.locator("#people summary").nth(3).click()
        await page.locator("#people dl").wait_for()
        await page.screenshot(path=Path(__file__).with_name("sandbox.png"))
        await browser.close()


if __name__ == "__main__":
    anyio.run(main)
