"""Tool calls of protocol 2026-07-28 get the same response as from the SDK alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import httpx
import pytest
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.inbound import X_MCP_HEADER_KEY
from starlette.types import Receive, Scope, Send

from customerio_track_mcp.http.hostnames import transport_security
from customerio_track_mcp.http.middleware.body_limit import BodyLimitMiddleware
from customerio_track_mcp.http.middleware.message_format import MessageFormatMiddleware
from customerio_track_mcp.http.middleware.tool_calls import ToolCallMiddleware
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient
from tests.support.http_service import HEADERS
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_call, raw_request

INVALID_EVENT: Final = '{"customer_id":"1","event_name":""}'
"""Arguments of a call that sends nothing, so that each such call has the same result."""
ORDINARY: Final = HEADERS | headers_of(MODERN) | {"Host": "127.0.0.1:8000"}
META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


ARGUMENTS: Final[tuple[Any, ...]] = (
    ...,
    None,
    5,
    [],
    "",
    "{}",
    INVALID_EVENT,
    '{"customer_id":"\\ud800","event_name":""}',
    {},
)
NAMES: Final[tuple[Any, ...]] = (..., None, 5, [], "", "unknown", "sénd")
METAS: Final[tuple[Any, ...]] = (..., None, 5, [], "", {}, {**META, "progressToken": 1})
VERSIONS: Final[tuple[Any, ...]] = (..., None, 5, LEGACY, "2099-01-01")
CLIENTS: Final[tuple[Any, ...]] = (..., None, 5, {}, {"name": 1})
CAPABILITIES: Final[tuple[Any, ...]] = (..., None, 5, {"sampling": 1})
LEVELS: Final[tuple[Any, ...]] = (None, 5, "debug")


class Applications:
    """The SDK's application, alone and behind the middleware, and the number of requests that reached it."""

    def __init__(self, client: TrackClient) -> None:
        settings = HttpSettings()
        security = transport_security("127.0.0.1", settings)
        server = create_mcp_server(ToolHandlers(client), caller_of=lambda _: Caller(request_id="same"))
        self.sessions = StreamableHTTPSessionManager(
            server, stateless=True, json_response=True, security_settings=security
        )
        self.requests = 0
        self._sdk = StreamableHTTPASGIApp(self.sessions)
        self._apps = [
            BodyLimitMiddleware(MessageFormatMiddleware(app), 10_000)
            for app in (self._sdk, ToolCallMiddleware(self._count, server, security))
        ]

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await self._sdk(scope, receive, send)

    async def responses(self, body: bytes, headers: list[tuple[str, str]]) -> list[tuple[int, object]]:
        """Return the status and the content of the responses of both."""
        found: list[tuple[int, object]] = []
        for app in self._apps:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
                request = httpx.Request("POST", "http://127.0.0.1:8000/mcp", content=body, headers=headers)
                response = await http.send(request)
                is_json = response.headers.get("content-type") == "application/json"
                found.append((response.status_code, response.json() if is_json else response.text))
        return found


@pytest.fixture
async def apps(client: TrackClient) -> AsyncIterator[Applications]:
    apps = Applications(client)
    async with apps.sessions.run():
        yield apps


def changed(**headers: str | None) -> list[tuple[str, str]]:
    """Return the headers of an ordinary call with some replaced, added, or left out."""
    given = ORDINARY | {name.replace("_", "-"): value for name, value in headers.items()}
    lower = {name.lower(): value for name, value in given.items()}
    return [(name, value) for name, value in lower.items() if value is not None]


def call_with(**params: object) -> bytes:
    """Return a call with some of its parameters replaced, or left out."""
    given = {"name": "send_event", "arguments": json.loads(INVALID_EVENT), "_meta": META} | params
    kept = {name: value for name, value in given.items() if value is not ...}
    return json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": kept}).encode()


