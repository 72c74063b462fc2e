"""The question that a person is asked: what will be sent, to whom, and what that can cause.

Whatever a caller wrote is shown as a JSON string on one line, so that it cannot imitate the rest of the question. It is
cut, and the question says so: a person cannot agree to what is not shown without knowing. What is never cut is what
redirects mail or changes who a person is: an address must not hide behind many harmless attributes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import RESERVED_ATTRIBUTES, RESERVED_EVENT_DATA, shorten

_MAX_NAME_CHARACTERS: Final = 160
"""Longer than the longest id, event name and attribute name, unless they contain other than ASCII characters."""
_MAX_VALUE_CHARACTERS: Final = 120
MAX_DATA_CHARACTERS: Final = 600
MAX_ATTRIBUTES: Final = 12
MAX_IDS: Final = 10
"""Hosts show a question in a dialog or a terminal, which cannot show much more."""


def question_about(write: Write, *, is_dry_run: bool = False) -> str:
    """Return the question whether to send a write.

    Args:
        write: what is to be sent.
        is_dry_run: whether nothing is sent.
    """
    question = _about(write, json.loads(write.request.content or b"{}"))
    return f"This is a dry run: nothing will be sent. {question}" if is_dry_run else question


def _about(write: Write, body: Mapping[str, Any]) -> str:
    match write.tool:
        case "send_event":
            return _about_event(write, body)
        case "add_customers_to_segment":
            return _about_segment(write, body["ids"])
    return _about_customer(write, body)


def _about_event(write: Write, body: Mapping[str, Any]) -> str:
    kind = f"{event_type} event" if (event_type := body.get("type", "event")) != "event" else "event"
    question = (
        f"Send the {kind} {_quoted(write.event_name)} to customer {_quoted(write.person or '')}? "
        "This can start a campaign that emails them at once."
    )
    if not (data := body.get("data")):
        return question
    text = _json(_sorted(data, RESERVED_EVENT_DATA))
    cut = f" (the first {MAX_DATA_CHARACTERS} of {len(text)} characters)" if len(text) > MAX_DATA_CHARACTERS else ""
    return f"{question} Data{cut}: {shorten(text, MAX_DATA_CHARACTERS)}"


def _about_customer(write: Write, attributes: Mapping[str, Any]) -> str:
    question = (
        f"Create or update customer {_quoted(write.person or '')}? This replaces the values shown, and can move them "
        "into campaigns that email them."
    )
    if not attributes:
        return question
    members = list(_sorted(attributes, ("email", *RESERVED_ATTRIBUTES)).items())
    shown = [f"{_quoted(name)}: {_value(value)}" for name, value in members[:MAX_ATTRIBUTES]]
    return f"{question} {_count(len(attributes), 'attribute')}: {_listed(shown, len(attributes))}"


def _about_segment(write: Write, ids: Sequence[str]) -> str:
    people = "1 person" if len(ids) == 1 else f"{len(ids)} people"
    shown = [_quoted(one) for one in ids[:MAX_IDS]]
    return (
        f"Add {people} to segment {write.segment_id}? This can start a campaign that emails all of them, and this "
        f"server cannot remove them again. Ids: {_listed(shown, len(ids))}"
    )


def _sorted(members: Mapping[str, Any], first: Collection[str]) -> dict[str, Any]:
    """Return the same members, those that are named in `first` before the others."""
    return {name: members[name] for name in sorted(members, key=lambda name: name not in first)}


def _listed(shown: Sequence[str], number: int) -> str:
    rest = f", and {number - len(shown)} more that are not shown" if number > len(shown) else ""
    return ", ".join(shown) + rest


def _quoted(text: str) -> str:
    return _json(shorten(text, _MAX_NAME_CHARACTERS))


def _value(value: object) -> str:
    match value:
        case None:
            return "null (clears it)"
        case str():  # cut within the quotes
            return _json(shorten(value, _MAX_VALUE_CHARACTERS))
    return shorten(_json(value), _MAX_VALUE_CHARACTERS)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
