"""List the prompts, and fill in one."""

from __future__ import annotations

from typing import Any, Final

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from customerio_track_mcp.control.policy import tool_not_allowed
from customerio_track_mcp.instrumentation.calls import require_caller
from customerio_track_mcp.prompts.arguments import parse_arguments
from customerio_track_mcp.prompts.registry import PROMPTS
from customerio_track_mcp.tools.received_arguments import read_arguments, received_arguments
from customerio_track_mcp.track import InvalidArgumentsError, shorten
from customerio_track_mcp.upstream import Destination

_MAX_NAME_CHARACTERS: Final = 80


async def list_prompts(
    context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
) -> types.ListPromptsResult:
    """Handle `prompts/list`: a caller sees the prompts whose tool they may use."""
    del context, params
    caller = require_caller()
    return types.ListPromptsResult(
        prompts=[prompt.definition for prompt in PROMPTS.values() if caller.may_use(prompt.tool)]
    )


async def get_prompt(
    destination: Destination, context: ServerRequestContext[Any], params: types.GetPromptRequestParams
) -> types.GetPromptResult:
    """Handle `prompts/get`.

    Args:
        destination: where the calls go that the prompt asks for.
        context: the request.
        params: its parameters.

    Raises:
        MCPError: the prompt is unknown, the caller may not use its tool, or an argument is invalid.
    """
    caller = require_caller()
    prompt = PROMPTS.get(params.name)
    if prompt is None:
        name = shorten(params.name, _MAX_NAME_CHARACTERS)
        names = ", ".join(known.name for known in PROMPTS.values() if caller.may_use(known.tool)) or "none"
        raise _invalid(f"Unknown prompt: {name}; the prompts are {names}")
    if not caller.may_use(prompt.tool):
        is_allowed = caller.is_allowed(prompt.tool)
        remedy = caller.remedy if is_allowed else tool_not_allowed(prompt.tool, caller).advice
        raise _invalid(
            f"The prompt {prompt.name} is for the tool {prompt.tool}, which this caller may not use. {remedy}"
        )
    try:
        values = parse_arguments(prompt.arguments, read_arguments(received_arguments(context, params)))
    except InvalidArgumentsError as error:
        raise _invalid(f"Invalid arguments of the prompt {prompt.name}: {error}") from None
    content = types.TextContent(type="text", text=prompt.render(values, destination))
    message = types.PromptMessage(role="user", content=content)
    return types.GetPromptResult(description=prompt.description, messages=[message])


def _invalid(message: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=message)
