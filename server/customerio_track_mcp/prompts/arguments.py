"""The arguments of the prompts, and what is valid in each: a call with the same value is checked in the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from customerio_track_mcp.track import IdType, InvalidArgumentsError, Problem, limits, operations, trim

MAX_DATA_CHARACTERS: Final = 50_000
"""Characters of a pasted table. Of a longer one, a model loses track; it can be in a file."""

_MAX_NAME_CHARACTERS: Final = limits.ATTRIBUTE_NAME_BYTES
_MAX_ARGUMENTS: Final = 20
"""Arguments that are examined. No prompt has more than three."""

Check = Callable[[str, str], Sequence[Problem]]
"""Returns what is wrong with a value. Its arguments are the name to report and the value."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a prompt.

    Attributes:
        name, title, description: what `prompts/list` returns for it.
        check: what is valid, besides that it is not blank.
        required: whether it must be passed.
    """

    name: str
    title: str
    description: str
    check: Check
    required: bool = False


def parse_arguments(arguments: Sequence[Argument], given: Mapping[str, object]) -> dict[str, str]:
    """Return the value of each argument; an optional one that is absent or blank is empty.

    Raises:
        InvalidArgumentsError: with every problem found.
    """
    names = [argument.name for argument in arguments]
    if len(given) > _MAX_ARGUMENTS:
        text = f"contain {len(given)} members; this prompt accepts only {', '.join(names)}"
        raise InvalidArgumentsError([Problem("arguments", text)])
    unknown = [name for name in given if name not in names]
    problems = [Problem(name, f"is not an argument of this prompt; it accepts {', '.join(names)}") for name in unknown]
    values: dict[str, str] = {}
    for argument in arguments:
        value = given.get(argument.name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # some hosts send digits as a number
        if value is not None and not isinstance(value, str):
            problems.append(Problem(argument.name, "must be text"))
            continue
        values[argument.name] = text = trim(value or "")
        if text:
            problems += argument.check(argument.name, text)
        elif argument.required:
            problems.append(Problem(argument.name, f"is required: {argument.description.rstrip('.')}"))
    if problems:
        raise InvalidArgumentsError(problems)
    return values


def data(name: str, title: str, description: str) -> Argument:
    """Return a required argument for a pasted table or list, or the name of a file."""
    described = f"{description}, pasted (CSV, Markdown, JSON or lines), or the name of a file that the model can read."
    return Argument(name, title, described, _data_problems, required=True)


def column_problems(parameter: str, value: str) -> Sequence[Problem]:
    """Validate the name of a column."""
    if len(value) > _MAX_NAME_CHARACTERS:
        return [Problem(parameter, _too_long(value, _MAX_NAME_CHARACTERS, "pass the name of one column"))]
    return [] if value.isprintable() else [Problem(parameter, "must be printable text on one line")]


def event_name_problems(parameter: str, value: str) -> Sequence[Problem]:
    """Validate an event's name, as `send_event` does."""
    return _problems_of(lambda: operations.track("1", value), parameter)


def segment_id_problems(parameter: str, value: str) -> Sequence[Problem]:
    """Validate a segment's id, as `add_customers_to_segment` does."""
    return _problems_of(lambda: operations.add_to_segment(value, ["1"]), parameter)


def id_type_problems(parameter: str, value: str) -> Sequence[Problem]:
    """Validate an id type."""
    return [] if value in list(IdType) else [Problem(parameter, f"must be one of {', '.join(IdType)}")]


def _data_problems(parameter: str, value: str) -> Sequence[Problem]:
    if len(value) > MAX_DATA_CHARACTERS:
        advice = "pass the name of a file, or part of the rows"
        return [Problem(parameter, _too_long(value, MAX_DATA_CHARACTERS, advice))]
    return []


def _problems_of(build: Callable[[], object], parameter: str) -> Sequence[Problem]:
    try:
        build()
    except InvalidArgumentsError as error:
        return [Problem(parameter, problem.text) for problem in error.problems]
    return []


def _too_long(value: str, maximum: int, advice: str) -> str:
    return f"is {len(value)} characters long; the maximum is {maximum}; {advice}"
