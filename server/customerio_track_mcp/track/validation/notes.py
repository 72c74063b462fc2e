"""Notes on requests that are valid but probably do not do what was intended.

The Track API accepts them, and Customer.io reads them in another way than the sender may expect. One sentence per kind,
without values.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.validation.identifiers import IdType, is_cio_id, is_email
from customerio_track_mcp.track.validation.reserved_keys import RESERVED_ATTRIBUTES
from customerio_track_mcp.track.validation.timestamps import is_time_name, is_unreadable_time, read_seconds

_MAX_NAMES: Final = 3
_MAX_SEARCH_DEPTH: Final = 20
_SPECIAL_NAMES: Final = frozenset(RESERVED_ATTRIBUTES) | {"email", "created_at"}

_SCALARS: Final = (str, int, float, type(None))

_ENDS_OF_TIME_NAMES: Final = ("at", "on", "ate", "me", "amp")
"""How every name ends that `is_time_name` accepts, in lower case.

Without the letters "s" and "i", for which a pattern that ignores case accepts other characters too.
"""

_TRIGGER_HOURS: Final = 72
"""The age up to which an event can trigger campaigns."""

EVENT_TIME: Final = "the time of an event is the parameter timestamp, or else that of its receipt"
"""What a note says of a time in an event's data."""


def attribute_notes(attributes: Mapping[str, object]) -> Iterator[str]:
    """Yield what is doubtful about a person's valid `attributes`."""
    if other_case := [name for name in attributes if not name.islower() and _differs_by_case(name)]:
        yield (
            f"{_names(other_case)}: sent as ordinary data with no effect; attribute names are case-sensitive, and "
            "only the lower-case ones are special."
        )
    if times := list(_unreadable_times_of(attributes)):
        what = "this as a time" if len(times) == 1 else "these as times"
        yield f"{_names(times)}: Customer.io will not read {what}; it reads times as UNIX seconds only."


def event_notes(data: Mapping[str, object], timestamp: int | None) -> Iterator[str]:
    """Yield what is doubtful about an event's valid `data` and `timestamp`."""
    if times := [f"data.{name}" for name, value in data.items() if _is_other_time(name, value, timestamp)]:
        yield f"{_names(times)} {'is' if len(times) == 1 else 'are'} sent as ordinary data: {EVENT_TIME}."
    if timestamp is not None and timestamp < time.time() - _TRIGGER_HOURS * 3600:
        yield (
            "timestamp: the event is recorded, but triggers no campaign; only events of the last "
            f"{_TRIGGER_HOURS} hours can."
        )


def member_notes(ids: Sequence[str], id_type: IdType) -> Iterator[str]:
    """Yield what is doubtful about valid `ids` of segment members, each of them once."""
    if id_type is not IdType.ID:
        return
    text = "\n".join(ids)
    for number, kind, right_type in (
        (sum(map(is_email, ids)) if "@" in text else 0, "an email address", IdType.EMAIL),
        (sum(map(is_cio_id, ids)) if "cio_" in text else 0, "a cio_id", IdType.CIO_ID),
    ):
        if number:
            subset = "" if number == len(ids) else f"only {'this id' if number == 1 else 'these ids'} and "
            yield (
                f"{number} {'id looks' if number == 1 else 'ids look'} like {kind} and can only match people whose id "
                f"is that {'address' if right_type is IdType.EMAIL else 'text'}. If that was not intended, call again "
                f"with {subset}id_type '{right_type}'."
            )


def _is_other_time(name: str, value: object, timestamp: int | None) -> bool:
    """Return whether a key of an event's data looks like the time of the event, and does not repeat `timestamp`."""
    if len(name) >= 16 or name.strip("_ ").lower() != "timestamp":
        return False
    return timestamp is None or read_seconds(value) != timestamp


def _differs_by_case(name: str) -> bool:
    root = name.partition(".")[0]
    return root not in _SPECIAL_NAMES and root.lower() in _SPECIAL_NAMES


def _unreadable_times_of(attributes: Mapping[str, object]) -> Iterator[str]:
    for name, value in attributes.items():
        if _may_be_time_name(name) or not isinstance(value, _SCALARS):
            yield from _unreadable_times(name, name, value)


def _unreadable_times(name: str, path: str, value: object, depth: int = 0) -> Iterator[str]:
    """Yield the paths of the times in `value` that Customer.io does not read as such; items of a list have its name."""
    if isinstance(value, Mapping):
        if depth < _MAX_SEARCH_DEPTH:
            for key, item in value.items():
                yield from _unreadable_times(str(key), f"{path}.{key}", item, depth + 1)
    elif isinstance(value, list | tuple):
        if depth < _MAX_SEARCH_DEPTH:
            for index, item in enumerate(value):
                if not isinstance(item, int | float) or is_unreadable_time(item):
                    yield from _unreadable_times(name, f"{path}[{index}]", item, depth + 1)
    elif _is_unreadable_time(name, value):
        yield path


def _is_unreadable_time(name: str, value: object) -> bool:
    # Nearly all names have another end, which takes less time to see than that the value is not a time.
    return _may_be_time_name(name) and is_unreadable_time(value) and is_time_name(name)


def _may_be_time_name(name: str) -> bool:
    return name[-3:].lower().endswith(_ENDS_OF_TIME_NAMES)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(shorten(name) for name in names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
