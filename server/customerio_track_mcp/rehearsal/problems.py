"""The words for what pydantic finds wrong with a scenario: what is wrong, then what is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from customerio_track_mcp.rehearsal import scenario as models
from customerio_track_mcp.rehearsal.places import Place

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MATCHER: Final = "a matcher such as !any"
"""What is accepted besides another type of value."""

_WORDS: Final = {
    "missing": "is missing",
    "string_type": "expected a text",
    "string_too_short": "is empty; expected a text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "too_long": "expected a list of at most {max_length}",
    "too_short": "expected a list of at least {min_length}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected {le} or less",
    "literal_error": "expected one of {expected}",
    "union_tag_invalid": "kind: expected one of {expected_tags}",
    "union_tag_not_found": "kind is missing: expected one of status, delay, reset, lost_reply, redirect",
    "value_error": "{error}",
    "is_instance_of": MATCHER,
}

_FAULTS: Final[Mapping[str, type[BaseModel]]] = {
    "status": models.StatusFault,
    "delay": models.DelayFault,
    "reset": models.ResetFault,
    "lost_reply": models.ResetFault,
    "redirect": models.RedirectFault,
}
"""The model of each kind of fault."""


def what_is_wrong(problem: ErrorDetails, place: Place) -> str:
    """Return what is wrong, and what is accepted.

    Args:
        problem: what pydantic found.
        place: where that is in the document.
    """
    kind = problem["type"]
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), _keys_at(problem["loc"]))
    words = _WORDS.get(kind)
    if words is None:
        return problem["msg"]
    context: dict[str, Any] = problem.get("ctx", {})
    return words.format_map({name: _shown_context(value) for name, value in context.items()})


def _shown_context(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("'", "")


def _unknown_key(key: str, keys: tuple[str, ...]) -> str:
    close = get_close_matches(key.casefold(), keys, n=1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown key{suggestion}; the keys are {', '.join(keys)}"


def _keys_at(location: Place) -> tuple[str, ...]:
    """Return the keys of the part that contains an unknown one."""
    model: type[BaseModel] = models.Scenario
    for part in location[:-1]:
        if isinstance(part, str) and (found := _part_of(model, part)) is not None:
            model = found
    return tuple(model.model_fields)


def _part_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of a member, or of the elements of a list, or of a kind of fault."""
    if key in _FAULTS:
        return _FAULTS[key]
    field = model.model_fields.get(key)
    if field is None:
        return None
    candidates = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((found for found in candidates if isinstance(found, type) and issubclass(found, BaseModel)), None)
