"""What the tools return in a dry run."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

import pytest
from ulid import ULID

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.dry_run import DryRun
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Outcome
from customerio_track_mcp.tools.dry_run import _MAX_BODY_BYTES, dry_run_message
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.tools.schemas import ToolOutput
from customerio_track_mcp.track import Credentials, Receipt, TrackClient, TrackRequest
from tests.support.scripted_server import ScriptedServer

START: Final = "Dry run: nothing was sent. "


async def outcome_of(track_url: str, tool: str, arguments: dict[str, Any]) -> tuple[ToolOutput, Call]:
    async with TrackClient(Credentials("site", "key"), track_url) as client:
        call = Call()
        return await TOOLS[tool].handler(ToolHandlers(client, controls=[DryRun()]), arguments, call), call


@pytest.mark.parametrize(
    ("tool", "arguments", "echo", "people"),
    [
        (
            "create_or_update_customer",
            {"customer_id": "ü 1", "email": "ann@example.com", "created_at": 1767225600, "attributes": {"plan": "prö"}},
            {"customer_id": "ü 1", "email": "ann@example.com"},
            1,
        ),
        ("send_event", {"customer_id": "1", "event_name": "a/b"}, {"customer_id": "1", "event_name": "a/b"}, 1),
        (
            "send_event",
            {"customer_id": "a@b.co", "event_name": "view", "event_type": "page", "data": {"x": [1, None]}},
            {"customer_id": "a@b.co", "event_name": "view"},
            1,
        ),
        (
            "add_customers_to_segment",
            {"segment_id": "07", "customer_ids": ["1", "2", "1"], "id_type": "id"},
            {"segment_id": "7", "customer_count": 2, "id_type": "id"},
            2,
        ),
    ],
)
async def test_message_shows_the_request_that_is_sent_without_a_dry_run(
    scripted: ScriptedServer, tool: str, arguments: dict[str, Any], echo: dict[str, object], people: int
) -> None:
    output, call = await outcome_of(scripted.url, tool, arguments)
    assert scripted.connections == 0
    payload = output.model_dump(mode="json")
    message = payload.pop("message")
    assert payload == {"success": True, "error": None, **echo}
    assert (call.record.outcome, call.record.is_dry_run, call.record.people) == (Outcome.DRY_RUN, True, people)
    assert call.record.progress.attempts == 0

    async with TrackClient(Credentials("site", "key"), scripted.url) as client:
        await TOOLS[tool].handler(ToolHandlers(client), arguments, Call())
    (request,) = scripted.requests
    method, target, _ = request.line.split(" ")
    sent = f"{START}The request would be: {method} {target} {request.body.decode()}"
    assert without_event_id(message) == without_event_id(sent)


def without_event_id(text: str) -> str:
    """Return `text` without the id of the event, which is new for each call."""
    return re.sub(r'"id":"[0-9A-Z]{26}"', '"id":""', text)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_or_update_customer", {"customer_id": ""}),
        ("send_event", {"customer_id": "1", "event_name": "x", "data": {"recipient": "a@b.co"}}),
        ("add_customers_to_segment", {"segment_id": "x", "customer_ids": []}),
    ],
)
async def test_invalid_arguments_are_an_error_as_ever(
    scripted: ScriptedServer, tool: str, arguments: dict[str, Any]
) -> None:
    output, call = await outcome_of(scripted.url, tool, arguments)
    assert not output.success
    assert (call.record.outcome, call.record.is_dry_run) == ("invalid_arguments", False)


async def test_event_id_of_an_earlier_control_is_shown(scripted: ScriptedServer) -> None:
    event_id = str(ULID())

    class Reuse:
        async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
            return await proceed(replace(write, request=write.request.with_event_id(event_id)), call)

    call = Call()
    async with TrackClient(None, scripted.url) as client:
        handlers = ToolHandlers(client, controls=[Reuse(), DryRun()])
        output = await handlers.send_event({"customer_id": "1", "event_name": "x"}, call)
    assert (output.message or "").endswith(f'{{"name":"x","id":"{event_id}"}}')
    assert call.record.event_id == event_id


async def test_notes_are_shown(scripted: ScriptedServer) -> None:
    arguments = {"customer_id": "1", "event_name": "x", "data": {"timestamp": 1767225600}}
    output, _ = await outcome_of(scripted.url, "send_event", arguments)
    assert output.model_dump()["message"].startswith(f"{START}data.timestamp is sent as ordinary data: ")


@pytest.mark.parametrize("character", ["a", "ü", "€", "😀"])
@pytest.mark.parametrize("offset", range(4))
def test_long_body_is_cut_between_characters(character: str, offset: int) -> None:
    body = "x" * offset + character * (_MAX_BODY_BYTES + 1)
    message = dry_run_message(TrackRequest("POST", "/p", "/p", body.encode()))
    found = re.fullmatch(r"Dry run: .*/p (.*)… \(the first (\d+) of (\d+) bytes of the body\)", message)
    assert found is not None
    assert body.startswith(found[1])
    assert int(found[2]) == len(found[1].encode())
    assert int(found[3]) == len(body.encode())
    assert _MAX_BODY_BYTES - len(character.encode()) < int(found[2]) <= _MAX_BODY_BYTES


def test_body_of_the_maximum_length_is_whole() -> None:
    body = "ü" * (_MAX_BODY_BYTES // 2)
    assert dry_run_message(TrackRequest("POST", "/p", "/p", body.encode())).endswith(f"/p {body}")
