"""The path at which the HTTP service serves MCP."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

OWN_PATHS: Final = ("/metrics", "/healthz", "/readyz")
"""Where the service serves something else, at its root whatever `CUSTOMERIO_HTTP_PATH` is."""

_WELL_KNOWN: Final = "/.well-known"
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_EXPECTED: Final = (
    "invalid path: expected one such as /customerio/mcp, of letters, digits, '.', '_', '~', '-' and single '/', "
    "without scheme, hostname and query"
)


def validated_path(text: str) -> str:
    """Return a path without a slash at its end, except for the root, `/`.

    Args:
        text: the value of a setting.

    Raises:
        ValueError: it is not valid, or something else is served there.
    """
    text = text.strip()
    path = without_final_slash(text)
    if not _is_valid(path):
        meant = _likely_path(text)
        raise ValueError(_EXPECTED + (f"; did you mean {meant}?" if meant else ""))
    if path in OWN_PATHS or f"{path}/".startswith(f"{_WELL_KNOWN}/"):
        raise ValueError(
            f"invalid path: {', '.join(OWN_PATHS)} and those below {_WELL_KNOWN} serve something else; "
            "choose another one, such as /customerio/mcp"
        )
    return path


def without_final_slash(path: str) -> str:
    """Return a path without one slash at its end; `/` if nothing else is left."""
    return path.removesuffix("/") or "/"


def _is_valid(path: str) -> bool:
    # Clients resolve `.` and `..`, so they never request such a path.
    return path == "/" or (_PATH.fullmatch(path) is not None and {".", ".."}.isdisjoint(path.split("/")))


def _likely_path(text: str) -> str:
    """Return the path that is probably meant; empty if none is."""
    try:
        segments = urlsplit(text).path.split("/")
    except ValueError:
        return ""
    path = "/" + "/".join(filter(None, segments))
    return path if path != "/" and _is_valid(path) else ""
