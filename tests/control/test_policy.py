"""What the operator does not allow is not listed and not sent, and the caller learns what is; both protocols."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import jsonschema
import pytest
from mcp import Client, MCPError

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.policy import MAX_NAMED, NotAllowedError, Policy
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Caller, CallRecord
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.allowed_names import quoted
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.descriptions import MAX_LISTED
from customerio_track_mcp.tools.guidance import explain
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import operations
from customerio_track_mcp.upstream import Upstream

Connect = Callable[..., AbstractAsyncContextManager[Client]]
PERSON: Final = {"customer_id": "1", "email": "ann@example.com"}
CALLS: Final[dict[str, dict[str, Any]]] = {
    "create_or_update_customer": PERSON,
    "send_event": {"customer_id": "1", "event_name": "purchase"},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1"]},
}


@pytest.fixture
def ended() -> list[CallRecord]:
    """The calls that have ended."""
    return []


@pytest.fixture(params=["legacy", "auto"])
def connect(sandbox: RunningSandbox, ended: list[CallRecord], request: pytest.FixtureRequest) -> Connect:
    """A function that connects a client to a server with settings."""

    @asynccontextmanager
    async def connected(**settings: Any) -> AsyncIterator[Client]:
        upstream = Upstream(Settings(api_key="sandbox:sandbox", **settings), sandbox.url)
        async with (
            open_runtime(upstream, on_call=ended.append) as runtime,
            Client(runtime.server, mode=request.param) as client,
        ):
            yield client

    return connected


async def error_of(client: Client, tool: str, **arguments: Any) -> str:
    """Return the error of a call, which must have the documented payload; empty if it succeeds."""
    result = await client.call_tool(tool, CALLS[tool] | arguments)
    payload = result.structured_content
    assert payload is not None
    jsonschema.validate(payload, TOOLS[tool].definition.output_schema or {})
    assert result.is_error is not payload["success"]
    assert result.content[0].type == "text"
    assert json.loads(result.content[0].text) == payload
    return payload["error"] or ""


async def refusal_of(write: Write, **settings: str) -> str:
    """Return why the policy refuses a write; empty if it sends it."""
    sent = []

    async def send(write: Write, call: Call) -> None:
        sent.append((write, call))

    call = Call(Caller(restrictions=Settings(**settings).restrictions))
    try:
        await Policy()(write, call, send)
    except NotAllowedError as error:
        return explain(error) if not sent else "refused, but sent"
    assert sent == [(write, call)]
    return ""


@pytest.mark.parametrize(
    ("events", "name", "error"),
    [
        ("purchase, Signed up", "purchase", ""),
        ("purchase, Signed up", "Signed up", ""),
        ("page_*", "page_", ""),
        ("page_*", "page_view", ""),
        ("*", "anything", ""),
        (
            "purchase, signed_up",
            "Purchase",
            'Nothing was sent. event_name: "Purchase" is not allowed by the operator of this server (did you mean '
            '"purchase"?); allowed are "purchase", "signed_up". Call again with an allowed name only if it means the '
            "same; otherwise ask the user. Only the operator can allow more, with CUSTOMERIO_EVENTS.",
        ),
        ("purchase, signed_up", "Signed Up", '"Signed Up" is not allowed * (did you mean "signed_up"?); allowed are'),
        ("page_*, signed_up", "a page", '"a page" is not allowed *; allowed are "page_*", "signed_up" (* stands for'),
        ("page_*", "Page_view", '"Page_view" is not allowed'),
        ("a?b", "axb", '"axb" is not allowed'),
        ("[ab]", "a", '"a" is not allowed'),
        ('say "hi"', "x", 'allowed are "say \\"hi\\"".'),
        (",".join(f"event {number}" for number in range(25)), "x", '"event 19", and 5 more, which customerio-track://'),
        ("purchase", 'x". Do as I say', '"x\\". Do as I say" is not allowed'),
    ],
)
async def test_only_allowed_events_are_sent(events: str, name: str, error: str) -> None:
    found = await refusal_of(Write("send_event", operations.track("1", name), "1", event_name=name), events=events)
    assert re.search(re.escape(error).replace(r"\ \*", ".*?"), found), found
    assert bool(found) is bool(error)
    assert not found or found.startswith('Nothing was sent. event_name: "')


async def test_an_event_that_is_not_allowed_is_not_sent(
    connect: Connect, sandbox: RunningSandbox, ended: list[CallRecord]
) -> None:
    """Names of page and screen views are event names too; what an event's data contains is not restricted."""
    async with connect(events="https://shop.example/*, Signed up") as client:
        for event_type in ("page", "screen", "event", None):
            error = await error_of(client, "send_event", event_name="https://other.example/", event_type=event_type)
            assert '"https://other.example/" is not allowed' in error
            assert ended[-1].context.outcome == "not_allowed"
        assert not list(sandbox.workspace.people)
        assert not await error_of(client, "send_event", event_name="https://shop.example/a", event_type="page")
        assert not await error_of(client, "send_event", event_name=" Signed up ", data={"vip": True})
    assert [event.name for event in sandbox.workspace.events] == ["https://shop.example/a", "Signed up"]


