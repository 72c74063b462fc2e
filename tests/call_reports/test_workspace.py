"""A server whose calls go to a workspace reports none, and adds nothing to its requests."""

from __future__ import annotations

import pytest

from customerio_track_mcp.call_reports.correlation import CALL_HEADER
from tests.support.reporting import EVENT, as_sandbox, reporting
from tests.support.scripted_server import ScriptedServer, respond


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_workspace_gets_neither_reports_nor_the_name_of_a_call(scripted: ScriptedServer, mode: str) -> None:
    scripted.acts = [respond(503, "{}")]
    scripted.otherwise = as_sandbox(scripted)  # even if it would accept reports
    async with reporting(scripted.url, mode=mode, is_sandbox=False) as client:
        await client.call_tool("send_event", dict(EVENT))
        await client.call_tool("send_event", {"customer_id": "1"})
    assert [request.target for request in scripted.requests] == ["/api/v1/customers/1/events"] * 2
    for request in scripted.requests:
        assert CALL_HEADER.lower() not in request.headers
        assert set(request.headers) == {
            *("host", "user-agent", "accept", "accept-encoding", "authorization", "content-type", "content-length")
        }
