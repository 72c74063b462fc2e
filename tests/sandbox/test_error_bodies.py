"""The texts that clients of the Track API receive do not contain the sandbox's key, which they would redact."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp import sandbox as package
from customerio_track_mcp.sandbox import SANDBOX_API_KEY, RunningSandbox, connections, run_sandbox, server
from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.bounds import MAX_BODY_BYTES
from customerio_track_mcp.sandbox.people import People
from tests.support.raw_clients import AUTHORIZATION, send

EVENTS = "/api/v1/customers/1/events"
PUT = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION


def check(response: httpx.Response, status: int) -> None:
    assert response.status_code == status
    assert SANDBOX_API_KEY not in response.text.lower()
    assert response.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("PUT", "/api/v1/customers/1", b"{}", 200),
        ("PUT", "/api/v1/customers/1", b"{", 400),
        ("PUT", "/api/v1/customers/1", b" " * (MAX_BODY_BYTES + 1), 413),
        ("POST", EVENTS, b"{}", 400),
        ("POST", EVENTS, b'{"name": "a", "data": []}', 400),
        ("POST", EVENTS, b'{"name": "a", "timestamp": -1}', 400),
        ("POST", "/api/v1/segments/99/add_customers", b"{}", 404),
        ("POST", "/api/v1/segments/3/add_customers", b"{}", 400),
        ("POST", "/api/v1/segments/1/add_customers", b"{}", 400),
        ("POST", "/api/v1/segments/1/add_customers?id_type=x", b'{"ids": ["1"]}', 400),
        ("DELETE", "/api/v1/customers/1", b"", 405),
        ("GET", "/api/v1/nothing", b"", 404),
        ("GET", "/api/", b"", 404),
        ("GET", "/api/v1/accounts/region", b"", 200),
    ],
)
async def test_responses_of_the_track_api(
    http: httpx.AsyncClient, method: str, path: str, content: bytes, status: int
) -> None:
    check(await http.request(method, path, content=content), status)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 599])
async def test_injected_status_says_so(http: httpx.AsyncClient, status: int) -> None:
    await http.post("/_sandbox/faults", json={"kind": "status", "status": status})
    response = await http.put("/api/v1/customers/1", json={})
    check(response, status)
    assert response.json() == {"meta": {"error": f"injected fault: {status}"}}


async def test_unauthorized_request(http: httpx.AsyncClient) -> None:
    http.auth = ("sandbox", "wrong")
    check(await http.put("/api/v1/customers/1", json={}), 401)


async def test_requests_of_other_sites(http: httpx.AsyncClient) -> None:
    for headers in ({"Origin": "https://example.com"}, {"Host": "example.com"}):
        check(await http.put("/api/v1/customers/1", json={}, headers=headers), 403)


@pytest.mark.parametrize("identifier", ["new", "new/events"])
async def test_full_workspace(http: httpx.AsyncClient, sandbox: RunningSandbox, identifier: str) -> None:
    sandbox.workspace.people = People(max_people=0)
    response = await http.request(
        "POST" if "events" in identifier else "PUT", f"/api/v1/customers/{identifier}", json={"name": "bought"}
    )
    check(response, 400)
    assert "the workspace is full" in response.text


async def test_internal_error(
    http: httpx.AsyncClient, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("sandbox")

    monkeypatch.setattr(sandbox.workspace, "identify", fail)
    check(await http.put("/api/v1/customers/1", json={}), 500)


async def test_late_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BodyReader", partial(BodyReader, seconds=0.1))
    async with run_sandbox() as sandbox:
        received = await send(sandbox.url, PUT + b"Content-Length: 10\r\n\r\n{")
    assert received.startswith(b"HTTP/1.1 408 ")
    assert SANDBOX_API_KEY.encode() not in received.lower()


async def test_connection_over_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 0)
    async with run_sandbox() as sandbox:
        received = await send(sandbox.url, PUT + b"Content-Length: 2\r\n\r\n{}")
    assert received.startswith(b"HTTP/1.1 503 ")
    assert SANDBOX_API_KEY.encode() not in received.lower()


def raised_texts(path: Path) -> Iterator[str]:
    """Yield the literal texts that a module raises or passes to an error response."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        if isinstance(node, ast.Raise) or name in ("error_response", "errors_response"):
            for part in (inner for argument in call.args for inner in ast.walk(argument)):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_no_module_of_the_track_api_raises_a_text_with_the_key() -> None:
    """The tests above run into each text once; this finds one that was added since."""
    folder = Path(package.__file__).parent
    modules = ("track_api", "state", "people", "event_ids", "drop_rules", "bodies", "json_values", "error_bodies")
    texts = [text for name in modules for text in raised_texts(folder / f"{name}.py")]
    assert len(texts) > 20
    assert [text for text in texts if SANDBOX_API_KEY in text.lower()] == []
