"""Requests that web pages of other sites send through the user's browser."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, RunningSandbox, run_sandbox


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
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/_sandbox/state"), ("GET", "/"), ("PUT", "/api/v1/customers/1"), ("POST", "/_sandbox/segments")],
)
async def test_cross_site_requests_are_rejected(
    http: httpx.AsyncClient, headers: dict[str, str], status: int, method: str, path: str
) -> None:
    body = {"PUT": {}, "POST": {"id": 7, "name": "VIP"}}.get(method)
    response = await http.request(method, path, headers=headers, json=body)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


async def test_link_from_another_site_opens_only_the_page(http: httpx.AsyncClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await http.get("/", headers=link)).status_code == 200
    assert (await http.get("/_sandbox/state", headers=link)).status_code == 403
    assert (await http.post("/", headers=link)).status_code == 403


async def test_own_origin_is_accepted(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    assert (await http.post("/_sandbox/reset", headers={"Origin": sandbox.url})).status_code == 200


@pytest.fixture
async def in_a_container_network() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a sandbox that is also reached as `track-sandbox`."""
    async with (
        run_sandbox(allowed_hosts=["Track-Sandbox"]) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, auth=("sandbox", "sandbox"), trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "track-sandbox"}, 200),
        ({"Host": "TRACK-SANDBOX:8765"}, 200),
        ({"Host": "track-sandbox:8765", "Origin": "http://track-sandbox:8765"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "other"}, 403),
        ({"Host": "track-sandbox.evil.example"}, 403),
        ({"Host": "track-sandbox:x"}, 403),
        ({"Host": "track-sandbox:8765", "Origin": "http://evil.example"}, 403),
        ({"Host": "track-sandbox:8765", "Origin": "http://track-sandbox:1"}, 403),
        ({"Host": "track-sandbox:8765", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_allowed_hostnames_are_accepted_but_not_other_sites(
    in_a_container_network: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    for method, path in (("GET", "/_sandbox/state"), ("PUT", "/api/v1/customers/1")):
        response = await in_a_container_network.request(method, path, headers=headers, json={})
        assert response.status_code == status


async def test_refusal_of_a_hostname_says_how_to_allow_it_and_repeats_nothing(http: httpx.AsyncClient) -> None:
    response = await http.get("/_sandbox/state", headers={"Host": "x" * 5000})
    error = response.json()["meta"]["error"]
    assert error == "the hostname in Host is not accepted; to accept it, start with --allow-host NAME"
    assert SANDBOX_API_KEY not in response.text  # a client would replace it
    other = await http.get("/_sandbox/state", headers={"Origin": "http://evil.example"})
    assert other.json()["meta"]["error"] == "requests from other sites are rejected"
