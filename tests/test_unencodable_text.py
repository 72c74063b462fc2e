"""No text that the server returns contains what cannot be encoded or printed, whatever it repeats."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from mcp import Client, MCPError

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentOutput,
    CreateOrUpdateCustomerOutput,
    SendEventInput,
    SendEventOutput,
)
from customerio_track_mcp.track import Credentials, InvalidArgumentsError, Problem, RetryPolicy, TrackClient
from tests.support.scripted_server import ScriptedServer, respond

UNPRINTABLE = ["\ud800", "\udfff", "\u202e", "\x00", "\n", "\x1b[31m", "\u200b", "\ufeff", "\U000e0001"]


@pytest.mark.parametrize("char", UNPRINTABLE)
def test_problem_shows_a_replacement_for_each_unprintable_character(char: str) -> None:
    problem = Problem(f"attributes.{char}", f"is {char}; pass text")
    shown = "\N{REPLACEMENT CHARACTER}" + char[1:]
    assert (problem.parameter, problem.text) == (f"attributes.{shown}", f"is {shown}; pass text")
    str(InvalidArgumentsError([problem])).encode()


def test_problem_keeps_what_can_be_printed() -> None:
    problem = Problem("attributes.Größe 漢字", "is 👩🏽; pass “text”")
    assert str(problem) == "attributes.Größe 漢字: is 👩🏽; pass “text”"


@pytest.mark.parametrize("char", UNPRINTABLE)
@pytest.mark.parametrize("other", [{}, {"customer_id": "1"}, {"customer_id": [], "event_name": 5.5}, {"data": "{"}])
def test_name_of_an_unknown_argument_is_reported_with_all_other_problems(char: str, other: dict[str, object]) -> None:
    _, without = parse_arguments(SendEventInput, other)
    _, problems = parse_arguments(SendEventInput, {f"customer_id{char}": 1} | other)
    assert problems[: len(without)] == without
    (unknown,) = problems[len(without) :]
    assert unknown.parameter.startswith("customer_id\N{REPLACEMENT CHARACTER}")
    assert "is not a parameter of this tool" in unknown.text
    str(unknown).encode()


@pytest.mark.parametrize("tool", ["create_or_update_customer", "send_event", "add_customers_to_segment"])
@pytest.mark.parametrize("name", ["\ud800", "x\ud800", "\ud83d" * 200, "data\udc00"])
@pytest.mark.parametrize(
    "others", [{}, {"customer_id": "1", "event_name": "x", "email": "a@b.example"}, {"segment_id": []}]
)
async def test_name_with_a_lone_surrogate_is_not_an_internal_error(
    client: TrackClient, tool: str, name: str, others: dict[str, object]
) -> None:
    output = await getattr(ToolHandlers(client), tool)({name: 1} | others)
    assert output.error.startswith("Nothing was sent. ")
    assert "is not a parameter of this tool" in output.error
    output.model_dump_json()


def test_every_text_of_an_output_can_be_encoded() -> None:
    for output in (
        SendEventOutput(success=False, error="a\ud800", message="\udc00b", customer_id="\ud800", event_name="c\udfff"),
        CreateOrUpdateCustomerOutput(
            success=True, error="\ud800", message="\ud800", customer_id="\ud800", email="\ud800"
        ),
        AddCustomersToSegmentOutput(
            success=True, error="\ud800", message="\ud800", segment_id="\ud800", id_type="\ud800"
        ),
    ):
        payload = output.model_dump(mode="json")
        assert json.loads(output.model_dump_json()) == payload
        texts = [value for value in payload.values() if isinstance(value, str)]
        assert len(texts) == 4
        assert all("\N{REPLACEMENT CHARACTER}" in text for text in texts)


def test_texts_of_an_output_are_otherwise_kept() -> None:
    assert SendEventOutput(success=True, customer_id="a\u200d\u202e\n漢👩🏽").customer_id == "a\u200d\u202e\n漢👩🏽"


@pytest.mark.parametrize("name", ["\u202egnp.exe", "a\nb\x00", "x" * 5000, "\x1b[31m"])
async def test_name_of_an_unknown_tool_is_shown_printable_and_short(client: TrackClient, name: str) -> None:
    async with Client(create_mcp_server(ToolHandlers(client))) as mcp_client:
        with pytest.raises(MCPError) as caught:
            await mcp_client.call_tool(name, {})
    message = caught.value.error.message
    assert message.startswith("Unknown tool: ")
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize(
    "body",
    [
        '{"meta":{"errors":["\\ud800 is not valid"]}}',
        '{"meta":{"error":"\\u202e\\u0000\\udfff"}}',
        '{"meta":{"errors":[{"\\ud800":"\\ud800"}]}}',
        '{"meta":{"error":{"\\udc00":1}}}',
    ],
)
async def test_the_track_apis_text_is_shown_printable(scripted: ScriptedServer, body: str) -> None:
    scripted.acts = [respond(400, body)]
    async with TrackClient(Credentials("site", "key"), scripted.url) as client:
        output: Any = await ToolHandlers(client).send_event({"customer_id": "1", "event_name": "bought"})
    assert "(400; Customer.io responded: " in output.error
    assert output.error.isprintable()
    output.model_dump_json()


async def test_text_of_a_transport_error_is_shown_printable() -> None:
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("\ud800\u202e\x00", request=request)

    async with TrackClient(
        Credentials("site", "key"), transport=Broken(), retry_policy=RetryPolicy(max_attempts=1)
    ) as client:
        output = await ToolHandlers(client).send_event({"customer_id": "1", "event_name": "bought"})
    assert output.error is not None
    assert output.error.isprintable()
