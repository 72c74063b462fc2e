"""Attributes that Customer.io reads as yes or no: consent to receive mail, and `_update`.

It accepts any value of them and reads what it does not know as no, so `unsubscribed: "yes"` subscribes the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.validation.limits import ATTRIBUTE_VALUE_BYTES
from customerio_track_mcp.track.validation.sizes import too_large

_PREFERENCES: Final = "cio_subscription_preferences"
_ACCEPTED: Final[Mapping[str, str]] = {
    "unsubscribed": "must be true or false; Customer.io reads every other value as subscribed; pass a boolean",
    "_update": "must be true or false; pass a boolean",
    _PREFERENCES: 'must be true or false; pass a boolean for each topic, for example {"topics": {"topic_1": false}}',
}
_WORDS: Final = {"true": True, "false": False, "1": True, "0": False}
_MAX_DEPTH: Final = 10


def read_booleans(parameter: str, attributes: Mapping[str, object]) -> tuple[Mapping[str, object], list[Problem]]:
    """Read the values that Customer.io takes as booleans, in dot notation too.

    Accepted besides booleans are 1 and 0, and the strings "true", "false", "1" and "0", in any case.

    Args:
        parameter: the name to report.
        attributes: a person's attributes.

    Returns:
        The attributes with these values as booleans, and the values that are not accepted.
    """
    names = "\n".join(attributes)
    if not any(root in names for root in _ACCEPTED):
        return attributes, []
    read: dict[str, object] = {}
    problems: list[Problem] = []
    for name, value in attributes.items():
        root = name.partition(".")[0].strip()
        if root not in _ACCEPTED or too_large(value, ATTRIBUTE_VALUE_BYTES):
            continue  # what is too large is reported as that
        place = f"{parameter}.{shorten(name)}"
        try:
            if name == _PREFERENCES and not isinstance(value, Mapping):
                raise _NotBooleanError(place)  # noqa: TRY301 - the same report as for a value inside
            read[name] = _boolean(value, place, _MAX_DEPTH if root == _PREFERENCES else 0)
        except _NotBooleanError as error:
            problems.append(Problem(str(error), _ACCEPTED[root]))
    return ({**attributes, **read} if read else attributes), problems


class _NotBooleanError(ValueError):
    """The text is the path of the value that is not a boolean."""


def _boolean(value: object, place: str, depth: int) -> object:
    match value:
        case bool():
            return value
        case int() | float() if value in (0, 1):
            return bool(value)
        case str() if (word := value.strip().lower() if len(value) < 20 else "") in _WORDS:
            return _WORDS[word]
        case Mapping() if value and depth:
            return {key: _boolean(item, f"{place}.{shorten(str(key))}", depth - 1) for key, item in value.items()}
    raise _NotBooleanError(place)
