"""Arguments that are not parameters of the tool: added by a host, misspelled, or not supported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Final

from customerio_track_mcp.tools.schemas import ToolInput
from customerio_track_mcp.track import Problem, shorten

ADDED_BY_HOSTS: Final = frozenset(
    {
        # n8n's AI Agent, versions 1.118 to 2.2: https://github.com/n8n-io/n8n/issues/21500,
        # https://github.com/n8n-io/n8n/issues/21716, https://github.com/mpeirone/zabbix-mcp-server/pull/27
        "toolCallId",
        "sessionId",
        "action",
        "chatInput",
        # SiYuan 3.7.0-beta.1: https://github.com/siyuan-note/siyuan/issues/17927
        "_sessionID",
    }
)
"""Arguments that hosts add to every call, which neither the user nor the model can prevent. They are ignored."""

_MAX_NAME_CHARACTERS: Final = 80
_MIN_SIMILARITY: Final = 0.6
_SIMILARITY_OF_A_PART: Final = 0.8
_SIMILARITY_OF_A_WHOLE: Final = 1.0
_FILLERS: Final = ("", "null", '""', "[]", "{}")
_ID_WORDS: Final = frozenset({"id", "ids", "uuid", "guid"})
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def unknown_argument_problems(
    model: type[ToolInput], arguments: Mapping[str, object], valid: Mapping[str, object]
) -> list[Problem]:
    """Report the arguments that are not parameters of the tool, except those that hosts add.

    Args:
        model: the tool's input.
        arguments: what the caller sent.
        valid: those of them that have a valid value; what is suggested for an unknown name is not among them.
    """
    unknown = [name for name in arguments if name not in model.model_fields and name not in ADDED_BY_HOSTS]
    if not unknown:
        return []
    missing = [name for name in model.model_fields if _is_empty(valid.get(name))]
    return [_problem(model, name, missing) for name in unknown]


def _is_empty(value: object) -> bool:
    """Return whether `value` is nothing, in any of the forms in which hosts send that."""
    return value in (None, [], {}) or (isinstance(value, str) and value.strip() in _FILLERS)


def _problem(model: type[ToolInput], name: str, missing: list[str]) -> Problem:
    shown = shorten(name, _MAX_NAME_CHARACTERS)
    hint = model.explain_unknown(shown)
    if not hint and (suggestion := _most_similar(model, shown, missing)):
        hint = f"did you mean {suggestion}?"
    separator = " " if hint.endswith("?") else "; " if hint else ""
    text = f"is not a parameter of this tool; {hint}{separator}it accepts {', '.join(model.model_fields)}"
    return Problem(shown if shown.strip() else repr(shown), text)


def _most_similar(model: type[ToolInput], name: str, missing: list[str]) -> str:
    """Return the parameter among `missing` that `name` probably stands for, a required one first; empty if none."""
    ranked = [
        (similarity, model.model_fields[parameter].is_required(), parameter)
        for parameter in missing
        if (similarity := _similarity(name, parameter)) >= _MIN_SIMILARITY
    ]
    return max(ranked, key=lambda entry: entry[:2], default=(0.0, False, ""))[2]


def _similarity(name: str, parameter: str) -> float:
    words = list(_words(name))
    of_parameter = set(parameter.split("_"))
    if of_parameter <= set(words):  # event_data contains data
        return _SIMILARITY_OF_A_WHOLE
    if words and words[-1] in _ID_WORDS and _ID_WORDS.isdisjoint(of_parameter):
        return 0.0  # event_id is not a name or a type, however similar it looks
    ratio = SequenceMatcher(None, "_".join(words), parameter).ratio()
    return max(ratio, _SIMILARITY_OF_A_PART if words and set(words) <= of_parameter else 0.0)


def _words(name: str) -> Iterator[str]:
    """Split `name` into lower-case words: `customerId`, `customer-id` and `CUSTOMER_ID` are the same two words."""
    return (word.lower() for word in _WORD.findall(name))
