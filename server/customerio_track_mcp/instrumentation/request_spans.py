"""OpenTelemetry spans of MCP requests and notifications.

This replaces the SDK's `OpenTelemetryMiddleware`, which writes ids, methods, tool names and texts of errors as callers
send them, of any length. Here, a span contains only names that this server knows.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, StatusCode
from pydantic import ValidationError

from customerio_track_mcp.instrumentation.calls import current_caller

_METHODS: Final = SPEC_CLIENT_METHODS | SPEC_CLIENT_NOTIFICATION_METHODS
_UNKNOWN: Final = "unknown"


class RequestSpanMiddleware:
    """Creates a span for each request and each notification, with the attributes of the semantic conventions for MCP.

    The id of a JSON-RPC request is not among them: it is whatever the caller writes. `request_id` is that of
    `current_caller`, as in log lines. This is a middleware of the SDK's server, an interface that may change in a minor
    release of the SDK.

    Args:
        tools: the names of the tools.
        prompts: the names of the prompts.
        resources: the URIs of the resources.
    """

    def __init__(self, tools: Container[str], prompts: Container[str] = (), resources: Container[str] = ()) -> None:
        self._tools, self._prompts, self._resources = tools, prompts, resources
        self._tracer = trace.get_tracer("customerio_track_mcp")

    async def __call__(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Handle a message within a span."""
        method = _known(ctx.method, _METHODS)
        name = method
        attributes = {
            "mcp.method.name": method,
            "mcp.protocol.version": _known(ctx.protocol_version, KNOWN_PROTOCOL_VERSIONS),
        }
        if caller := current_caller():
            attributes["request_id"] = caller.request_id
        params = ctx.params or {}
        match method:
            case "tools/call":
                tool = _known(params.get("name"), self._tools)
                name = f"{method} {tool}"
                attributes |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
            case "prompts/get":
                prompt = _known(params.get("name"), self._prompts)
                name = f"{method} {prompt}"
                attributes |= {"gen_ai.prompt.name": prompt}
            case "resources/read":  # by the conventions, a resource is not part of the span's name
                attributes |= {"mcp.resource.uri": _known(params.get("uri"), self._resources)}
        with self._tracer.start_as_current_span(
            name,
            context=_caller_context(ctx),
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                result = await call_next(ctx)
            except MCPError as error:
                _fail(span, str(error.error.code), is_response=True)
                raise
            except ValidationError:
                _fail(span, str(INVALID_PARAMS), is_response=True)
                raise
            except Exception as error:
                _fail(span, type(error).__name__)
                raise
            match result:
                case CallToolResult(is_error=True) | {"isError": True}:
                    _fail(span, "tool_error")
            return result


def _known(name: object, known: Container[str]) -> str:
    return name if isinstance(name, str) and name in known else _UNKNOWN


def _caller_context(ctx: ServerRequestContext[Any]) -> Context | None:
    """Return the trace that the caller named in the request's metadata; None for the current one."""
    traceparent = (ctx.meta or {}).get("traceparent")
    if not isinstance(traceparent, str):  # propagators expect text
        return None
    context = extract({"traceparent": traceparent})
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def _fail(span: Span, error_type: str, *, is_response: bool = False) -> None:
    span.set_attribute("error.type", error_type)
    if is_response:
        span.set_attribute("rpc.response.status_code", error_type)
    span.set_status(StatusCode.ERROR)
