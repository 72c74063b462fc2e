"""The resource `customerio-track://guide`: what the tools do, limits, identity rules, reserved keys.

Its numbers and names are those that the validation uses, so that it cannot differ from what the tools accept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from customerio_track_mcp.tools.handlers import UNREPORTED_DROPS
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import (
    NOT_SECONDS,
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    EventType,
    IdType,
    limits,
)


def guide_text(tools: Collection[str] = frozenset(TOOLS)) -> str:
    """Return the guide, in Markdown.

    Args:
        tools: the tools that it lists.
    """
    return f"""\
# Guide to the Customer.io tools

The tools write to one workspace through the Track API v1 and cannot read from it. Everything is checked before it is \
sent, since the Track API answers 200 and drops what exceeds a limit. An invalid call sends nothing, and its `error` \
lists its problems together. customerio-track://policy says what this server allows.

## Tools

{_list(_tools(tools))}

An event can start a campaign that emails a real person, and each call of `send_event` records another event. Create a \
customer before you send their events or add them to a segment.

## Limits

Bytes are bytes of UTF-8.

| what | maximum |
| --- | --- |
| `customer_id`, and each of `customer_ids` | {limits.IDENTIFIER_BYTES} bytes |
| `email`, and each of `customer_ids` with `id_type` `email` | {limits.EMAIL_BYTES} bytes |
| attributes per call, with `email` and `created_at` | {limits.ATTRIBUTES_PER_CALL} |
| an attribute's name | {limits.ATTRIBUTE_NAME_BYTES} bytes |
| an attribute's value; other than text, its JSON | {limits.ATTRIBUTE_VALUE_BYTES} bytes |
| `event_name` | {limits.EVENT_NAME_BYTES} bytes |
| `data` of an event, as JSON | {limits.EVENT_DATA_BYTES} bytes |
| `customer_ids` per call | {limits.SEGMENT_IDS_PER_CALL} |
| `segment_id`, a whole number | {limits.SEGMENT_ID_MAX} |

`event_type` is one of {_names(EventType)}; `id_type` is one of {_names(IdType)}. A time {NOT_SECONDS}; \
`created_at` is between 2000 and one year ahead.

## Identity

- A `customer_id` is your own id, an email address, or `cio_` followed by a cio_id. Its shape decides which.
- The Track API accepts what it will drop. {UNREPORTED_DROPS}
- To change an email address, pass `cio_` and the person's cio_id as `customer_id`, or their id if the \
workspace allows it.
- All `customer_ids` of a call must be of the type in `id_type`. Others are ignored silently, and so are unknown ids.
- Placeholders such as `undefined`, `null` or `{{{{id}}}}` are rejected: everybody would become one person.
- Attribute names are case-sensitive: `Email` is an ordinary attribute.

## Reserved keys

The server rejects these unless its operator has allowed them, in dot and bracket notation or another case \
too. In `attributes`:

{_list(_reasons(RESERVED_ATTRIBUTES))}

In `data` of an event:

{_list(_reasons(RESERVED_EVENT_DATA))}

## After a call

- `success` true: the Track API accepted the request. `message` can point out what was probably not meant.
- `success` false: `error` says what happened, whether anything was carried out, and what to do next. Do only that.
- If the outcome of an event is unknown, call again only if `error` says that this is safe, and with the same arguments.
- Identical calls of `send_event` at the same time are one event. One after the other, they are two.
"""


def _tools(names: Collection[str]) -> Iterable[str]:
    for name, tool in TOOLS.items():
        what, _, _ = (tool.definition.description or "").partition(". ")
        if name in names:
            yield f"`{name}`: {what}."


def _reasons(reserved: Mapping[str, str]) -> Iterable[str]:
    return (f"`{key}`: {reason}" for key, reason in reserved.items())


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _names(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)
