"""The install links contain the entry that `install` writes, and the documents have the current ones."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import Entry, runs_this_program, sandbox_of
from publish.install_links import cursor_link, readme_lines, vscode_link
from publish.names import ROOT, Names, read_names

NAMES: Final = read_names()
RELEASED: Final = Names(NAMES.project, "1.2.3+ü", NAMES.description, "Acme")
"""A version with characters that URLs and Base64 treat in a special way."""
ENTRY: Final = Entry("uvx", ["customerio-track-mcp==1.2.3+ü", "--sandbox"])
LINK: Final = re.compile(r"https://(?:cursor\.com/en/install-mcp|insiders\.vscode\.dev/redirect)\?[^)\s]+")


def decode_cursor(link: str) -> tuple[str, dict[str, Any]]:
    url = urlsplit(link)
    assert (url.scheme, url.netloc, url.path) == ("https", "cursor.com", "/en/install-mcp")
    query = parse_qs(url.query, strict_parsing=True)
    return query["name"][0], json.loads(base64.b64decode(query["config"][0], validate=True))


def decode_vscode(link: str) -> tuple[str, dict[str, Any]]:
    url = urlsplit(link)
    assert (url.scheme, url.netloc, url.path) == ("https", "insiders.vscode.dev", "/redirect")
    scheme, _, config = parse_qs(url.query, strict_parsing=True)["url"][0].partition("?")
    assert scheme == "vscode:mcp/install"
    entry = json.loads(unquote(config))
    return entry.pop("name"), entry


def test_links_contain_what_install_writes() -> None:
    assert decode_cursor(cursor_link(RELEASED)) == ("customerio-track", HOSTS["cursor"].fields(ENTRY))
    assert decode_vscode(vscode_link(RELEASED)) == ("customerio-track", HOSTS["vscode"].fields(ENTRY))


def test_links_need_no_key() -> None:
    for _, entry in (decode_cursor(cursor_link(NAMES)), decode_vscode(vscode_link(NAMES))):
        assert sandbox_of(entry)
        assert runs_this_program(entry)
        assert "env" not in entry


def test_documents_have_the_current_links() -> None:
    hosts_page, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/hosts.md", "README.md"))
    links = {cursor_link(NAMES), vscode_link(NAMES)}
    message = "use what `python -m publish.install_links` prints"
    assert set(LINK.findall(hosts_page)) == set(LINK.findall(readme_lines(NAMES))) == links, message
    assert set(LINK.findall(readme)) <= links, message