def meta_with(**members: object) -> Mapping[str, Any]:
    given = META | {f"io.modelcontextprotocol/{name}": value for name, value in members.items()}
    return {name: value for name, value in given.items() if value is not ...}


def unusual_headers() -> Iterator[list[tuple[str, str]]]:
    names = ("mcp-protocol-version", "mcp-method", "mcp-name", "accept", "content-type", "host", "origin")
    values = (None, "", "x", "send_event", "tools/call", MODERN, LEGACY, "2099-01-01")
    for name in names:
        yield from (changed(**{name: value}) for value in values)
        yield [*changed(), (name, dict(changed()).get(name, "x"))]
        yield [*changed(), (name, "other")]
    accepted = (
        "*/*",
        "application/*",
        "application/json;q=0.5",
        "text/html, */*;q=0.1",
        "TEXT/HTML",
        "APPLICATION/JSON",
    )
    yield from (changed(accept=value) for value in accepted)
    yield from (
        changed(content_type=value) for value in ("application/json; charset=utf-8", "APPLICATION/JSON", "text/plain")
    )
    yield from (
        changed(mcp_name=value)
        for value in ("=?base64?c2VuZF9ldmVudA==?=", "=?base64?c2VuZF9ldmVudB==?=", " send_event")
    )
    yield from (changed(host=value) for value in ("localhost", "localhost:1", "evil.example", "127.0.0.1.evil.example"))
    yield from (changed(origin=value) for value in ("http://localhost:3000", "https://evil.example", "null"))
    yield changed(mcp_param_region="eu")


@pytest.mark.parametrize("headers", list(unusual_headers()))
async def test_any_headers_get_the_response_of_the_sdk(apps: Applications, headers: list[tuple[str, str]]) -> None:
    alone, behind = await apps.responses(raw_call(MODERN, INVALID_EVENT), headers)
    assert behind == alone


@pytest.mark.parametrize(
    "body",
    [
        *(call_with(name=value) for value in NAMES),
        *(call_with(arguments=value) for value in ARGUMENTS),
        *(call_with(_meta=value) for value in METAS),
        *(call_with(_meta=meta_with(protocolVersion=value)) for value in VERSIONS),
        *(call_with(_meta=meta_with(clientInfo=value)) for value in CLIENTS),
        *(call_with(_meta=meta_with(clientCapabilities=value)) for value in CAPABILITIES),
        *(call_with(_meta=meta_with(logLevel=value)) for value in LEVELS),
        *(call_with(**{name: 5}) for name in ("requestState", "inputResponses", "task", "surplus")),
        call_with(requestState="x"),
        raw_call(MODERN, INVALID_EVENT, request_id='"a \\"quoted\\" id, \\u00e9"'),
        raw_call(MODERN, INVALID_EVENT, request_id="-9007199254740993"),
        raw_call(MODERN, '{"customer_id":"é😀","event_name":""}'),
        raw_request(MODERN, "tools/list", "2"),
        raw_request(MODERN, "tools/unknown", "2"),
        raw_request(MODERN, "tools/call", None),
    ],
)
async def test_any_call_gets_the_response_of_the_sdk(apps: Applications, body: bytes) -> None:
    message = json.loads(body)
    name = message["params"].get("name")
    named = {"mcp_name": name} if isinstance(name, str) and name.isascii() else {}
    for headers in (changed(), changed(mcp_method=message["method"], **named)):
        alone, behind = await apps.responses(body, headers)
        assert behind == alone


async def test_an_ordinary_call_does_not_reach_the_sdk(apps: Applications) -> None:
    alone, behind = await apps.responses(raw_call(MODERN, INVALID_EVENT), changed())
    assert behind == alone
    assert behind[0] == 200
    assert apps.requests == 0


@pytest.mark.parametrize("tool", TOOLS)
def test_no_argument_has_a_header_which_nobody_would_compare_with_it(tool: str) -> None:
    assert X_MCP_HEADER_KEY not in json.dumps(TOOLS[tool].definition.input_schema)
