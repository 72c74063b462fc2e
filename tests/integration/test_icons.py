"""The PNG icons are those of the SVG."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import async_playwright

import customerio_track_mcp

FOLDER: Final = Path(customerio_track_mcp.__file__).parent / "icons"
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MEAN_DIFFERENCE: Final = """
async ([svg, png, size]) => {
    const pixels = async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = new OffscreenCanvas(size, size).getContext("2d");
        canvas.drawImage(image, 0, 0, size, size);
        return canvas.getImageData(0, 0, size, size).data;
    };
    const [one, other] = [await pixels(svg), await pixels(png)];
    return one.reduce((sum, value, index) => sum + Math.abs(value - other[index]), 0) / one.length;
}
"""
"""A function of a page: by how much the pixels of two images differ, from 0 to 255."""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("REQUIRE_CHROMIUM"), reason="no Chromium on this machine"
    ),
]


def data_uri(file: str, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode((FOLDER / file).read_bytes()).decode()}"


async def test_png_icons_are_current() -> None:
    """`python docs/make_icon.py` makes them so. Another version of Chromium may smooth edges in another way."""
    svg = data_uri("icon.svg", "image/svg+xml")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        for file, size in (("icon.png", 512), ("icon-48.png", 48)):
            png = data_uri(file, "image/png")
            assert await page.evaluate(MEAN_DIFFERENCE, [svg, png, size]) < 2, file
        changed = svg_with_another_color()
        assert await page.evaluate(MEAN_DIFFERENCE, [changed, data_uri("icon.png", "image/png"), 512]) > 2
        await browser.close()


def svg_with_another_color() -> str:
    svg = (FOLDER / "icon.svg").read_text(encoding="utf-8").replace("#ffc53d", "#ff0000")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