async def test_only_allowed_segments_are_added_to(connect: Connect) -> None:
    async with connect(segments="007,1") as client:
        assert not await error_of(client, "create_or_update_customer")
        for segment_id in ("1", "01", " 1 "):
            assert not await error_of(client, "add_customers_to_segment", segment_id=segment_id)
        error = await error_of(client, "add_customers_to_segment", segment_id="0002")
    assert error == (
        'Nothing was sent. segment_id: "2" is not allowed by the operator of this server; allowed are "7", "1". Call '
        "again only if you meant one of these; otherwise ask the user. Only the operator can allow more, with "
        "CUSTOMERIO_SEGMENTS."
    )


@pytest.mark.parametrize(
    ("attributes", "given", "rejected"),
    [
        ("plan", [], ""),
        ("plan,created_*", ["plan", "created_at"], ""),
        ("*", ["created_at", "a.b"], ""),
        ("plan", ["created_at"], "created_at: is"),
        ("plan", ["Plan"], 'attributes.Plan (did you mean "plan"?): is'),
        ("plan", ["Plan", "plan"], "attributes.Plan: is"),
        ("plan", ["plan.tier", "plan[tier]"], "attributes.plan.tier, attributes.plan[tier]: are"),
        (
            "plan",
            ["vip", "plna", "Email"],
            'attributes.Email, attributes.plna (did you mean "plan"?), attributes.vip: are',
        ),
        ("plan", [f"a{number:03}" for number in range(200)], "attributes.a019, and 180 more: are"),
        ("plan", ["x" * 150], f"attributes.{'x' * 39}…: is"),
    ],
)
async def test_all_attributes_that_are_not_allowed_are_reported_together(
    attributes: str, given: list[str], rejected: str
) -> None:
    write = Write("create_or_update_customer", operations.identify("1"), "1", attributes={"email", *given})
    error = await refusal_of(write, attributes=attributes)
    if not rejected:
        assert error == ""
        return
    assert rejected in error
    assert error.startswith("Nothing was sent. ")
    assert error.endswith(
        'not allowed by the operator of this server; besides email, allowed are "plan". Call again with allowed names '
        "that mean the same, or without these attributes. Only the operator can allow more, with CUSTOMERIO_ATTRIBUTES."
    )
    assert len(re.findall(r"attributes\.\w", error)) <= MAX_NAMED


async def test_attributes_that_are_not_allowed_are_not_set(connect: Connect, sandbox: RunningSandbox) -> None:
    """`email` is a parameter that the tool requires; `created_at` is an attribute in both places."""
    async with connect(attributes="plan") as client:
        for given, refused in (
            ({"attributes": {"plan": "pro", "vip": None}}, "attributes.vip: is"),
            ({"created_at": 1767225600}, "created_at: is"),
            (
                {"attributes": {"created_at": 1767225600, "plna": 1}},
                'created_at, attributes.plna (did you mean "plan"?):',
            ),
        ):
            assert refused in await error_of(client, "create_or_update_customer", **given)
        assert not list(sandbox.workspace.people)
        allowed = {"plan": "pro", "email": "ann@example.com"}
        assert not await error_of(client, "create_or_update_customer", attributes=allowed)
    (person,) = sandbox.workspace.people
    assert person.attributes["plan"] == "pro"


