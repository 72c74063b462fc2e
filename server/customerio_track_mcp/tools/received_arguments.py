"""The arguments of a call, or for a prompt, in the forms in which hosts send them.

The SDK accepts nothing but an object, and responds to anything else with an error that names no cause. So this module
keeps the arguments from its validation, and reads them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import CallToolRequestParams, GetPromptRequestParams

from customerio_track_mcp.lenient_json import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    NestedTooDeeplyError,
    TooManyElementsError,
    parse_json,
)
from customerio_track_mcp.track import InvalidArgumentsError, Problem

_PARAMETER: Final = "arguments"
_METHODS: Final = ("tools/call", "prompts/get")
_KINDS: Final = {bool: "a boolean", int: "a number", float: "a number", list: "an array"}


@dataclass(kw_only=True)
class ArgumentsContext(ServerRequestContext[Any]):
    """The context of a request with arguments: of a tool call, or for a prompt.

    Attributes:
        arguments: the arguments as they were received.
    """

    arguments: object


async def keep_arguments(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
    """Move the arguments of a request from the parameters to an `ArgumentsContext`.

    This is a middleware of the SDK's server, an interface that may change in a minor release of the SDK.
    """
    if ctx.method in _METHODS and ctx.params is not None:
        params = {name: value for name, value in ctx.params.items() if name != _PARAMETER}
        fields = vars(ctx) | {"params": params, "arguments": ctx.params.get(_PARAMETER)}
        ctx = ArgumentsContext(**fields)
    return await call_next(ctx)


def received_arguments(
    context: ServerRequestContext[Any], params: CallToolRequestParams | GetPromptRequestParams
) -> object:
    """Return the arguments of a request as they were received."""
    return context.arguments if isinstance(context, ArgumentsContext) else params.arguments


def read_arguments(value: object) -> Mapping[str, object]:
    """Return the arguments of a call as an object.

    Some hosts send them as a JSON string, PHP sends an empty object as an empty array, and without arguments there may
    be a null or an empty string.

    Raises:
        InvalidArgumentsError: they are none of these.
    """
    while isinstance(value, str):  # some hosts encode them twice
        value = _parse(value) if value.strip() else None
    if value is None or value == []:
        return {}
    if isinstance(value, Mapping):
        return value
    kind = _KINDS.get(type(value), "another value")
    raise InvalidArgumentsError(
        [Problem(_PARAMETER, f"must be a JSON object with a member for each argument, not {kind}")]
    )


def _parse(text: str) -> object:
    try:
        parsed: object = parse_json(text)
    except NestedTooDeeplyError:
        problem = f"are nested too deeply; the maximum is {MAX_DEPTH} levels; flatten them"
    except TooManyElementsError:
        problem = f"contain more than {MAX_ELEMENTS} elements, which is the maximum; pass less in one call"
    except ValueError:
        problem = "must be a JSON object with a member for each argument; the string is not valid JSON"
    else:
        return parsed
    raise InvalidArgumentsError([Problem(_PARAMETER, problem)])
