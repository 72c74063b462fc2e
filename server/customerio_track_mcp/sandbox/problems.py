"""What is wrong with a value that a client or a program has passed, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import ValidationError

_MAX_PROBLEMS: Final = 10


def problems_of(
    error: ValidationError, names: Mapping[str, str] | None = None, *, kinds: Sequence[str] = ()
) -> list[str]:
    """Return a line for each of the first problems: the field, and what is expected. Values are not quoted.

    Args:
        error: what pydantic has found.
        names: what the caller calls a field, if its name is another one.
        kinds: the kinds of a tagged union. pydantic puts the kind before the field, which is not in the caller's value.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_PROBLEMS]
    lines = []
    for problem in found:
        if problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            lines.append(f"kind: must be one of {', '.join(kinds)}")
            continue
        place = [str(part)[:40] for part in problem["loc"][bool(kinds) :]]
        place = [(names or {}).get(part, part) for part in place]
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(": ".join(filter(None, [".".join(place), message])))
    return lines
