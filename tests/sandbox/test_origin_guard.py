"""Requests that web pages of other sites send through the user's browser."""

from __future__ import annotations

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8765"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/_sandbox/state"), ("GET", "/"), ("PUT", "/api/v1/customers/1")])
async def test_cross_site_requests_are_rejected(
    http: httpx.AsyncClient, headers: dict[str, str], status: int, method: str, path: str
) -> None:
    response = await http.request(method, path, headers=headers, json={} if method == "PUT" else None)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


async def test_link_from_another_site_opens_only_the_page(http: httpx.AsyncClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await http.get("/", headers=link)).status_code == 200
    assert (await http.get("/_sandbox/state", headers=link)).status_code == 403
    assert (await http.post("/", headers=link)).status_code == 403


async def test_own_origin_is_accepted(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    assert (await http.post("/_sandbox/reset", headers={"Origin": sandbox.url})).status_code == 200
