"""Arguments that are not parameters: ignored if a host adds them, otherwise rejected with a suggestion."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    CreateOrUpdateCustomerInput,
    SendEventInput,
    ToolInput,
)
from customerio_track_mcp.track import TrackClient

BLANKS: list[Any] = ["", " ", "\n", "null", {}, []]
CALLS: dict[type[ToolInput], dict[str, Any]] = {
    CreateOrUpdateCustomerInput: {"customer_id": "1", "email": "ann@example.com"},
    SendEventInput: {"customer_id": "1", "event_name": "bought"},
    AddCustomersToSegmentInput: {"segment_id": "1", "customer_ids": ["1"]},
}
FROM_N8N = {"toolCallId": "call_0BCI", "sessionId": "s", "action": "sendMessage", "chatInput": "Record the purchase."}
FROM_SIYUAN = {"_sessionID": "20260624131440-abc"}


@pytest.mark.parametrize("added", [FROM_N8N, FROM_SIYUAN, {"toolCallId": None}, {"sessionId": {"a": [1]}}])
@pytest.mark.parametrize("model", CALLS)
def test_arguments_that_hosts_add_are_ignored(model: type[ToolInput], added: dict[str, Any]) -> None:
    assert parse_arguments(model, CALLS[model] | added) == (model.model_validate(CALLS[model]), [])


async def test_what_a_host_adds_is_not_sent(client: TrackClient, sandbox: RunningSandbox) -> None:
    output = await ToolHandlers(client).send_event(CALLS[SendEventInput] | FROM_N8N | FROM_SIYUAN)
    assert output.success
    (event,) = sandbox.workspace.events
    assert (event.name, event.data) == ("bought", {})


@pytest.mark.parametrize(
    "name",
    ["toolcallid", "tool_call_id", "ToolCallId", "_toolCallID", "sessionID", "session_id", "_sessionId", "Action",
     "chat_input", "tool", "_meta", "plan", "user_context", " action", ""],
)  # fmt: skip
@pytest.mark.parametrize("model", CALLS)
def test_every_other_unknown_argument_is_rejected(model: type[ToolInput], name: str) -> None:
    _, (problem,) = parse_arguments(model, CALLS[model] | {name: "x"})
    assert problem.text.startswith("is not a parameter of this tool; ")


@pytest.mark.parametrize(
    ("model", "given", "unknown", "suggestion"),
    [
        (SendEventInput, {"customer_id": "1"}, "event", "event_name"),
        (SendEventInput, {"customer_id": "1"}, "name", "event_name"),
        (SendEventInput, {"customer_id": "1"}, "eventName", "event_name"),
        (SendEventInput, {"customer_id": "1"}, "EVENT_NAME", "event_name"),
        (SendEventInput, {"customer_id": "1", "event_name": None}, "event", "event_name"),
        (SendEventInput, {"customer_id": "1", "event_name": []}, "event", "event_name"),
        *[(SendEventInput, {"customer_id": "1", "event_name": blank}, "event", "event_name") for blank in BLANKS],
        *[
            (AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": blank}, "ids", "customer_ids")
            for blank in ["[]", *BLANKS]
        ],
        (SendEventInput, {"customer_id": "1", "event_name": "x", "data": {}}, "eventData", "data"),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "event_data", "data"),
        (SendEventInput, {"customer_id": "1"}, "event_data", "data"),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "evnt_data", "data"),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "CustomData", "data"),
        (SendEventInput, {"customer_id": "1"}, "event_id", None),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "event_id", None),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "eventId", None),
        (SendEventInput, {"event_name": "x"}, "event_id", None),
        (CreateOrUpdateCustomerInput, {"customer_id": "1"}, "email_address", "email"),
        (CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b"}, "custom_attributes", "attributes"),
        (SendEventInput, {"customer_id": "1"}, "eventType", "event_type"),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "event", "event_type"),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "type", "event_type"),
        (SendEventInput, {"event_name": "x"}, "id", "customer_id"),
        (SendEventInput, {"event_name": "x"}, "user_id", "customer_id"),
        (SendEventInput, {"event_name": "x"}, "customerId", "customer_id"),
        (SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": "page"}, "event", None),
        (SendEventInput, {"customer_id": "1", "event_name": "x"}, "customerId", None),
        (CreateOrUpdateCustomerInput, {"customer_id": "1"}, "emails", "email"),
        (CreateOrUpdateCustomerInput, {"customer_id": "1"}, "plan", None),
        (CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b"}, "attribute", "attributes"),
        (CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b"}, "createdAt", "created_at"),
        (AddCustomersToSegmentInput, {"customer_ids": ["1"]}, "segment", "segment_id"),
        (AddCustomersToSegmentInput, {"segment_id": "1"}, "ids", "customer_ids"),
        (AddCustomersToSegmentInput, {"segment_id": "1"}, "customers", "customer_ids"),
        (AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": ["1"]}, "type", "id_type"),
    ],
)
def test_suggestion_is_a_parameter_that_is_missing(
    model: type[ToolInput], given: dict[str, Any], unknown: str, suggestion: str | None
) -> None:
    _, problems = parse_arguments(model, given | {unknown: "x"})
    (problem,) = [problem for problem in problems if problem.parameter == unknown]
    assert ("did you mean" in problem.text) is (suggestion is not None)
    assert suggestion is None or f"; did you mean {suggestion}? it accepts " in problem.text


@pytest.mark.parametrize("name", ["timestamp", "Timestamp", "time", "date", "occurred_at", "eventTime", "created_at"])
async def test_time_of_an_event_is_rejected_since_it_cannot_be_backdated(
    client: TrackClient, sandbox: RunningSandbox, name: str
) -> None:
    output = await ToolHandlers(client).send_event(CALLS[SendEventInput] | {name: 1_700_000_000})
    assert output.error == (
        f"Nothing was sent. {name}: is not a parameter of this tool; events are recorded as of now and cannot be "
        "backdated here; it accepts customer_id, event_name, event_type, data. Correct it and call again."
    )
    assert list(sandbox.workspace.events) == []


@pytest.mark.parametrize("model", [CreateOrUpdateCustomerInput, AddCustomersToSegmentInput])
def test_other_tools_do_not_speak_of_events(model: type[ToolInput]) -> None:
    _, (problem,) = parse_arguments(model, CALLS[model] | {"timestamp": 1})
    assert "backdated" not in problem.text
