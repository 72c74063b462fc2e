"""Keys inside `attributes` and `data` that Customer.io reads as orders, not as information.

A model, or text that a model has read, must not be able to redirect mail, flip consent or merge identities by
the way. So these keys are refused unless the operator allows them by name. Source: the vendor's Track API
reference, operations `identify` and `track`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from customerio_track_mcp.track import Problem
from customerio_track_mcp.track.validation.attributes import shorten

RESERVED_ATTRIBUTES: Final[Mapping[str, str]] = {
    "id": "it changes who the person is",
    "cio_id": "it changes who the person is",
    "anonymous_id": "it ties somebody's anonymous activity to this person for good",
    "unsubscribed": "it changes the person's consent to be mailed",
    "cio_subscription_preferences": "it changes the person's consent to be mailed",
    "cio_relationships": "it links the person to objects such as accounts",
    "_update": "it decides whether a missing person is created",
    "_timestamp": "it decides which of two updates wins",
}
RESERVED_EVENT_DATA: Final[Mapping[str, str]] = {
    "recipient": "it sends the campaign's message to another address",
    "from_address": "it changes whom the campaign's message comes from",
    "reply_to": "it changes who receives the replies to the campaign's message",
}
RESERVED_KEYS: Final = frozenset(RESERVED_ATTRIBUTES) | frozenset(RESERVED_EVENT_DATA)


def reserved_key_problems(
    parameter: str, given: Mapping[str, object] | None, reserved: Mapping[str, str], allowed: Collection[str]
) -> list[Problem]:
    """The keys of `given` that are reserved and not allowed, in dot notation too.

    Args:
        parameter: the name to give the problems.
        given: attributes or event data as the caller sent them.
        reserved: reserved keys and why each is.
        allowed: the reserved keys that the operator allows.
    """
    return [
        Problem(
            f"{parameter}.{shorten(key)}",
            f"is reserved, since {reserved[root]}; leave it out (an operator can allow it with the setting "
            f"CUSTOMERIO_ALLOW_RESERVED_KEYS={root})",
        )
        for key in given or ()
        if (root := _root(key)) in reserved and root not in allowed
    ]


def _root(key: str) -> str:
    """What stands before the first dot, without characters that can't be seen and may be trimmed on the way."""
    return "".join(char for char in key.partition(".")[0] if char.isprintable() and not char.isspace())
