"""docs/sandbox.png shows the current page: the picture contains a digest of what it was made from."""

from __future__ import annotations

import runpy
import shutil
import struct
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.documents import ROOT

SCRIPT: Final = ROOT / "docs" / "make_screenshot.py"
MAX_BYTES: Final = 300_000
PAGE: Final = ROOT / "server" / "customerio_track_mcp" / "sandbox" / "page"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def picture() -> bytes:
    return (ROOT / "docs" / "sandbox.png").read_bytes()


def test_picture_is_of_the_current_page_and_demo(script: dict[str, Any], picture: bytes) -> None:
    reason = "the page or the demo has changed since docs/sandbox.png was made: run python docs/make_screenshot.py"
    assert script["digest_in"](picture) == script["source_digest"](), reason


def test_picture_is_small_and_of_a_desktop_window(picture: bytes) -> None:
    assert len(picture) <= MAX_BYTES
    assert struct.unpack_from(">II", picture, 16) == (1280, 800)


@pytest.mark.parametrize("file", ["index.html", "app.js", "page.css", "vendor/lit-html/lit-html.js", "new.js"])
def test_any_change_of_the_page_changes_the_digest(script: dict[str, Any], tmp_path: Path, file: str) -> None:
    changed = tmp_path / "page"
    shutil.copytree(PAGE, changed)
    assert script["source_digest"]((changed,)) == script["source_digest"]((PAGE,))
    with (changed / file).open("ab") as content:
        content.write(b" ")
    assert script["source_digest"]((changed,)) != script["source_digest"]((PAGE,))


def test_picture_without_a_digest_is_noticed(script: dict[str, Any], picture: bytes) -> None:
    chunk_bytes = 12 + len("Source digest") + 1 + 64
    assert script["digest_in"](picture[: -12 - chunk_bytes] + picture[-12:]) is None
