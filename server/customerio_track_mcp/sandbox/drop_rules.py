"""When the real API returns 200 and drops data: limits, values of another type.

Conflicts between identifiers of people are in `people`, those between ids of events in `event_ids`. The vendor's limits
are repeated here on purpose: the sandbox checks the client, so it must not share the client's copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customerio_track_mcp.sandbox.json_values import compact

_MAX_IDENTIFIER_BYTES: Final = 150
MAX_ATTRIBUTES: Final = 300
"""Maximum attributes of one identify call, and of one person."""
_MAX_ATTRIBUTE_NAME_BYTES: Final = 150
_MAX_ATTRIBUTE_VALUE_BYTES: Final = 1000
_MAX_EVENT_NAME_BYTES: Final = 100
_MAX_EVENT_DATA_BYTES: Final = 100_000


class DroppedError(Exception):
    """The real API would return 200 and drop this data. The text is the reason."""


def check_update(identifier: str, body: Mapping[str, object]) -> None:
    """Raise `DroppedError` if the real API would drop a whole identify call."""
    _require_max_bytes(identifier, _MAX_IDENTIFIER_BYTES, "the identifier")
    _require_max_bytes(str(body.get("id", "")), _MAX_IDENTIFIER_BYTES, "the id in the body")
    if len(body) > MAX_ATTRIBUTES:
        raise DroppedError(f"{len(body)} attributes exceed the maximum of {MAX_ATTRIBUTES}")


def check_attribute(name: str, value: object) -> None:
    """Raise `DroppedError` if the real API would drop one attribute and keep the others."""
    _require_max_bytes(name, _MAX_ATTRIBUTE_NAME_BYTES, "the attribute name")
    size = len(value.encode()) if isinstance(value, str) else json_bytes(value)
    _require_max(size, _MAX_ATTRIBUTE_VALUE_BYTES, "the attribute value")


def check_event(identifier: str, name: str, data: Mapping[str, object]) -> None:
    """Raise `DroppedError` if the real API would drop an event."""
    _require_max_bytes(identifier, _MAX_IDENTIFIER_BYTES, "the identifier")
    _require_max_bytes(name, _MAX_EVENT_NAME_BYTES, "the event name")
    _require_max(json_bytes(data), _MAX_EVENT_DATA_BYTES, "the event data")


def check_member_type(member_id: object, id_type: str) -> str:
    """Return `member_id`; raise `DroppedError` if it is not of the type `id_type`."""
    if not isinstance(member_id, str) or (id_type == "email" and "@" not in member_id):
        raise DroppedError(f"does not match id_type {id_type}")
    return member_id


def json_bytes(value: object) -> int:
    """Return the size of `value` in bytes of compact JSON."""
    return len(compact(value).encode())


def _require_max_bytes(text: str, maximum: int, what: str) -> None:
    _require_max(len(text.encode()), maximum, what)


def _require_max(size: int, maximum: int, what: str) -> None:
    if size > maximum:
        raise DroppedError(f"{what} exceeds {maximum} bytes")
