"""Generate the package's PNG icons from its icon.svg, in the system's Chromium."""

import shutil
from pathlib import Path

import anyio
from playwright.async_api import async_playwright

ICONS = Path(__file__).parents[1] / "server" / "customerio_track_mcp" / "icons"

SIZES = {"icon.png": 512, "icon-48.png": 48}
"""Pixels of each file's width and height: one for stores, one that the server sends to hosts."""


async def render(size: int) -> bytes:
    """Return the SVG as a PNG of `size` by `size` pixels, transparent outside its rounded corners."""
    svg = (ICONS / "icon.svg").read_text(encoding="utf-8")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": size, "height": size})
        await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: 100vw }}</style>{svg}")
        png = await page.screenshot(omit_background=True)
        await browser.close()
    return png


async def main() -> None:
    """Write the PNG files beside icon.svg."""
    for name, size in SIZES.items():
        (ICONS / name).write_bytes(await render(size))


if __name__ == "__main__":
    anyio.run(main)
