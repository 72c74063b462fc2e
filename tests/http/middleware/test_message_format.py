"""The message in a request's body, as the rest of the service receives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AuthorizationServer, oauth_service
from tests.support.http_service import bearer, message_in, payload_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, nested, raw_call

VERSIONS = pytest.mark.parametrize("version", [LEGACY, MODERN])


@VERSIONS
@pytest.mark.parametrize("chunked", [False, True])
async def test_normalized_body_may_be_longer_than_the_limit_but_a_received_one_may_not(
    sandbox: RunningSandbox, version: str, chunked: bool
) -> None:
    def content(body: bytes) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 100):
                yield body[start : start + 100]

        return chunks() if chunked else body

    headers = headers_of(version)
    async with running_service(sandbox.url, max_body_bytes=4096) as http:
        accented = raw_call(version, event(data=f'{{"a":"{"ä" * 1700}"}}'), request_id="5.0")
        response = await http.post("/mcp", content=content(accented), headers=headers)
        assert payload_in(response)["success"]
        assert message_in(response)["id"] == 5
        too_long = raw_call(version, event(data=f'{{"a":"{"ä" * 2100}"}}'), request_id="5.0")
        assert (await http.post("/mcp", content=content(too_long), headers=headers)).status_code == 413
    (sent,) = sandbox.workspace.events
    assert sent.data == {"a": "ä" * 1700}


@VERSIONS
async def test_invalid_message_gets_400_in_json(sandbox: RunningSandbox, version: str) -> None:
    async with running_service(sandbox.url) as http:
        body = raw_call(version, event(), request_id="null")
        response = await http.post("/mcp", content=body, headers=headers_of(version))
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": "Invalid request: id must be a string or an integer"},
    }


@VERSIONS
async def test_scopes_are_checked_in_every_form_of_a_message(
    sandbox: RunningSandbox, issuer: AuthorizationServer, version: str
) -> None:
    forms = [
        raw_call(version, event()),
        raw_call(version, event(), request_id="3.0"),
        raw_call(version, event(data='{"a":"\\ud800"}')),
        raw_call(version, event(data=f'{{"a":{nested(900)}}}')),
        b"\xef\xbb\xbf" + raw_call(version, event()),
    ]
    async with oauth_service(sandbox.url, issuer) as http:
        headers = headers_of(version) | bearer(issuer.token(scope="customers:write"))
        for body in forms:
            response = await http.post("/mcp", content=body, headers=headers)
            assert response.status_code == 403
            assert 'scope="customers:write events:write"' in response.headers["www-authenticate"]
        headers = headers_of(version) | bearer(issuer.token(scope="events:write"))
        for body in forms:
            response = await http.post("/mcp", content=body, headers=headers)
            assert response.status_code == 200
            assert payload_in(response)["success"] is (b"\\ud800" not in body and b"[[" not in body)
    assert len(sandbox.workspace.events) == 3


@VERSIONS
async def test_headers_of_2026_07_28_must_agree_with_a_normalized_message(
    sandbox: RunningSandbox, version: str
) -> None:
    body = raw_call(version, event(), request_id="3.0")
    async with running_service(sandbox.url) as http:
        headers = headers_of(version, tool="add_customers_to_segment")
        response = await http.post("/mcp", content=body, headers=headers)
    if version == MODERN:
        assert (response.status_code, message_in(response)["error"]["code"]) == (400, -32020)
        assert message_in(response)["id"] == 3
    else:
        assert payload_in(response)["success"]
