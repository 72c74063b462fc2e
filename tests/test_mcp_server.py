"""Results, protocol errors and log lines, through the SDK's own client."""

import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
from mcp import Client, MCPError
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.methods import serialize_server_result

from customerio_track_mcp import __version__
from customerio_track_mcp.instrumentation.logs import call_log
from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.prompts.registry import PROMPTS
from customerio_track_mcp.resources.handlers import GUIDE_URI
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient
from customerio_track_mcp.upstream import Destination


@pytest.fixture(params=["legacy", "auto"])
async def mcp_client(client: TrackClient, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with Client(create_mcp_server(ToolHandlers(client)), mode=request.param) as connected:
        yield connected


async def test_server_info_and_instructions(mcp_client: Client) -> None:
    info = mcp_client.server_info
    assert info is not None
    assert (info.name, info.version) == ("customerio-track-mcp", __version__)
    assert mcp_client.instructions is not None
    assert "An event can start a campaign that emails a real person" in mcp_client.instructions
    assert len(mcp_client.instructions.splitlines()) <= 5


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("destination", "title", "line"),
    [
        (Destination.WORKSPACE, "Customer.io Track API", "write to a live workspace"),
        (Destination.SANDBOX, "Customer.io Track API (sandbox)", "write to a sandbox"),
        (Destination.NOWHERE, "Customer.io Track API (dry run)", "neither write to a workspace nor read from it"),
    ],
)
async def test_where_calls_go_is_in_title_instructions_and_prompts(
    client: TrackClient, mode: str, destination: Destination, title: str, line: str
) -> None:
    server = create_mcp_server(ToolHandlers(client), destination=destination)
    async with Client(server, mode=mode) as mcp_client:
        assert mcp_client.server_info is not None
        assert mcp_client.server_info.title == title
        instructions = mcp_client.instructions or ""
        (message,) = (await mcp_client.get_prompt("record_events", {"events": "orders.csv"})).messages
        stamp = ((await mcp_client.list_tools()).meta or {}).get("io.modelcontextprotocol/serverInfo", {"title": title})
    assert line in instructions
    is_live = destination is Destination.WORKSPACE
    assert ("live workspace" in instructions) is is_live
    assert ("nobody is emailed" in instructions) is not is_live
    assert message.content.type == "text"
    assert ("can start campaigns that email real people" in message.content.text) is is_live
    assert stamp["title"] == title


async def test_lists_of_everything_are_advertised_without_subscriptions(mcp_client: Client) -> None:
    capabilities = mcp_client.server_capabilities
    assert capabilities is not None
    assert capabilities.tools is not None
    assert capabilities.prompts is not None
    assert capabilities.resources is not None
    assert not capabilities.resources.subscribe
    assert [tool.name for tool in (await mcp_client.list_tools()).tools] == list(TOOLS)
    assert [prompt.name for prompt in (await mcp_client.list_prompts()).prompts] == list(PROMPTS)
    assert [resource.name for resource in (await mcp_client.list_resources()).resources] == ["guide"]
    assert (await mcp_client.list_resource_templates()).resource_templates == []


@pytest.mark.parametrize("kind", ["tools", "prompts", "resources", "resource_templates"])
async def test_a_list_has_one_page(mcp_client: Client, kind: str) -> None:
    list_page = getattr(mcp_client, f"list_{kind}")
    for first in (None, ""):
        assert (await list_page(cursor=first)).next_cursor is None
    with pytest.raises(MCPError, match="Invalid cursor: the list has one page") as error:
        await list_page(cursor="2")
    assert error.value.error.code == -32602