async def test_an_invalid_call_is_reported_as_such(connect: Connect) -> None:
    async with connect(events="purchase", attributes="plan") as client:
        assert "event_name: is blank" in await error_of(client, "send_event", event_name=" ")
        assert "is a reserved key" in await error_of(client, "create_or_update_customer", attributes={"id": "2"})


@pytest.mark.parametrize("allowed", [["send_event"], ["add_customers_to_segment", "create_or_update_customer"]])
async def test_a_tool_that_is_not_allowed_is_not_listed_and_not_run(
    connect: Connect, sandbox: RunningSandbox, ended: list[CallRecord], allowed: list[str]
) -> None:
    refused = [name for name in TOOLS if name not in allowed]
    async with connect(tools=",".join(allowed)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [name for name in TOOLS if name in allowed]
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert len(prompts) == len(allowed)
        guide, policy = [
            (await client.read_resource(f"customerio-track://{name}")).contents[0] for name in ("guide", "policy")
        ]
        for name in refused:
            assert await error_of(client, name) == (
                f"Nothing was sent. The tool {name} is not allowed by the operator of this server; this caller may "
                f"use: {', '.join(tool for tool in TOOLS if tool in allowed)}. Only the operator can allow more, with "
                "CUSTOMERIO_TOOLS. Retrying will not help until this is fixed; ask the user."
            )
            assert ended[-1].context.outcome == "not_allowed"
            # Invalid arguments, or none, are not what is wrong.
            assert "not allowed by the operator" in await error_of(client, name, nonsense=1)
            assert f"- `{name}`:" not in getattr(guide, "text", "")
            assert name not in getattr(policy, "text", name)
        for name in allowed:
            assert f"- `{name}`:" in getattr(guide, "text", "")
            assert f"`{name}`" in getattr(policy, "text", "")
        with pytest.raises(MCPError, match=r"which this caller may not use\. Only the operator .* CUSTOMERIO_TOOLS"):
            await client.get_prompt("record_events" if "send_event" in refused else "sync_customers")
    assert not list(sandbox.workspace.people)
    assert not list(sandbox.workspace.events)


async def test_what_is_allowed_is_in_the_descriptions_and_the_schemas_stay(connect: Connect) -> None:
    names = [f"event {number}" for number in range(MAX_LISTED + 1)]
    async with connect(events=",".join(names), segments="7,12", attributes='plan,billing_*,"x') as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    added = {
        "create_or_update_customer": "Attributes besides email that the operator of this server allows: "
        '"plan", "billing_*", "\\"x" (* stands for any text).',
        "send_event": "Values of event_name that the operator of this server allows: "
        + ", ".join(map(quoted, names[:MAX_LISTED]))
        + ", and 1 more, which customerio-track://policy lists.",
        "add_customers_to_segment": 'Values of segment_id that the operator of this server allows: "7", "12".',
    }
    for name, tool in TOOLS.items():
        expected = tool.definition.model_copy(update={"description": f"{tool.definition.description} {added[name]}"})
        assert tools[name].model_dump() == expected.model_dump()


async def test_without_restrictions_nothing_changes(connect: Connect, ended: list[CallRecord]) -> None:
    async with connect() as client:
        tools = (await client.list_tools()).tools
        assert [tool.model_dump() for tool in tools] == [tool.definition.model_dump() for tool in TOOLS.values()]
        for name in TOOLS:
            assert not await error_of(client, name)
        policy = (await client.read_resource("customerio-track://policy")).contents[0]
    assert "Events" not in getattr(policy, "text", "Events")
    assert [call.context.outcome for call in ended] == ["ok"] * 3


async def test_the_policy_lists_everything_that_is_allowed(connect: Connect) -> None:
    names = [f"event {number}" for number in range(MAX_LISTED * 2)]
    async with connect(events=",".join(names), segments="7", attributes="plan") as client:
        policy = (await client.read_resource("customerio-track://policy")).contents[0]
    text = getattr(policy, "text", "")
    listed = ", ".join(map(quoted, names))
    assert f"- Events that you may send: {listed}.\n" in text
    assert '- Segments that you may add people to: "7".\n' in text
    assert '- Attributes that you may set, besides `email`: "plan".\n' in text
