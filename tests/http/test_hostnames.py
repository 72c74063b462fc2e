"""The hostnames and origins that the service accepts."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
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
