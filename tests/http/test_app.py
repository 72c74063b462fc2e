"""Routes, the limit on a request's body, and malformed requests."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from starlette.applications import Starlette
from starlette.routing import Route

from customerio_track_mcp.http.app import create_app
from customerio_track_mcp.lenient_json import MAX_ELEMENTS
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.http_path import OWN_PATHS, validated_path
from customerio_track_mcp.track import limits
from tests.support.authorization_server import AuthorizationServer, oauth_service
from tests.support.http_service import HEADERS, PING, call, connect, payload_in, read_until_closed, running_service
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer, respond_when

EVENT: Mapping[str, str] = {"customer_id": "1", "event_name": "bought"}


async def test_body_over_the_limit_gets_413_before_it_is_complete(sandbox: RunningSandbox) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc":"2.0","id":5,"method":"ping",'
        for _ in range(100):
            yield b" " * 1024

    async with running_service(sandbox.url, max_body_bytes=4096) as http:
        with_length = await http.post("/mcp", content=b" " * 5000)
        chunked = await http.post("/mcp", content=chunks())
        assert [with_length.status_code, chunked.status_code] == [413, 413]
        errors = [with_length.json(), chunked.json()]
        assert [error["id"] for error in errors] == [None, 5]
        assert all("the maximum is 4096 bytes; send less in one call" in error["error"]["message"] for error in errors)
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_sdk_client_raises_the_message_about_a_body_over_the_limit(sandbox: RunningSandbox) -> None:
    async with (
        running_service(sandbox.url, max_body_bytes=4096) as http,
        create_mcp_http_client() as http_client,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=http_client)) as client,
    ):
        with pytest.raises(MCPError, match="the maximum is 4096 bytes; send less in one call"):
            await client.call_tool("send_event", {"customer_id": "1", "event_name": "a" * 5000})


@pytest.mark.parametrize("as_string", [False, True])
async def test_largest_call_that_the_track_api_accepts_is_served(sandbox: RunningSandbox, as_string: bool) -> None:
    name = "ä" * (limits.ATTRIBUTE_NAME_BYTES // 2 - 2)
    value = "ä" * (limits.ATTRIBUTE_VALUE_BYTES // 2)
    attributes = {f"{name}{number:03}": value for number in range(limits.ATTRIBUTES_PER_CALL - 1)}
    async with running_service(sandbox.url) as http:
        arguments = {"customer_id": "1", "email": "ann@example.com", "attributes": attributes}
        # As many clients write JSON: each character beyond ASCII as an escape of six characters.
        message = call("create_or_update_customer", **arguments)
        if as_string:
            message["params"]["arguments"] = json.dumps(arguments)
        response = await http.post("/mcp", content=json.dumps(message))
    assert payload_in(response)["success"]


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
        "HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0",
        "HTTP/1.0\r\nTransfer-Encoding: chunked",
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/healthz", "/unknown"])
async def test_ambiguous_end_of_a_request_gets_400_and_closes_the_connection(
    sandbox: RunningSandbox, head: str, path: str
) -> None:
    smuggled = "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await stream.send(f"POST {path} {head}\r\nHost: localhost\r\n\r\n{smuggled}".encode())
        response = await read_until_closed(stream)
    assert response.startswith(b"HTTP/1.1 400")
    assert response.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in response.lower()


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405), ("OPTIONS", 405), ("TRACE", 405), ("ODD", 405)]
)
async def test_metrics_can_be_read_only(sandbox: RunningSandbox, method: str, status: int) -> None:
    async with running_service(sandbox.url) as http:
        assert (await http.request(method, "/metrics")).status_code == status


async def test_unknown_methods_are_not_logged(sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="customerio_track_mcp"):
        async with running_service(sandbox.url) as http:
            for method in ("PUT", "SECRET", "X" * 8000):
                assert (await http.request(method, "/mcp")).status_code == 405
    lines = [vars(record) for record in caplog.records if record.message == "request refused"]
    assert [line["method"] for line in lines] == ["PUT", "other", "other"]


async def test_optional_get_of_older_clients_is_logged_at_debug_and_not_counted_as_refused(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="customerio_track_mcp"):
        async with running_service(sandbox.url) as http:
            for method in ("GET", "DELETE"):
                response = await http.request(method, "/mcp", headers={"Accept": "text/event-stream"})
                assert (response.status_code, response.headers["allow"]) == (405, "POST")
            metrics = (await http.get("/metrics")).text
    lines = [(record.levelname, vars(record)["method"]) for record in caplog.records if "status" in vars(record)]
    assert lines == [("DEBUG", "GET"), ("INFO", "DELETE")]
    assert 'http_refused_requests_total{status="405"} 1.0' in metrics


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_too_many_elements_get_400_with_the_id(sandbox: RunningSandbox, version: str) -> None:
    arguments = event(data=f'{{"a":[{"[]," * MAX_ELEMENTS}0]}}')
    async with running_service(sandbox.url) as http:
        response = await http.post("/mcp", content=raw_call(version, arguments), headers=headers_of(version))
        assert (response.status_code, response.json()["id"]) == (400, 2)
        assert f"more than {MAX_ELEMENTS} elements" in response.json()["error"]["message"]
        for as_string in (json.dumps(arguments), event(data=json.dumps(json.dumps(json.loads(arguments)["data"])))):
            escaped = as_string.replace("[", "\\u005b")  # in a string in the message
            response = await http.post("/mcp", content=raw_call(version, escaped), headers=headers_of(version))
            assert f"more than {MAX_ELEMENTS} elements" in payload_in(response)["error"]
    assert list(sandbox.workspace.events) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "secret@example.com" }',
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_malformed_body_gets_400_and_is_not_logged(
    sandbox: RunningSandbox, body: bytes, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_service(sandbox.url) as http:
        response = await http.post("/mcp", content=body, headers={"MCP-Protocol-Version": version})
        assert response.status_code == 400
        assert "Traceback" not in response.text + caplog.text
        assert "secret@example.com" not in caplog.text
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize(("headers", "status"), [({"Content-Type": "text/plain"}, 400), ({"Accept": "text/html"}, 406)])
async def test_unsupported_media_types_are_rejected(
    sandbox: RunningSandbox, headers: dict[str, str], status: int
) -> None:
    async with running_service(sandbox.url) as http:
        assert (await http.post("/mcp", json=PING, headers=HEADERS | headers)).status_code == status


@pytest.mark.parametrize(
    ("configured", "path"), [("/mcp", "/mcp"), ("/customerio/mcp", "/customerio/mcp"), ("/mcp/", "/mcp"), ("/", "")]
)
async def test_mcp_is_served_at_the_configured_path_with_and_without_a_slash(
    sandbox: RunningSandbox, configured: str, path: str
) -> None:
    async with running_service(sandbox.url, path=configured) as http:
        for url in (f"{http.base_url}{path}", f"{http.base_url}{path}/"):
            async with Client(url) as client:
                assert (await client.call_tool("send_event", dict(EVENT))).structured_content["success"]
            assert (await http.get(url)).status_code == 405
        others = {"/mcp", "/mcp/", "/mcp//", "/customerio", "/customerio/mcp/x", "//mcp"} - {path, f"{path}/"}
        for other in others:
            assert (await http.post(f"{http.base_url}{other}", json=PING)).status_code == 404, other
        for own in OWN_PATHS:
            assert (await http.get(own)).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/%6Dcp", "/mcp?a=b"])
async def test_every_form_of_the_path_has_the_same_middleware(sandbox: RunningSandbox, path: str) -> None:
    origin = {"Origin": "https://app.example"}
    async with running_service(sandbox.url, allowed_origins="https://app.example") as http:
        url = f"{http.base_url}{path}"
        response = await http.post(url, json=PING, headers=HEADERS | origin | {"X-Request-Id": "request-7"})
        assert (response.status_code, response.headers["x-request-id"]) == (200, "request-7")
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        for method in ("GET", "HEAD", "OPTIONS", "DELETE"):
            refused = await http.request(method, url)
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
            assert refused.headers["x-request-id"]
        preflight = await http.options(url, headers=origin | {"Access-Control-Request-Method": "POST"})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "https://app.example")


@pytest.mark.parametrize("path", ["/MCP", "/mcp/x", "/mcp%2F%2F", "/mcp;a", "//mcp", "/healthz/../mcp"])
async def test_other_paths_are_not_found(sandbox: RunningSandbox, path: str) -> None:
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await stream.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert (await read_until_closed(stream)).startswith(b"HTTP/1.1 404")


async def test_slash_at_the_end_does_not_double_the_limits(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    async with running_service(scripted.url, max_in_flight=1) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: http.post("/mcp", json=call()))
        await scripted.received.wait()
        assert (await http.post("/mcp/", json=call())).status_code == 429
        go.set()


async def test_slash_at_the_end_is_not_redirected_to_the_requested_hostname(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url) as http:
        assert (await http.post("/mcp/", json=PING, headers={"Host": "evil.example"})).status_code == 421


@pytest.mark.parametrize("path", OWN_PATHS)
async def test_paths_for_operators_have_no_second_form(sandbox: RunningSandbox, path: str) -> None:
    """`deploy/Caddyfile` hides them by their exact paths."""
    async with running_service(sandbox.url) as http:
        assert (await http.get(f"{path}/")).status_code == 404


async def test_every_other_route_is_an_invalid_path_for_mcp(
    sandbox: RunningSandbox, issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps: list[Starlette] = []

    def create(*arguments: Any, **options: Any) -> Starlette:
        apps.append(create_app(*arguments, **options))
        return apps[0]

    monkeypatch.setattr("customerio_track_mcp.http.service.create_app", create)
    async with oauth_service(sandbox.url, issuer):
        paths = {route.path for route in apps[0].routes if isinstance(route, Route)}
    assert paths > {"/mcp", "/mcp/", *OWN_PATHS}
    for path in paths - {"/mcp", "/mcp/"}:
        with pytest.raises(ValueError, match="serve something else"):
            validated_path(path)
