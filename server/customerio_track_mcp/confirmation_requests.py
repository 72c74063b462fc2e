"""The question to a person in the forms of the protocols: what a host receives, and what it may send back.

With protocol 2026-07-28, a call ends with the question, and the host makes it again with the answer and a state that
only servers with the same API key can seal. With 2025-11-25, the server sends a request to the host, and the call
waits; HTTP without sessions has no way for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from customerio_track_mcp.control.asking import (
    ANSWER_TIMEOUT,
    Asker,
    CannotAskError,
    ConfirmationCanceledError,
    ConfirmationRequired,
    DeclinedError,
)
from customerio_track_mcp.instrumentation.calls import require_caller
from customerio_track_mcp.tools.received_arguments import read_arguments
from customerio_track_mcp.track import InvalidArgumentsError

_KEY: Final = "confirmation"
_PROPERTY: Final = "confirm"
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    # Visual Studio Code shows a form without properties that cannot be submitted
    # (https://github.com/PrefectHQ/fastmcp/issues/3910). With the default, accepting the form is enough.
    "properties": {_PROPERTY: {"type": "boolean", "title": "Confirm", "default": True}},
}
_INVALID_STATE: Final = (
    "Invalid requestState: nothing was sent. The confirmation has expired, or belongs to another call, caller or "
    "server; call the tool again with the same arguments and without requestState, so that the user is asked again"
)


class ConfirmationRequests:
    """Asks the persons at the hosts of one server.

    Args:
        key: seals the state; the same for all processes that serve the same callers. At least 32 bytes.
        audience: what these processes have in common besides.
    """

    def __init__(self, key: bytes, audience: str) -> None:
        security = RequestStateSecurity(keys=[key], ttl=ANSWER_TIMEOUT, bind_principal=_principal, audience=audience)
        self._boundary = RequestStateBoundary(security, default_audience=None)

    async def protect_state(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Seal the state in a result, and verify it in a request, whose other parameters must be those of the first.

        This is a middleware of the SDK's server, an interface that may change in a minor release of the SDK. It must
        see the arguments, so `keep_arguments` comes later.

        Raises:
            MCPError: the state is not valid.
        """
        if ctx.method != "tools/call" or ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS or ctx.params is None:
            return await call_next(ctx)
        try:
            return await self._boundary(_with_read_arguments(ctx, ctx.params), call_next)
        except MCPError as error:
            if not _is_about_state(error):
                raise
            raise MCPError(code=error.error.code, message=_INVALID_STATE, data=error.error.data) from None

    def asker_of(self, context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> Asker:
        """Return what asks the person at the host that makes a call."""
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return _AskByResult(context, params)
        return _AskByRequest(context)


def reject_answer(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> None:
    """Reject a call with the answer to a question of a server that had other settings: the person may have declined.

    Raises:
        MCPError: it is one.
    """
    if params.request_state is not None and context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        raise MCPError(code=types.INVALID_PARAMS, message=_INVALID_STATE)


def input_required(required: ConfirmationRequired) -> types.InputRequiredResult:
    """Return the result of a call that ends with a question."""
    return types.InputRequiredResult(
        input_requests={_KEY: _elicitation(required.question)}, request_state=required.event_id
    )


class _AskByResult:
    """Asks in the result of a call, and reads the answer when the call comes again.

    The state in `params` has been verified. It is the event id, so that sending the answer twice makes one event.
    """

    def __init__(self, context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> None:
        self._context = context
        self._params = params
        self.is_answer = params.request_state is not None
        self.event_id = params.request_state or ""

    async def ask(self, question: str, event_id: str) -> None:
        if self.is_answer:
            answer = (self._params.input_responses or {}).get(_KEY)
            if isinstance(answer, types.ElicitResult):
                _require_consent(answer)
                return
            # MCP requires another question rather than an error.
        _require_forms(self._context)
        raise ConfirmationRequired(question, event_id)


class _AskByRequest:
    """Asks in a request to the host, and waits for the response."""

    is_answer = False
    event_id = ""

    def __init__(self, context: ServerRequestContext[Any]) -> None:
        self._context = context

    async def ask(self, question: str, event_id: str) -> None:
        del event_id
        session = self._context.session
        if not session.can_send_request:
            raise CannotAskError("over HTTP, this host's version of MCP cannot ask (2026-07-28 can)")
        _require_forms(self._context)
        try:
            # `elicit_form` has no timeout.
            answer = await session.send_request(
                _elicitation(question),
                types.ElicitResult,
                request_read_timeout_seconds=ANSWER_TIMEOUT,
                metadata=ServerMessageMetadata(related_request_id=self._context.request_id),
            )
        except MCPError as error:
            raise _failure(error.error.code) from None
        except ValidationError:
            raise ConfirmationCanceledError("The host's response to the question is not valid") from None
        _require_consent(answer)


def _elicitation(question: str) -> types.ElicitRequest:
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=question, requested_schema=dict(_SCHEMA)))


def _require_forms(context: ServerRequestContext[Any]) -> None:
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    # A host that names no mode supports forms.
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        raise CannotAskError("this host does not support elicitation, by which servers ask")


def _require_consent(answer: types.ElicitResult) -> None:
    if answer.action == "cancel":
        raise ConfirmationCanceledError("The user was asked to confirm this call and closed the question")
    # Some hosts send no content if somebody accepts (https://github.com/NousResearch/hermes-agent/pull/58789).
    if answer.action == "decline" or (answer.content or {}).get(_PROPERTY, True) is not True:
        raise DeclinedError


def _failure(code: int) -> CannotAskError | ConfirmationCanceledError:
    match code:
        case types.METHOD_NOT_FOUND:
            return CannotAskError("this host rejects the question although it declares that it can ask")
        case types.REQUEST_TIMEOUT:
            return ConfirmationCanceledError(f"Nobody has answered the question for {ANSWER_TIMEOUT:.0f} seconds")
    return ConfirmationCanceledError(f"The host did not ask the user, or did not pass on the answer (error {code})")


def _principal(context: ServerRequestContext[Any]) -> str | None:
    del context
    return require_caller().identity or None


def _with_read_arguments(ctx: ServerRequestContext[Any], params: Mapping[str, Any]) -> ServerRequestContext[Any]:
    """Return the request with its arguments as an object: a host may send them in another form with the answer."""
    try:
        return replace(ctx, params={**params, "arguments": read_arguments(params.get("arguments"))})
    except InvalidArgumentsError:
        return ctx  # the tool reports it


def _is_about_state(error: MCPError) -> bool:
    data = error.error.data
    return isinstance(data, Mapping) and data.get("reason") == "invalid_request_state"
