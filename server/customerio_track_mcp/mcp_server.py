"""The MCP server: list the tools, call one, and turn its output into a result.

Resources and prompts have modules of their own.

Every outcome of a known tool is a result with the documented payload, failures with `isError`. Only an unknown tool
name and an invalid `requestState` are protocol errors, as the MCP specification requires. The one other result is a
question to a person.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeVar

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types.methods import validate_client_request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic_core import to_json

from customerio_track_mcp.call_reports.middleware import CallReportMiddleware
from customerio_track_mcp.confirmation_requests import ConfirmationRequests, input_required, reject_answer
from customerio_track_mcp.control.asking import NO_ASKER, Asker, ConfirmationRequired
from customerio_track_mcp.control.call import IMMEDIATE_DELIVERY, Call, Delivery
from customerio_track_mcp.control.once.idempotency_keys import read_idempotency_key
from customerio_track_mcp.control.policy import NotAllowedError, tool_not_allowed
from customerio_track_mcp.instrumentation.calls import (
    CallContext,
    Caller,
    CallRecord,
    OnCall,
    Outcome,
    calling,
    require_caller,
)
from customerio_track_mcp.instrumentation.request_spans import RequestSpanMiddleware
from customerio_track_mcp.prompts.handlers import get_prompt, list_prompts
from customerio_track_mcp.prompts.registry import PROMPTS
from customerio_track_mcp.resources.handlers import URIS, Render, ResourceHandlers
from customerio_track_mcp.server_info import TITLE, DescribedServer
from customerio_track_mcp.settings.restrictions import UNRESTRICTED, Restrictions
from customerio_track_mcp.tools.descriptions import definition_for
from customerio_track_mcp.tools.guidance import RETRYING_WILL_NOT_HELP, explain, internal_error
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.received_arguments import keep_arguments, read_arguments, received_arguments
from customerio_track_mcp.tools.registry import TOOLS, RegisteredTool
from customerio_track_mcp.tools.result_meta import result_meta
from customerio_track_mcp.tools.schemas import ToolOutput
from customerio_track_mcp.track import InvalidArgumentsError, shorten
from customerio_track_mcp.upstream import Destination

logger = logging.getLogger("customerio_track_mcp.calls")

_INSTRUCTIONS: Final = """\
Keeps one Customer.io workspace up to date: customer profiles, events and manual segments.
{destination}
Create a customer before you send their events or add them to a segment.
If a result has success false, `error` says what happened, whether anything was carried out, and what to do next."""
_DESTINATIONS: Final = {
    Destination.WORKSPACE: "These tools write to a live workspace and cannot read from it. An event can start a "
    "campaign that emails a real person.",
    Destination.SANDBOX: "These tools write to a sandbox and cannot read from it. Whatever their descriptions say, no "
    "campaign starts, and nobody is emailed.",
    Destination.NOWHERE: "These tools now neither write to a workspace nor read from it. Whatever their descriptions "
    "say, no campaign starts, and nobody is emailed.",
}

_CALL_TOOL: Final = "tools/call"
_MAX_NAME_CHARACTERS: Final = 80

_Result = dict[str, Any] | types.InputRequiredResult
T = TypeVar("T")
DeliveryOf = Callable[[ServerRequestContext[Any]], Delivery]
ListHandler = Callable[[ServerRequestContext[Any], types.PaginatedRequestParams | None], Awaitable[T]]

_FIXED_TTL_MS: Final = 3_600_000
"""For how long clients may keep a list that changes only with the server's version."""
_SETTINGS_TTL_MS: Final = 60_000
"""For how long they may keep what an operator can change: tools and prompts, every list of a caller with scopes, the
policy, and the instructions, which name a sandbox."""