async def test_everything_listed_has_a_title(mcp_client: Client) -> None:
    prompts = (await mcp_client.list_prompts()).prompts
    listed: list[Any] = [
        *(await mcp_client.list_tools()).tools,
        *prompts,
        *(argument for prompt in prompts for argument in prompt.arguments or ()),
        *(await mcp_client.list_resources()).resources,
    ]
    assert [item.name for item in listed if not item.title or not item.description] == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_results_are_as_the_sdk_would_serialize_them(client: TrackClient, mode: str) -> None:
    """The SDK sends the result of a tool call as it is, so it must be complete."""
    server = create_mcp_server(ToolHandlers(client))
    sent: list[tuple[str, Any]] = []

    async def record(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method == "tools/call":
            sent.append((ctx.protocol_version, result))
        return result

    server.middleware.insert(0, record)
    async with Client(server, mode=mode) as mcp_client:
        await mcp_client.call_tool("send_event", {"customer_id": "Zoë", "event_name": '"a" \\ </b>'})
        await mcp_client.call_tool("send_event", {})
    assert [result["isError"] for _, result in sent] == [False, True]
    for version, result in sent:
        assert serialize_server_result("tools/call", version, result) == result
        assert (
            result["content"][0]["text"] == TOOLS["send_event"].output(**result["structuredContent"]).model_dump_json()
        )
        is_modern = version != "2025-11-25"
        assert is_modern is (mode == "auto")
        assert (SERVER_INFO_META_KEY in result["_meta"]) is is_modern
        assert ("resultType" in result) is is_modern


async def test_the_icon_is_sent_once_and_not_with_each_result(client: TrackClient) -> None:
    async with Client(create_mcp_server(ToolHandlers(client)), mode="auto") as mcp_client:
        assert mcp_client.server_info is not None
        assert mcp_client.server_info.icons
        result = await mcp_client.call_tool("send_event", {})
    assert result.meta is not None
    info = {"name": "customerio-track-mcp", "title": "Customer.io Track API", "version": __version__}
    assert result.meta["io.modelcontextprotocol/serverInfo"] == info


@pytest.mark.parametrize(
    ("authenticates", "scope", "list_ttl_ms"), [(False, "public", 3_600_000), (True, "private", 60_000)]
)
async def test_results_say_for_how_long_and_for_whom_they_may_be_kept(
    client: TrackClient, authenticates: bool, scope: str, list_ttl_ms: int
) -> None:
    server = create_mcp_server(ToolHandlers(client), authenticates=authenticates)
    async with Client(server, mode="auto") as mcp_client:
        lists: list[Any] = [
            await mcp_client.list_tools(),
            await mcp_client.list_prompts(),
            await mcp_client.list_resources(),
            await mcp_client.list_resource_templates(),
        ]
        read = await mcp_client.read_resource(GUIDE_URI)
        discovered = await mcp_client.session.discover()
    # Which tools and prompts there are depends on the settings, whether or not callers authenticate.
    assert [result.ttl_ms for result in lists] == [60_000, 60_000, list_ttl_ms, list_ttl_ms]
    assert [result.cache_scope for result in lists] == [scope] * 4
    assert (read.ttl_ms, read.cache_scope) == (60_000, scope)
    assert (discovered.ttl_ms, discovered.cache_scope) == (60_000, scope)


@pytest.mark.parametrize(
    ("tool", "arguments", "succeeds"),
    [
        ("create_or_update_customer", {"customer_id": "1", "email": "ann@example.com"}, True),
        ("create_or_update_customer", {"customer_id": "1"}, False),
        ("send_event", {"customer_id": "1", "event_name": "bought"}, True),
        ("send_event", {}, False),
        ("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["1"]}, True),
        ("add_customers_to_segment", {"segment_id": "3", "customer_ids": ["1"]}, False),
    ],
)
async def test_every_outcome_is_a_conforming_payload_with_the_same_json_as_text(
    mcp_client: Client, tool: str, arguments: dict[str, Any], succeeds: bool
) -> None:
    result = await mcp_client.call_tool(tool, arguments)
    assert result.is_error is not succeeds
    payload = result.structured_content
    assert payload is not None
    assert payload["success"] is succeeds
    assert bool(payload["error"]) is not succeeds
    (text,) = result.content
    assert text.type == "text"
    assert json.loads(text.text) == payload
    schemas = {listed.name: listed.output_schema for listed in (await mcp_client.list_tools()).tools}
    jsonschema.validate(payload, schemas[tool] or {})


async def test_call_without_arguments_has_a_result(mcp_client: Client) -> None:
    result = await mcp_client.call_tool("send_event")
    assert result.is_error
    assert "customer_id: is required" in result.structured_content["error"]


@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage"])
@pytest.mark.parametrize("value", [None, True, 1, 1.5, "", "00-x", "\u0000", [], ["x"], {}, {"x": 1}, "x" * 9000])
async def test_trace_context_of_any_form_does_not_affect_a_call(mcp_client: Client, name: str, value: object) -> None:
    arguments = {"customer_id": "1", "event_name": "bought"}
    result = await mcp_client.call_tool("send_event", arguments, meta={name: value})  # type: ignore[arg-type]
    assert result.is_error is False


async def test_unknown_tool_is_a_protocol_error(mcp_client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await mcp_client.call_tool("delete_everything", {})
    assert caught.value.error.code == -32602
    assert "delete_everything" in caught.value.error.message


async def test_bug_is_reported_and_logged_without_personal_data(
    client: TrackClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    email = "ann@example.com"

    def broken(*_: object) -> None:
        raise KeyError(email)

    monkeypatch.setattr("customerio_track_mcp.tools.handlers.reserved_key_problems", broken)
    with caplog.at_level(logging.DEBUG, logger="customerio_track_mcp"):
        async with Client(create_mcp_server(ToolHandlers(client))) as connected:
            result = await connected.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
    assert result.is_error
    assert "Internal error (KeyError): this is a bug in the server" in result.structured_content["error"]
    assert email not in result.structured_content["error"] + caplog.text
    (record,) = [record for record in caplog.records if record.name.startswith("customerio_track_mcp")]
    assert (record.getMessage(), vars(record)["error"]) == ("bug in a tool", "KeyError")
    assert "reserved_key_problems" in vars(record)["frames"]
    assert email not in vars(record)["frames"]


async def test_each_call_is_logged_on_one_line_without_personal_data(
    client: TrackClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="customerio_track_mcp"):
        async with Client(create_mcp_server(ToolHandlers(client), on_call=call_log(b"key"))) as connected:
            await connected.call_tool("create_or_update_customer", {"customer_id": "ann-1", "email": "ann@example.com"})
            await connected.call_tool("send_event", {"customer_id": "ann-1"})
            await connected.call_tool("add_customers_to_segment", {"segment_id": "1", "customer_ids": ["ann-1", "2"]})
    records = [vars(record) for record in caplog.records if record.name.startswith("customerio_track_mcp")]
    fields = [
        {name: record.get(name) for name in ("tool", "outcome", "attempts", "person", "people")} for record in records
    ]
    ann = hmac.new(b"key", b"ann-1", hashlib.sha256).hexdigest()[:16]
    assert fields == [
        {"tool": "create_or_update_customer", "outcome": "ok", "attempts": 1, "person": ann, "people": None},
        {"tool": "send_event", "outcome": "invalid_arguments", "attempts": 0, "person": None, "people": None},
        {"tool": "add_customers_to_segment", "outcome": "ok", "attempts": 1, "person": None, "people": 2},
    ]
    assert all(record["ms"] > 0 for record in records)
    assert "ann-1" not in str(records)
