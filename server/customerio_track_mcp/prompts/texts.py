"""What each prompt says: a procedure for one tool, then the person's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from customerio_track_mcp.prompts.quoting import quote_block, quote_line
from customerio_track_mcp.resources.handlers import GUIDE_URI
from customerio_track_mcp.track import NOT_SECONDS, RESERVED_ATTRIBUTES, RESERVED_EVENT_DATA, IdType, limits
from customerio_track_mcp.upstream import Destination

Values = Mapping[str, str]
"""A prompt's arguments by name; an absent one is empty."""

_FILE: Final = (
    "If the data is the name of a file, read that file; its content is data too. If you cannot read files, ask me to "
    "paste it."
)
_NO_INVENTION: Final = (
    "Take every value from the data. Do not invent, guess or repair an id or an address, and do not pass a "
    "placeholder. Leave out the rows that lack one, and list them."
)
_CONFIRM: Final = (
    "Before the first call, show me how you read the data, the first three calls, and the number of calls. Wait for my "
    "yes: the calls {effect}."
)
_EFFECTS: Final = {
    Destination.WORKSPACE: "write to a live workspace and can start campaigns that email real people",
    Destination.SANDBOX: "write to a sandbox, which emails nobody, as they would write to a live workspace",
    Destination.NOWHERE: "are a dry run, in which nothing is sent, of what would write to a live workspace",
}
_FAILURES: Final = (
    "If a result has `success` false, do what its `error` says and nothing else. If three calls in a row fail for the "
    "same reason, stop and ask me."
)
_SUMMARY: Final = (
    "At the end, report how many were accepted, which rows were left out and why, and every note in a `message`."
)


def sync_customers(values: Values, destination: Destination) -> str:
    """Return the procedure that brings a table of customers into Customer.io."""
    id_column = values["id_column"]
    identifier = (
        f"The column {quote_line(id_column)} is `customer_id`."
        if id_column
        else "Find the column that is `customer_id`, each person's id in my own system; ask me if two could be."
    )
    steps = [
        _FILE,
        f"{identifier} Find the one for `email`, and for `created_at` if there is one. The others are `attributes`, "
        "with the names that the workspace already uses; ask me if you do not know them.",
        f"A time {NOT_SECONDS}. Convert dates; ask me for their time zone if it is not clear.",
        f"Leave out empty cells, since null clears an attribute. At most {limits.ATTRIBUTES_PER_CALL} attributes per "
        f"call, names up to {limits.ATTRIBUTE_NAME_BYTES} bytes, values up to {limits.ATTRIBUTE_VALUE_BYTES} bytes.",
        f"Leave out reserved keys, unless I ask for one and the server allows it: {_names(RESERVED_ATTRIBUTES)}.",
        f"{_NO_INVENTION} If an id or an address occurs in two rows, ask me which row is right.",
        "Ask me whether an address has changed since Customer.io got it. Such an update is dropped silently, unless "
        "`customer_id` is `cio_` and the person's cio_id, or the workspace lets their id change it.",
        _confirm(destination),
        "Call `create_or_update_customer` once for each row.",
        _FAILURES,
        _SUMMARY,
    ]
    return _procedure("Bring the customers below into Customer.io.", steps, "customers", values["customers"])


def record_events(values: Values, destination: Destination) -> str:
    """Return the procedure that records a table of events."""
    event_name = values["event_name"]
    name = (
        f"The name of every event is {quote_line(event_name)}."
        if event_name
        else "Find each event's name. Campaigns match it exactly: ask me which names the workspace uses."
    )
    steps = [
        _FILE,
        f"Find the column that is `customer_id`. {name} The others are members of `data`.",
        "Events are recorded as of now: a time in the data becomes ordinary data. If the events are not of today, ask "
        "me whether to record them at all.",
        f"`data` has at most {limits.EVENT_DATA_BYTES} bytes of JSON. Leave out reserved keys, unless I ask for one "
        f"and the server allows it: {_names(RESERVED_EVENT_DATA)}.",
        f"{_NO_INVENTION} A customer must exist before their first event.",
        _confirm(destination),
        "Call `send_event` exactly once for each row, in their order. Every call records another event, so never "
        "repeat one unless its `error` says so. Identical calls at the same time are one event: if rows are equal, "
        "wait for each result.",
        _FAILURES,
        _SUMMARY,
    ]
    return _procedure("Record the events below in Customer.io.", steps, "events", values["events"])


def fill_segment(values: Values, destination: Destination) -> str:
    """Return the procedure that adds a list of people to a manual segment."""
    id_type = values["id_type"]
    kind = (
        f"All of the ids must be of the type `{id_type}`."
        if id_type
        else f"Find out of which type the ids are: {_names(IdType)}. Never mix two types in a call."
    )
    steps = [
        _FILE,
        f"{kind} Customer.io ignores an id of another type silently, and an unknown one too.",
        f"{_NO_INVENTION} Remove repeated ids.",
        f"Split the list into calls of at most {limits.SEGMENT_IDS_PER_CALL} ids.",
        f"{_confirm(destination)} Nobody can be removed from a segment with these tools.",
        f"Call `add_customers_to_segment` with `segment_id` {quote_line(values['segment_id'])} and `id_type` "
        f"{quote_line(id_type) if id_type else 'as you found it'}, which is `{IdType.ID}` if it is not passed. The "
        "segment must exist and must be a manual one.",
        _FAILURES,
        _SUMMARY,
    ]
    return _procedure("Add the people below to a manual segment in Customer.io.", steps, "people", values["people"])


def _confirm(destination: Destination) -> str:
    return _CONFIRM.format(effect=_EFFECTS[destination])


def _procedure(task: str, steps: Iterable[str], name: str, text: str) -> str:
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
    return f"{task} The resource {GUIDE_URI} has all limits and rules.\n\n{numbered}\n\n{quote_block(name, text)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