def create_mcp_server(
    handlers: ToolHandlers,
    note: str = "",
    *,
    policy: Render | None = None,
    restrictions: Restrictions = UNRESTRICTED,
    authenticates: bool = False,
    caller_of: Callable[[ServerRequestContext[Any]], Caller] = lambda _: Caller(),
    delivery_of: DeliveryOf = lambda _: IMMEDIATE_DELIVERY,
    call_reports: CallReportMiddleware | None = None,
    confirmations: ConfirmationRequests | None = None,
    on_call: OnCall = lambda _: None,
    destination: Destination = Destination.WORKSPACE,
    traced: bool = False,
) -> Server[Any]:
    """Create the MCP server, for any transport and for protocols 2025-11-25 and 2026-07-28.

    Args:
        handlers: run the tools.
        note: the last lines of the server's instructions.
        policy: returns what the server allows a caller, for the resource of that name; None to omit it.
        restrictions: what the operator allows every caller.
        authenticates: whether callers differ in what they may use, so that what one receives is not for another.
        caller_of: returns who makes a request; a caller only sees the tools that they may use.
        delivery_of: returns how the result of a call reaches its caller.
        call_reports: reports the calls to a sandbox; None without one.
        confirmations: asks persons; None if no tool does.
        on_call: called after each tool call.
        destination: where the calls go.
        traced: whether to create a span for each message.
    """

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params
        caller = require_caller()
        return types.ListToolsResult(
            tools=[definition_for(tool, caller.restrictions) for name, tool in TOOLS.items() if caller.may_use(name)]
        )

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams, arguments: object
    ) -> _Result:
        tool = TOOLS.get(params.name)
        if tool is None:
            names = ", ".join(filter(require_caller().may_use, TOOLS)) or "none"
            message = f"Unknown tool: {shorten(params.name, _MAX_NAME_CHARACTERS)}; the tools are {names}"
            raise MCPError(code=types.INVALID_PARAMS, message=message)
        asker: Asker = NO_ASKER
        if confirmations is not None:
            asker = confirmations.asker_of(context, params)
        else:
            reject_answer(context, params)
        call = Call(require_caller(), _record_of(context), delivery=delivery_of(context), asker=asker)
        return await _call(tool, handlers, call, arguments, on_call, params.meta)

    async def on_call_tool(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> _Result:
        return await call_tool(context, params, received_arguments(context, params))

    async def answer_call(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Answer a tool call with a complete result, which the SDK then sends as it is.

        The SDK would validate and copy the result once more.
        """
        is_request = ctx.request_id is not None  # a notification of this name is not a call
        if ctx.method != _CALL_TOOL or not is_request or ctx.params is None or not _is_ready(ctx):
            return await call_next(ctx)
        given = dict(ctx.params)
        arguments = given.pop("arguments", None)
        validate_client_request(_CALL_TOOL, ctx.protocol_version, given)
        params = types.CallToolRequestParams.model_validate(given, by_name=False)
        result = _as_mapping(await call_tool(ctx, params, arguments))
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            result.setdefault("resultType", "complete")
            result["_meta"] = {**result.get("_meta", {}), types.SERVER_INFO_META_KEY: server.server_info_stamp}
        return result

    is_restricted = bool(restrictions)

    async def identify(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        caller = caller_of(ctx)
        with calling(caller.within(restrictions) if is_restricted else caller):
            return await call_next(ctx)

    resources = ResourceHandlers(policy)
    server = DescribedServer(
        title=_title(destination),
        instructions=f"{_INSTRUCTIONS.format(destination=_DESTINATIONS[destination])}\n{note}".strip(),
        cache_hints=_cache_hints(authenticates=authenticates),
        on_list_tools=_one_page(list_tools),
        on_list_resources=_one_page(resources.list),
        on_list_resource_templates=_one_page(resources.list_templates),
        on_read_resource=resources.read,
        on_list_prompts=_one_page(list_prompts),
        on_get_prompt=partial(get_prompt, destination),
        get_tool_input_schema=lambda _: None,  # the SDK would search it for header parameters, of which it has none
    )
    server.add_request_handler(_CALL_TOOL, types.CallToolRequestParams, on_call_tool)
    protect_state = [confirmations.protect_state] if confirmations is not None else []
    reports = [call_reports] if call_reports is not None else []
    spans = [RequestSpanMiddleware(TOOLS, PROMPTS, URIS)] if traced else []
    server.middleware[:] = [identify, *reports, *spans, *protect_state, answer_call, keep_arguments]
    return server


def _title(destination: Destination) -> str:
    suffix = {Destination.SANDBOX: " (sandbox)", Destination.NOWHERE: " (dry run)"}.get(destination, "")
    return f"{TITLE}{suffix}"


def _one_page(handler: ListHandler[T]) -> ListHandler[T]:
    """Return a handler of a list that rejects a cursor, as the MCP specification says: none was ever sent."""

    async def first_page(context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None) -> T:
        if params is not None and params.cursor:  # some hosts send an empty one for the first page
            raise MCPError(code=types.INVALID_PARAMS, message="Invalid cursor: the list has one page; omit it")
        return await handler(context, params)

    return first_page


def _cache_hints(*, authenticates: bool) -> Mapping[CacheableMethod, CacheHint]:
    """Return how long, and for whom, clients of protocol 2026-07-28 may keep a result."""
    scope: Literal["private", "public"] = "private" if authenticates else "public"
    of_settings = CacheHint(_SETTINGS_TTL_MS, scope)
    of_list = of_settings if authenticates else CacheHint(_FIXED_TTL_MS, scope)
    return {
        "tools/list": of_settings,
        "prompts/list": of_settings,
        "resources/list": of_list,
        "resources/templates/list": of_list,
        "resources/read": of_settings,
        "server/discover": of_settings,
    }


def _record_of(context: ServerRequestContext[Any]) -> CallContext:
    """Return the record of a new call. Clients of 2025-11-25 say who they are once, which is lost over HTTP."""
    params = context.session.client_params
    if params is None:
        return CallContext()
    return CallContext(client_name=params.client_info.name, client_version=params.client_info.version)


async def _call(
    tool: RegisteredTool,
    handlers: ToolHandlers,
    call: Call,
    arguments: object,
    on_call: OnCall,
    meta: Mapping[str, Any] | None,
) -> _Result:
    name, started, context = tool.definition.name, time.perf_counter(), call.record
    try:
        if not call.caller.may_use(name):
            context.outcome = Outcome.FORBIDDEN if call.caller.is_allowed(name) else NotAllowedError.code
            return _result(_forbidden(tool, call.caller), call)
        call.idempotency_key = read_idempotency_key(meta, call.caller.idempotency_key)
        return _result(await tool.handler(handlers, read_arguments(arguments), call), call)
    except ConfirmationRequired as required:
        context.outcome = Outcome.CONFIRMATION_REQUIRED
        return input_required(required)
    except InvalidArgumentsError as error:
        context.outcome = error.code
        return _result(tool.output(success=False, error=explain(error)), call)
    except Exception as error:  # noqa: BLE001 - the model must get a payload; a bug must not become a protocol error
        confirmed = context.outcome in (Outcome.OK, Outcome.JOINED)
        context.outcome = Outcome.INTERNAL_ERROR
        # Frames only: the exception's text may contain personal data.
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("bug in a tool", extra={"tool": name, "error": type(error).__name__, "frames": frames})  # noqa: TRY400
        text = internal_error(type(error).__name__, context.progress, confirmed=confirmed)
        return _result(tool.output(success=False, error=text), call)
    finally:
        on_call(CallRecord(name, time.perf_counter() - started, context))


def _forbidden(tool: RegisteredTool, caller: Caller) -> ToolOutput:
    if not caller.is_allowed(tool.definition.name):
        return tool.output(success=False, error=explain(tool_not_allowed(tool.definition.name, caller)))
    allowed = ", ".join(name for name in TOOLS if caller.may_use(name)) or "none"
    error = (
        f"Nothing was sent. 403: this caller may not use {tool.definition.name}; it may use: {allowed}. "
        f"{caller.remedy} {RETRYING_WILL_NOT_HELP}"
    )
    return tool.output(success=False, error=error)


def _result(output: ToolOutput, call: Call) -> dict[str, Any]:
    """Return a `CallToolResult` as a client receives it: it is made of valid parts, so it needs no validation."""
    payload = dict(output)
    return {
        "content": [{"type": "text", "text": to_json(payload).decode()}],
        "structuredContent": payload,
        "isError": not output.success,
        "_meta": result_meta(call),
    }


def _as_mapping(result: _Result) -> dict[str, Any]:
    return result if isinstance(result, dict) else result.model_dump(by_alias=True, mode="json", exclude_none=True)


def _is_ready(context: ServerRequestContext[Any]) -> bool:
    """Return whether the client of 2025-11-25 has made its handshake, which is lost over HTTP. Others need none."""
    return (
        context.protocol_version in MODERN_PROTOCOL_VERSIONS
        or context.session.client_params is not None
        or context.request is not None
    )
