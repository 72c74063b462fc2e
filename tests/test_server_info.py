"""What a host shows of the server: icons and website."""

from __future__ import annotations

import base64
import re
import struct
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import pytest

import customerio_track_mcp
from customerio_track_mcp.server_info import icons, website_in

FOLDER: Final = Path(customerio_track_mcp.__file__).parent / "icons"
MAX_BYTES: Final = 3500
"""Of the icons in the response to `initialize`."""


@pytest.mark.parametrize(("name", "size"), [("icon.png", 512), ("icon-48.png", 48)])
def test_png_has_its_size_and_an_alpha_channel(name: str, size: int) -> None:
    content = (FOLDER / name).read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, _, color_type = struct.unpack(">IIBB", content[16:26])
    assert (width, height, color_type) == (size, size, 6)


def test_svg_is_square_and_contains_neither_scripts_nor_references() -> None:
    svg = ElementTree.fromstring((FOLDER / "icon.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    assert svg.get("viewBox") == "0 0 64 64"
    shapes = {"g", "rect", "circle", "path"}
    assert {element.tag.rpartition("}")[2] for element in svg.iter()} == {"svg", *shapes}
    assert not [name for element in svg.iter() for name in element.attrib if name.startswith("on") or "href" in name]


def test_icons_are_small_data_uris_of_the_files() -> None:
    listed = [(icon.mime_type, icon.sizes) for icon in icons()]
    assert listed == [("image/svg+xml", ["any"]), ("image/png", ["48x48"])]
    contents = []
    for icon in icons():
        match = re.fullmatch(rf"data:{re.escape(icon.mime_type or '')};base64,([A-Za-z0-9+/]+=*)", icon.src)
        assert match
        contents.append(base64.b64decode(match[1]))
    assert contents == [(FOLDER / name).read_bytes() for name in ("icon.svg", "icon-48.png")]
    assert sum(len(icon.src) for icon in icons()) < MAX_BYTES


@pytest.mark.parametrize(
    ("entries", "website"),
    [
        ([], None),
        (["Repository, https://github.com/ann/customerio-track-mcp"], "https://github.com/ann/customerio-track-mcp"),
        (["Repository, https://github.com/ann/x", "Homepage, https://ann.example"], "https://ann.example"),
        (["homepage,https://ann.example"], "https://ann.example"),
        (["Repository, https://github.com/OWNER/x"], None),
        (["Homepage, https://github.com/OWNER", "Repository, https://github.com/ann/x"], "https://github.com/ann/x"),
        (["Changelog, https://ann.example/changes"], None),
        (["Homepage, http://ann.example"], None),
        (["Homepage, javascript:alert(1)"], None),
        (["Homepage"], None),
    ],
)
def test_the_website_is_a_real_page_of_the_metadata(entries: list[str], website: str | None) -> None:
    assert website_in(entries) == website
