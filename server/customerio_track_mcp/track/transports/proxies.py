"""Which proxy a request goes through: the one that the environment names, checked before anything is sent.

The variables are those of curl, requests and httpx: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper
or lower case. Without any, macOS and Windows have system settings.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, proxy_bypass

from customerio_track_mcp.track.loopback import is_loopback

if TYPE_CHECKING:
    import httpx

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_MAX_PORT: Final = 65535
_HOSTNAME: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9a-f:.]+")
_EXPECTED: Final = (
    "expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; percent-encode special characters in user and "
    "password (for example # as %23, / as %2F, @ as %40)"
)


def proxy_of_the_environment(base_url: str) -> httpx.URL | None:
    """Return the proxy for the requests to `base_url`; see `find_proxy`. Without any proxy, httpx is not imported."""
    if not getproxies():
        return None
    import httpx

    return find_proxy(httpx.URL(base_url))


def find_proxy(url: httpx.URL) -> httpx.URL | None:
    """Return the proxy for `url`; None if it is reached directly, as this machine's loopback always is.

    Raises:
        ValueError: the proxy's URL is invalid. The text names the variable, and contains nothing of its value.
    """
    if is_loopback(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    for kind in (url.scheme, "all"):
        if value := proxies.get(kind):
            try:
                return _parse(value.strip())
            except ValueError as error:
                raise ValueError(f"{_source(kind, value)}: the proxy URL {error}; {_EXPECTED}") from None
    return None


def _source(kind: str, value: str) -> str:
    """Return what a proxy was set with: the names of the variables, or the system's settings."""
    names = [name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == value]
    return " and ".join(sorted(names)) or f"the system's settings for {kind}"


def _parse(value: str) -> httpx.URL:
    """Return the URL of a proxy; one without a scheme is http.

    Raises:
        ValueError: it is invalid; the text says how.
    """
    import httpx

    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
        hostname = url.raw_host.decode("ascii")
        hostname.encode("idna")  # as the socket module does, for each connection
    except (httpx.InvalidURL, ValueError):
        raise ValueError("cannot be parsed") from None
    if url.scheme not in _SCHEMES:
        raise ValueError(f"has an unsupported scheme (supported are {', '.join(_SCHEMES)})")
    if not hostname:
        raise ValueError("has no hostname")
    if not _HOSTNAME.fullmatch(hostname):
        raise ValueError("has an invalid hostname")
    if url.port is not None and not 0 < url.port <= _MAX_PORT:
        raise ValueError(f"has an invalid port (valid are 1 to {_MAX_PORT})")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("has a path, a query or a fragment")
    if url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ValueError("has an unsupported scheme (socks5 needs the package socksio, which is not installed)")
    return url
