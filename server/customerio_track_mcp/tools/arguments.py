"""Parse a tool's arguments: a typed input, and every problem at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from customerio_track_mcp.tools.schemas import ToolInput
from customerio_track_mcp.track import Problem, shorten

Input = TypeVar("Input", bound=ToolInput)

_MAX_PROBLEMS: Final = 100
_MAX_NAME_CHARACTERS: Final = 80


def parse_arguments(model: type[Input], arguments: Mapping[str, object]) -> tuple[Input, list[Problem]]:
    """Parse the arguments of a call.

    An invalid required argument is replaced by the model's placeholder and an invalid optional one is treated as
    absent, so that the others can be validated as well and all problems are reported together.

    Args:
        model: the tool's input.
        arguments: what the caller sent.

    Returns:
        The input, and what is wrong with the form of the arguments.
    """
    try:
        return model.model_validate(arguments), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    invalid = {str(name) for detail in details for name in detail["loc"][:1]}
    valid = {name: value for name, value in arguments.items() if name in model.model_fields and name not in invalid}
    placeholders = {name: value for name, value in model.placeholders.items() if name in invalid}
    return model.model_validate(valid | placeholders), [_problem(detail, model) for detail in details[:_MAX_PROBLEMS]]


def _problem(detail: ErrorDetails, model: type[ToolInput]) -> Problem:
    name, *path = detail["loc"] or ("(a name that is not a string)",)
    parameter = f"{name}{''.join(f'[{part}]' for part in path)}"
    if detail["type"] == "missing":
        return Problem(parameter, "is required")
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        known = list(model.model_fields)
        close = difflib.get_close_matches(str(name), known, n=1)
        suggestion = f"did you mean {close[0]}? " if close else ""
        text = f"is not a parameter of this tool; {suggestion}it accepts {', '.join(known)}"
        return Problem(shorten(parameter, _MAX_NAME_CHARACTERS), text)
    return Problem(parameter, detail["msg"])
