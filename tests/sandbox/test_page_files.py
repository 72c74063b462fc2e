"""The files of the page."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp import sandbox as package

FOLDER = Path(package.__file__).parent / "page"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.mark.parametrize("file", ["", *FILES])
async def test_every_file_is_served_with_its_type_and_loads_nothing_else(http: httpx.AsyncClient, file: str) -> None:
    response = await http.get(f"/page/{file}" if file else "/")
    assert response.status_code == 200
    assert response.content == (FOLDER / (file or "index.html")).read_bytes()
    expected = TYPES.get(Path(file or "index.html").suffix, "text/plain")
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; ")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith("vendor/")])
def test_page_refers_to_no_other_host(file: str) -> None:
    text = (FOLDER / file).read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|from ["']https?:""", text) == []


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "../server.py", "..%2fserver.py", "%2e%2e/records.py", "vendor", "/etc/passwd", ".", "page.js/"],
)
async def test_what_is_not_a_file_of_the_page_gets_404(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(f"/page/{path}")
    assert response.status_code == 404
    assert "import" not in response.text


async def test_files_are_for_this_sites_pages_only(http: httpx.AsyncClient) -> None:
    response = await http.get(f"/page/{FILES[0]}", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
