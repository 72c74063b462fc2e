"""The hostnames and origins that the service accepts."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import METADATA_PATH, AuthorizationServer, oauth_service
from tests.support.http_service import HEADERS, PING, TOKEN, TWO_CALLERS, bearer, running_service


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "mcp.example.com"}, 200),
        ({"Host": "mcp.example.com:443"}, 200),
        ({"Host": "MCP.Example.com"}, 200),
        ({"Host": "internal.example"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://app.example.com.evil.example"}, 403),
        ({"Origin": "http://app.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://app.example.com"}, 200),
    ],
)
async def test_only_allowed_hostnames_and_origins_are_accepted(
    sandbox: RunningSandbox, headers: dict[str, str], status: int
) -> None:
    settings: dict[str, Any] = {
        "public_url": "https://mcp.example.com/mcp",
        "allowed_hosts": "internal.example",
        "allowed_origins": "https://app.example.com",
    }
    async with running_service(sandbox.url, **settings) as http:
        assert (await http.post("/mcp", json=PING, headers=HEADERS | headers)).status_code == status


@pytest.mark.parametrize(("origin", "allowed"), [("https://app.example.com", True), ("https://evil.example", False)])
async def test_cors_headers_are_sent_to_allowed_origins_only(
    sandbox: RunningSandbox, origin: str, *, allowed: bool
) -> None:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    async with running_service(sandbox.url, allowed_origins="https://app.example.com", tokens=TWO_CALLERS) as http:
        preflight = await http.request("OPTIONS", "/mcp", headers=headers)
        assert (preflight.status_code == 200) is allowed
        assert (preflight.headers.get("access-control-allow-origin") == origin) is allowed
        response = await http.post("/mcp", json=PING, headers=bearer(TOKEN) | {"Origin": origin})
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed


EXTENSIONS = (
    "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    "moz-extension://8e0a2e2c-1f5b-4a53-9c56-2f4c4ec4b3f1",
    "tauri://localhost",
    "app://obsidian.md",
    "vscode-webview://1kV0T",
)


@pytest.mark.parametrize("origin", EXTENSIONS)
async def test_origins_of_extensions_and_applications_can_be_allowed(sandbox: RunningSandbox, origin: str) -> None:
    scheme, _, rest = origin.partition("://")
    async with running_service(sandbox.url, allowed_origins=",".join(EXTENSIONS)) as http:
        response = await http.post("/mcp", json=PING, headers=HEADERS | {"Origin": origin})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin)
        others = (
            f"{origin}:80",
            f"{origin}.evil.example",
            f"{origin}/",
            f"{scheme}://other",
            f"https://{rest}",
            "null",
        )
        for other in others:
            response = await http.post("/mcp", json=PING, headers=HEADERS | {"Origin": other})
            assert (response.status_code, response.headers.get("access-control-allow-origin")) == (403, None), other


SENT_BY_PAGES = (
    "authorization, content-type, mcp-protocol-version, mcp-session-id, last-event-id, mcp-method, mcp-name, "
    "traceparent, tracestate, baggage, x-request-id, idempotency-key"
)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", METADATA_PATH, f"{METADATA_PATH}/mcp"])
async def test_pages_of_an_allowed_origin_can_read_every_response(
    sandbox: RunningSandbox, issuer: AuthorizationServer, path: str, method: str
) -> None:
    origin = "https://app.example.com"
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": SENT_BY_PAGES,
    }
    expected = {"POST": 401} if path.startswith("/mcp") else {"GET": 200}
    async with oauth_service(sandbox.url, issuer, allowed_origins=origin) as http:
        allowed = await http.request("OPTIONS", path, headers=preflight)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, origin)
        assert method in allowed.headers["access-control-allow-methods"].split(", ")
        response = await http.request(method, path, headers=HEADERS | {"Origin": origin, "Traceparent": "00-1-1-01"})
        assert response.status_code == expected.get(method, 405)
        assert response.headers["access-control-allow-origin"] == origin
        refused = await http.request("OPTIONS", path, headers=preflight | {"Origin": "https://evil.example"})
        assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (400, None)
        unknown = await http.request("OPTIONS", path, headers=preflight | {"Access-Control-Request-Headers": "x-other"})
        assert unknown.status_code == 400


async def test_metadata_can_be_read_by_any_page_without_allowed_origins(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    preflight = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "mcp-protocol-version",
    }
    async with oauth_service(sandbox.url, issuer) as http:
        assert (await http.request("OPTIONS", METADATA_PATH, headers=preflight)).status_code == 200
