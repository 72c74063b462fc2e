"""Keys in `attributes` and `data` that Customer.io acts on instead of storing them.

A model, or text that a model has read, must not be able to redirect mail, change consent or merge identities. So these
keys are rejected unless the operator allows them by name. Source: the vendor's Track API reference, operations
`identify` and `track`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.validation.text import shorten

RESERVED_ATTRIBUTES: Final[Mapping[str, str]] = {
    "id": "it changes who the person is",
    "cio_id": "it changes who the person is",
    "anonymous_id": "it links anonymous activity to this person permanently",
    "unsubscribed": "it changes the person's consent to receive mail",
    "cio_subscription_preferences": "it changes the person's consent to receive mail",
    "cio_relationships": "it links the person to objects such as accounts",
    "_update": "it decides whether a missing person is created",
    "_timestamp": "it decides which of two updates wins",
}
"""Reserved attribute names, each with what it does."""

RESERVED_EVENT_DATA: Final[Mapping[str, str]] = {
    "recipient": "it sends the campaign's message to another address",
    "from_address": "it changes the sender of the campaign's message",
    "reply_to": "it changes who receives replies to the campaign's message",
}
"""Reserved keys of event data, each with what it does."""

RESERVED_KEYS: Final = frozenset(RESERVED_ATTRIBUTES) | frozenset(RESERVED_EVENT_DATA)


def reserved_key_problems(
    parameter: str, given: Mapping[str, object] | None, reserved: Mapping[str, str], allowed: Collection[str]
) -> list[Problem]:
    """Report the keys of `given` that are reserved and not allowed, in dot notation too.

    Args:
        parameter: the name to report.
        given: attributes or event data as the caller sent them.
        reserved: reserved keys, each with what it does.
        allowed: the reserved keys that the operator allows.
    """
    return [
        Problem(
            f"{parameter}.{shorten(key)}",
            f"is a reserved key, because {reserved[root]}; omit it (an operator can allow it with the setting "
            f"CUSTOMERIO_ALLOW_RESERVED_KEYS={root})",
        )
        for key in given or ()
        if (root := _root(key)) in reserved and root not in allowed
    ]


def _root(key: str) -> str:
    """Return what precedes the first dot, without invisible characters, which may be trimmed on the way."""
    return "".join(char for char in key.partition(".")[0] if char.isprintable() and not char.isspace())
