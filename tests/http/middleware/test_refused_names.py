"""Log lines about refused hostnames and origins."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from customerio_track_mcp.http.middleware.refused_names import MAX_LOGGED_NAMES
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AuthorizationServer, oauth_service
from tests.support.http_service import (
    HEADERS,
    PING,
    TOKEN,
    TWO_CALLERS,
    bearer,
    call,
    connect,
    read_until_closed,
    running_service,
)

HOSTS = "CUSTOMERIO_HTTP_ALLOWED_HOSTS"
ORIGINS = "CUSTOMERIO_HTTP_ALLOWED_ORIGINS"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def refused(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Return the event, the name and the setting of each line about a refused name, in order."""
    fields = {"hostname refused": "hostname", "origin refused": "origin"}
    lines = [vars(record) for record in caplog.records if record.message in fields]
    assert {line["levelno"] for line in lines} <= {logging.WARNING}
    return [(line["message"], line[fields[line["message"]]], line["setting"]) for line in lines]


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({"Host": "MCP.example.com"}, 421, ("hostname refused", "mcp.example.com", HOSTS)),
        ({"Host": "internal:8000"}, 421, ("hostname refused", "internal:8000", HOSTS)),
        ({"Host": "[fd00::1]:8000"}, 421, ("hostname refused", "[fd00::1]:8000", HOSTS)),
        ({"Host": "ann@example.com"}, 421, ("hostname refused", "invalid", HOSTS)),
        ({"Host": "a.example/secret"}, 421, ("hostname refused", "invalid", HOSTS)),
        ({"Host": "x" * 5000}, 421, ("hostname refused", "invalid", HOSTS)),
        ({"Origin": "https://app.example.com"}, 403, ("origin refused", "https://app.example.com", ORIGINS)),
        ({"Origin": "chrome-extension://abc"}, 403, ("origin refused", "chrome-extension://abc", ORIGINS)),
        ({"Origin": "null"}, 403, ("origin refused", "null", ORIGINS)),
        ({"Origin": "https://ann@example.com"}, 403, ("origin refused", "invalid", ORIGINS)),
        ({"Origin": "secret"}, 403, ("origin refused", "invalid", ORIGINS)),
        ({"Origin": "app://" + "x" * 5000}, 403, ("origin refused", "invalid", ORIGINS)),
    ],
)
async def test_refused_name_is_logged_once_with_the_setting(
    sandbox: RunningSandbox,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    status: int,
    expected: tuple[str, str, str],
) -> None:
    async with running_service(sandbox.url) as http:
        for _ in range(3):
            assert (await http.post("/mcp", json=PING, headers=HEADERS | headers)).status_code == status
    assert refused(caplog) == [expected]


@pytest.mark.parametrize(("method", "path"), [("POST", "/mcp/"), ("GET", "/metrics")])
async def test_refused_names_are_logged_for_every_path(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    async with running_service(sandbox.url) as http:
        for headers in ({"Host": "a.example"}, {"Origin": "https://a.example"}):
            await http.request(method, path, json=PING, headers=HEADERS | headers)
    assert [name for _, name, _ in refused(caplog)] == ["a.example", "https://a.example"]


async def test_missing_hostname_is_logged(sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps(PING)
    head = f"POST /mcp HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await stream.send((head + body).encode())
        assert (await read_until_closed(stream)).startswith(b"HTTP/1.1 421")
    assert refused(caplog) == [("hostname refused", "invalid", HOSTS)]


@pytest.mark.parametrize("settings", [{}, {"allowed_origins": "https://other.example.com"}, {"tokens": TWO_CALLERS}])
async def test_origin_of_a_refused_preflight_request_is_logged(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, settings: Mapping[str, Any]
) -> None:
    """A browser sends nothing else, so there is no 403."""
    async with running_service(sandbox.url, **settings) as http:
        response = await http.request("OPTIONS", "/mcp", headers=PREFLIGHT | {"Origin": "https://app.example.com"})
        assert response.status_code >= 400
    assert refused(caplog) == [("origin refused", "https://app.example.com", ORIGINS)]


async def test_other_refusals_are_not_logged_as_refused_names(
    sandbox: RunningSandbox, issuer: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    origin = {"Origin": "https://app.example.com"}
    async with oauth_service(
        sandbox.url, issuer, allowed_origins=origin["Origin"], tokens=TWO_CALLERS, max_body_bytes=1024
    ) as http:
        no_scope = bearer(issuer.token(scope="events:read")) | origin
        assert (await http.post("/mcp", json=call(), headers=no_scope)).status_code == 403
        assert (await http.post("/mcp", json=call(), headers=origin)).status_code == 401
        assert (await http.get("/mcp", headers=origin)).status_code == 405
        assert (await http.get("/metrics", headers=bearer(TOKEN) | origin)).status_code == 403
        assert (await http.request("OPTIONS", "/metrics", headers=bearer(TOKEN) | origin)).status_code == 405
        unknown = PREFLIGHT | origin | {"Access-Control-Request-Headers": "x-other"}
        assert (await http.request("OPTIONS", "/mcp", headers=unknown)).status_code == 400
        assert (await http.post("/mcp", content=b" " * 2000, headers=bearer(TOKEN) | origin)).status_code == 413
        assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN) | origin)).status_code == 200
    assert refused(caplog) == []


async def test_number_of_logged_names_is_bounded(sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    async with running_service(sandbox.url) as http:
        for number in range(3 * MAX_LOGGED_NAMES):
            headers = HEADERS | {"Host": f"{number}.example"}
            assert (await http.post("/mcp", json=PING, headers=headers)).status_code == 421
    assert len(refused(caplog)) == MAX_LOGGED_NAMES


async def test_names_are_logged_again_in_the_next_period(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.middleware.refused_names.PERIOD_SECONDS", 0)
    async with running_service(sandbox.url) as http:
        for _ in range(2):
            await http.post("/mcp", json=PING, headers=HEADERS | {"Host": "evil.example"})
    assert len(refused(caplog)) == 2
