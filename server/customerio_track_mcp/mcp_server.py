"""The MCP server: lists the three tools and turns their answers into results. It knows no HTTP client.

Every outcome of a listed tool is a result with the documented payload, failures marked `isError`. Only an unknown
tool name is a protocol error, as the MCP specification wants.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError

from customerio_track_mcp import __version__
from customerio_track_mcp.instrumentation.calls import Caller, CallRecord, Notes, OnCall, Outcome, calling
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    AddCustomersToSegmentOutput,
    CreateOrUpdateCustomerInput,
    CreateOrUpdateCustomerOutput,
    SendEventInput,
    SendEventOutput,
    ToolInput,
    ToolOutput,
    published_schema,
)

logger = logging.getLogger("customerio_track_mcp.calls")

INSTRUCTIONS: Final = """\
Keeps one Customer.io workspace up to date: customer profiles, events, manual segments.
These tools write to a live workspace and read nothing back. An event can start a campaign that mails a real person.
Create a customer before you send their events or put them into a segment.
A result with success false says in `error` what happened, whether anything was carried out, and what to do next."""

_Call = Callable[[Tools, Mapping[str, object], Notes], Awaitable[ToolOutput]]


@dataclass(frozen=True, slots=True)
class _Entry:
    tool: types.Tool
    output: type[ToolOutput]
    call: _Call


def _entry(
    call: _Call,
    given: type[ToolInput],
    output: type[ToolOutput],
    *,
    name: str,
    title: str,
    description: str,
    destructive: bool,
    idempotent: bool,
) -> _Entry:
    tool = types.Tool(
        name=name,
        title=title,
        description=description,
        input_schema=published_schema(given),
        output_schema=published_schema(output),
        annotations=types.ToolAnnotations(
            title=title,
            read_only_hint=False,
            destructive_hint=destructive,
            idempotent_hint=idempotent,
            open_world_hint=True,
        ),
    )
    return _Entry(tool, output, call)


_ENTRIES: Final[Mapping[str, _Entry]] = {
    entry.tool.name: entry
    for entry in (
        _entry(
            Tools.create_or_update_customer,
            CreateOrUpdateCustomerInput,
            CreateOrUpdateCustomerOutput,
            name="create_or_update_customer",
            title="Create or update a customer",
            description=(
                "Create a customer's profile in Customer.io, or set attributes of the one that customer_id names. "
                "Use it when somebody signs up or something about them changes, and before their first event. "
                "Attributes that are not given stay as they are; a given one replaces the old value, and null clears "
                "it. A wrong customer_id writes over somebody else's profile, and a changed attribute can move people "
                "in and out of segments and campaigns. Calling it twice with the same arguments changes nothing more."
            ),
            destructive=True,
            idempotent=True,
        ),
        _entry(
            Tools.send_event,
            SendEventInput,
            SendEventOutput,
            name="send_event",
            title="Send an event",
            description=(
                "Record that a customer did something: a purchase, a sign-in, a page view. Use it once for each thing "
                "that really happened. An event can start a campaign that mails a real person at once and can't be "
                "taken back, and every call records another event: do not repeat a call unless its error says so. "
                "Event names are matched exactly by campaigns, so use the names that the workspace already uses."
            ),
            destructive=False,
            idempotent=False,
        ),
        _entry(
            Tools.add_customers_to_segment,
            AddCustomersToSegmentInput,
            AddCustomersToSegmentOutput,
            name="add_customers_to_segment",
            title="Add customers to a manual segment",
            description=(
                "Put up to 1000 existing customers into an existing manual segment. Use it for lists that people keep "
                "by hand; data-driven segments fill themselves and take nobody. Joining a segment can start a campaign "
                "that mails all of these people, and this server can't take anybody out again. Customer.io does not "
                "tell which ids it found: those that nobody has, or of another type than id_type says, are ignored. "
                "Adding somebody twice changes nothing more. Split longer lists into several calls."
            ),
            destructive=False,
            idempotent=True,
        ),
    )
}


TOOL_NAMES: Final = tuple(_ENTRIES)


def build_server(
    tools: Tools,
    note: str = "",
    *,
    caller_of: Callable[[ServerRequestContext[Any]], Caller] = lambda _: Caller(),
    on_call: OnCall = lambda _: None,
) -> Server[Any]:
    """An MCP server over `tools`, for any transport and for protocols 2025-11-25 and 2026-07-28.

    Args:
        tools: what the calls go to.
        note: a last line for the server's instructions.
        caller_of: tells who makes a request; a caller sees only the tools that they may use.
        on_call: told of each tool call that has ended.
    """

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del params
        caller = caller_of(context)
        return types.ListToolsResult(tools=[entry.tool for name, entry in _ENTRIES.items() if caller.may_use(name)])

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        entry = _ENTRIES.get(params.name)
        if entry is None:
            known = ", ".join(_ENTRIES)
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name[:80]}; known are {known}")
        caller = caller_of(context)
        with calling(caller):
            return _result(await _call(entry, tools, caller, params.arguments or {}, on_call))

    return Server(
        "customerio-track-mcp",
        title="Customer.io Track API",
        version=__version__,
        description="Customer profiles, events and manual segments of a Customer.io workspace.",
        instructions=f"{INSTRUCTIONS}\n{note}".strip(),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: entry.tool.input_schema if (entry := _ENTRIES.get(name)) else None,
    )


async def _call(
    entry: _Entry, tools: Tools, caller: Caller, arguments: Mapping[str, object], on_call: OnCall
) -> ToolOutput:
    name, started, notes = entry.tool.name, time.perf_counter(), Notes()
    try:
        if not caller.may_use(name):
            notes.outcome = Outcome.FORBIDDEN
            return _forbidden(entry, caller)
        return await entry.call(tools, arguments, notes)
    except Exception as error:  # noqa: BLE001 - the model has to be told; a bug here must not become a protocol error
        notes.outcome = Outcome.BUG
        # The frames alone: an exception's own text may hold somebody's data.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("bug in a tool", extra={"tool": name, "error": type(error).__name__, "frames": frames})  # noqa: TRY400
        return _bug(entry, error)
    finally:
        on_call(CallRecord(name, time.perf_counter() - started, notes))


def _forbidden(entry: _Entry, caller: Caller) -> ToolOutput:
    allowed = ", ".join(name for name in _ENTRIES if caller.may_use(name)) or "none"
    error = (
        f"Nothing was sent. 403: this caller may not use {entry.tool.name}; allowed are: {allowed}. {caller.remedy} "
        "Calling again will not help before that; tell the user."
    )
    return entry.output(success=False, error=error)


def _bug(entry: _Entry, error: Exception) -> ToolOutput:
    return entry.output(
        success=False,
        error=f"The server itself failed ({type(error).__name__}), which is a bug in it. Whether the request was "
        "carried out is unknown. Do not call again; tell the user: the server's log holds the details.",
    )


def _result(output: ToolOutput) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=output.model_dump_json())],
        structured_content=output.model_dump(mode="json"),
        is_error=not output.success,
    )
