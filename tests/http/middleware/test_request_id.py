"""The id of a request, and what happens to an exception."""

from __future__ import annotations

import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from customerio_track_mcp.http.middleware.request_id import RequestIdMiddleware

SECRET = "ann@example.com"


async def failing_app(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise RuntimeError(SECRET)


async def test_exception_becomes_an_internal_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    refused: list[int] = []
    app = RequestIdMiddleware(failing_app, refused.append, traced=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    with caplog.at_level(logging.INFO, logger="customerio_track_mcp"):
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            response = await http.post("/mcp", headers={"X-Request-Id": "request-7"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "request-7")
    assert response.json()["error"]["code"] == -32603
    assert response.json()["error"]["message"].startswith("Internal error: this is a bug in the server.")
    assert refused == [500]
    (bug, refusal) = [vars(record) for record in caplog.records]
    assert (bug["msg"], bug["error"], bug["request_id"]) == ("bug in the service", "RuntimeError", "request-7")
    assert (refusal["msg"], refusal["status"]) == ("request refused", 500)
    assert SECRET not in response.text + bug["frames"] + caplog.text
