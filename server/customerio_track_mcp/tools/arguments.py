"""Parse a tool's arguments: a typed input, and every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from customerio_track_mcp.tools.schemas import ToolInput
from customerio_track_mcp.tools.unknown_arguments import unknown_argument_problems
from customerio_track_mcp.track import Problem

Input = TypeVar("Input", bound=ToolInput)

_MAX_ARGUMENTS: Final = 100
"""Arguments of one call that are examined. No tool has more than four parameters."""


def parse_arguments(model: type[Input], arguments: Mapping[str, object]) -> tuple[Input, list[Problem]]:
    """Parse the arguments of a call.

    An invalid required argument is replaced by the model's placeholder and an invalid optional one is treated as
    absent, so that the others can be validated as well and all problems are reported together.

    Args:
        model: the tool's input.
        arguments: what the caller sent.

    Returns:
        The input, and what is wrong with the form of the arguments. Of more than 100 arguments, only their number is
        reported.
    """
    if len(arguments) > _MAX_ARGUMENTS:
        text = f"contain {len(arguments)} members; this tool accepts only {', '.join(model.model_fields)}"
        return model.model_validate(model.placeholders), [Problem("arguments", text)]
    # Unknown names are not checked by pydantic, which stops at one that contains a lone surrogate.
    try:
        return model.model_validate(arguments), unknown_argument_problems(model, arguments, arguments)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    invalid = {str(detail["loc"][0]) for detail in details}
    valid = {name: value for name, value in arguments.items() if name not in invalid}
    placeholders = {name: value for name, value in model.placeholders.items() if name in invalid}
    problems = [*map(_invalid_value, details), *unknown_argument_problems(model, arguments, valid)]
    return model.model_validate(valid | placeholders), problems


def _invalid_value(detail: ErrorDetails) -> Problem:
    name, *path = detail["loc"]
    text = "is required" if detail["type"] == "missing" else detail["msg"]
    return Problem(f"{name}{''.join(f'[{part}]' for part in path)}", text)
