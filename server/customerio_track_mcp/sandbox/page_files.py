"""The files of the page: everything below `page/`, with headers that keep the page from loading anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.error_bodies import error_response

_FOLDER: Final = files("customerio_track_mcp.sandbox") / "page"
_INDEX: Final = "index.html"
# The types that the operating system knows may differ: Windows takes them from its registry.
_CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
_OTHER: Final = "text/plain; charset=utf-8"
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageFiles:
    """Serves the page at `/`, and each of its files at `/page/` and its path."""

    def __init__(self) -> None:
        self._files = dict(_files_below(_FOLDER))

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of the page."""
        router.add_get("/", self._file)
        router.add_get("/page/{path:.+}", self._file)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info.get("path", _INDEX)
        file = self._files.get(path)
        if file is None:
            return error_response("the page has no such file", 404)
        content_type = _CONTENT_TYPES.get(PurePosixPath(path).suffix, _OTHER)
        return web.Response(body=file.read_bytes(), headers={"Content-Type": content_type, **_HEADERS})


def _files_below(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files_below(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry
