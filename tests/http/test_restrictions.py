"""What the operator allows each caller over HTTP: the restrictions of the server and those of the caller's token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AuthorizationServer, oauth_settings
from tests.support.http_service import OTHER_TOKEN, TOKEN, bearer, call, payload_in, running_service

SECOND_TOKEN = "ann-has-a-second-token-of-thirty-two-characters"
LINES = f"""\
ann {TOKEN} events:write events=purchase,Trial%20ended,page_*  # and a comment
ann {SECOND_TOKEN} events:write events=purchase tools=send_event,create_or_update_customer
bob {OTHER_TOKEN} tools=create_or_update_customer attributes=plan,created_at segments=7
"""
SETTINGS = {"events": "purchase, Trial ended, page_view, refund", "attributes": "plan,vip"}


@asynccontextmanager
async def connected(http: httpx.AsyncClient, token: str, mode: Any) -> AsyncIterator[Client]:
    """Connect the SDK's client with a token."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http_client,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=http_client), mode=mode) as client,
    ):
        yield client


async def error_of(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, {"customer_id": "1"} | arguments)
    return str(result.structured_content["error"] or "")


async def test_a_caller_may_do_what_both_the_server_and_their_token_allow(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_text(LINES, encoding="utf-8")
    async with running_service(sandbox.url, SETTINGS, tokens_file=file) as http:
        for mode in ("legacy", "auto"):
            async with connected(http, TOKEN, mode) as ann:
                (tool,) = (await ann.list_tools()).tools
                allowed = '"purchase", "Trial ended", "page_view"'
                assert (tool.description or "").endswith(f"the operator of this server allows: {allowed}.")
                for name in ("purchase", "Trial ended", "page_view"):
                    assert await error_of(ann, "send_event", event_name=name) == ""
                for name, source in (
                    ("refund", "events= in the entry of this caller's token."),
                    ("page_left", "CUSTOMERIO_EVENTS."),
                    ("nothing", "CUSTOMERIO_EVENTS and events= in the entry of this caller's token."),
                ):
                    error = await error_of(ann, "send_event", event_name=name)
                    assert f"allowed are {allowed}. " in error
                    assert error.endswith(f"Only the operator can allow more, with {source}")
                policy = (await ann.read_resource("customerio-track://policy")).contents[0]
                assert f"- Events that you may send: {allowed}.\n" in getattr(policy, "text", "")
            async with connected(http, SECOND_TOKEN, mode) as ann:
                assert [tool.name for tool in (await ann.list_tools()).tools] == ["send_event"]
                assert 'allowed are "purchase".' in await error_of(ann, "send_event", event_name="page_view")
                # Allowed by the operator, but without the scope; neither; and the scope would not help.
                assert "needs these scopes" in await error_of(ann, "create_or_update_customer")
                error = await error_of(ann, "add_customers_to_segment")
                assert "is not allowed by the operator of this server; this caller may use: send_event." in error
                assert "with tools= in the entry of this caller's token. Retrying will not help" in error
            async with connected(http, OTHER_TOKEN, mode) as bob:
                assert [tool.name for tool in (await bob.list_tools()).tools] == ["create_or_update_customer"]
                given = {"email": "a@example.com", "attributes": {"plan": "pro"}}
                assert await error_of(bob, "create_or_update_customer", **given) == ""
                for attributes in ({"vip": True}, {"created_at": 1767225600}):
                    error = await error_of(bob, "create_or_update_customer", **given | {"attributes": attributes})
                    assert 'besides email, allowed are "plan".' in error
        # A changed line takes effect with the next request; an invalid one makes its token invalid.
        file.write_text(f"ann {TOKEN} events=refund\nbob {OTHER_TOKEN} events=,\n", encoding="utf-8")
        payload = payload_in(
            await http.post("/mcp", json=call(customer_id="1", event_name="page_view"), headers=bearer(TOKEN))
        )
        assert 'allowed are "refund".' in payload["error"]
        assert (await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN))).status_code == 401
    assert [event.name for event in sandbox.workspace.events] == ["purchase", "Trial ended", "page_view"] * 2


async def test_a_caller_can_be_restricted_where_the_server_is_not(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN} events=purchase events=Signed%20up, bob {OTHER_TOKEN}"
    async with running_service(sandbox.url, tokens=tokens) as http:
        for token, name, succeeds in (
            (TOKEN, "Signed up", True),
            (TOKEN, "refund", False),
            (OTHER_TOKEN, "refund", True),
        ):
            response = await http.post("/mcp", json=call(customer_id="1", event_name=name), headers=bearer(token))
            assert payload_in(response)["success"] is succeeds
    assert [event.name for event in sandbox.workspace.events] == ["Signed up", "refund"]


async def test_a_jwt_cannot_widen_what_the_server_allows(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    claims: dict[str, Any] = {
        "tools": ["send_event"],
        "attributes": "*",
        "restrictions": {},
        "scope": "customers:write events:write segments:write events=*",
    }
    async with running_service(
        sandbox.url, {"events": "purchase", "tools": "send_event"}, **oauth_settings(issuer)
    ) as http:
        headers = bearer(issuer.token(**claims))
        errors = [
            payload_in(await http.post("/mcp", json=request, headers=headers))["error"]
            for request in (
                call(customer_id="1", event_name="purchase"),
                call(customer_id="1", event_name="refund"),
                call("create_or_update_customer", customer_id="1", email="ann@example.com"),
            )
        ]
    assert errors[0] is None
    assert errors[1].endswith(
        'allowed are "purchase". Call again with an allowed name only if it means the same; '
        "otherwise ask the user. Only the operator can allow more, with CUSTOMERIO_EVENTS."
    )
    assert "with CUSTOMERIO_TOOLS." in errors[2]


async def test_what_a_caller_may_not_use_is_not_named_to_them(sandbox: RunningSandbox) -> None:
    tokens = f"ann {TOKEN} tools=send_event"
    async with running_service(sandbox.url, tokens=tokens) as http, connected(http, TOKEN, "legacy") as ann:
        with pytest.raises(MCPError, match=r"^Unknown tool: send_events; the tools are send_event$"):
            await ann.call_tool("send_events", {})
        with pytest.raises(MCPError, match=r"^Unknown prompt: fill; the prompts are record_events$"):
            await ann.get_prompt("fill", {})
