"""The 403 that asks an OAuth client for the scopes that its token lacks."""

from __future__ import annotations

import re
from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import METADATA_PATH, AuthorizationServer, oauth_service
from tests.support.http_service import (
    TOKEN,
    TOOLS_LIST,
    bearer,
    call,
    connect,
    message_in,
    payload_in,
    read_until_closed,
)
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call


async def test_every_jwt_needs_the_required_scopes(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with oauth_service(sandbox.url, issuer, required_scopes="mcp", tokens=f"ann {TOKEN}") as http:
        refused = await http.post("/mcp", json=call(), headers=bearer(issuer.token()))
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
        accepted = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope="mcp events:write")))
        assert payload_in(accepted)["success"]
        # A static token does not: the operator has issued it.
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200


@pytest.mark.parametrize("claim", [{"scope": "events:write"}, {"scope": None, "scp": ["events:write"]}])
async def test_scopes_limit_the_tools(
    sandbox: RunningSandbox, issuer: AuthorizationServer, claim: dict[str, Any]
) -> None:
    async with oauth_service(sandbox.url, issuer) as http:
        headers = bearer(issuer.token(**claim))
        tools = message_in(await http.post("/mcp", json=TOOLS_LIST, headers=headers))["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["send_event"]
        assert payload_in(await http.post("/mcp", json=call(), headers=headers))["success"]
        segment = call("add_customers_to_segment", segment_id="1", customer_ids=["1"])
        response = await http.post("/mcp", json=segment, headers=headers)
        assert response.status_code == 403
        challenge = response.headers["www-authenticate"]
        assert 'error="insufficient_scope", scope="events:write segments:write"' in challenge
        assert METADATA_PATH in challenge


async def test_metrics_need_the_required_scopes_too(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with oauth_service(sandbox.url, issuer, required_scopes="mcp", tokens=f"ann {TOKEN} metrics:read") as http:
        statuses = {
            (await http.get("/metrics", headers=bearer(token))).status_code: token
            for token in (issuer.token(scope="metrics:read"), issuer.token(scope="mcp metrics:read"))
        }
        assert list(statuses) == [403, 200]
        assert (await http.get("/metrics", headers=bearer(issuer.token(scope="mcp")))).status_code == 403
        assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 200


async def test_missing_scope_is_reported_before_the_body_is_received(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    async with oauth_service(sandbox.url, issuer, required_scopes="mcp", body_timeout=0.3) as http:
        for scope, version, status in (
            ("events:write", MODERN, 403),
            ("events:write", LEGACY, 408),
            ("mcp customers:write", MODERN, 403),
            ("mcp events:write", MODERN, 408),
            ("mcp customers:write", LEGACY, 408),
        ):
            headers = headers_of(version) | bearer(issuer.token(scope=scope)) | {"Content-Length": "100"}
            async with await connect(http) as stream:
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                await stream.send(f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{{".encode())
                response = await read_until_closed(stream)
            assert response.startswith(f"HTTP/1.1 {status}".encode())


async def test_headers_that_name_another_tool_than_the_body_grant_nothing(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    body = raw_call(MODERN, event())
    async with oauth_service(sandbox.url, issuer) as http:
        token = bearer(issuer.token(scope="segments:write"))
        for headers in (
            headers_of(MODERN, tool="add_customers_to_segment"),
            headers_of(MODERN, "tools/list"),
            headers_of(LEGACY),
        ):
            response = await http.post("/mcp", content=body, headers=headers | token)
            assert response.status_code == 403
            assert 'scope="events:write segments:write"' in response.headers["www-authenticate"]
    assert list(sandbox.workspace.events) == []


async def test_tool_scopes_can_be_turned_off(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with oauth_service(sandbox.url, issuer, tool_scopes=False) as http:
        response = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope=None)))
        assert payload_in(response)["success"]


@pytest.mark.parametrize("scope", ["прив", ["a\r\nSet-Cookie: x=y"], 'a" b', ["\x00"], {"a": 1}, 7, [["x"]]])
async def test_invalid_scopes_are_left_out_of_the_response_header(
    sandbox: RunningSandbox, issuer: AuthorizationServer, scope: object
) -> None:
    async with oauth_service(sandbox.url, issuer) as http:
        response = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope=scope)))
    assert response.status_code == 403
    assert "set-cookie" not in response.headers
    assert re.search(r' scope="(b )?events:write", resource_metadata=', response.headers["www-authenticate"])
