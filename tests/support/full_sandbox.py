"""A sandbox's data file with as many records of each kind as a sandbox keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from customerio_track_mcp.sandbox.bounds import MAX_ITEMS
from customerio_track_mcp.sandbox.people import Person
from customerio_track_mcp.sandbox.records import Change, Event, Kind, LoggedRequest, ToolCall, record_of
from customerio_track_mcp.sandbox.storage import Storage

FIRST_CIO_ID: Final = 0x03000001
PLANS: Final = ("trial", "starter", "pro", "enterprise")


def write_full_data_file(path: Path) -> None:
    """Write `MAX_ITEMS` calls of `send_event`, each with one request, one event and one person of its own.

    The person of the call number n, from 1, has the id `customer-n`; the event is named `event n`.
    """
    with Storage(path) as storage:
        for number in range(1, MAX_ITEMS + 1):
            for change in _records(number):
                storage.save(change)


def _records(number: int) -> Iterator[Change]:
    at = time.time() - (MAX_ITEMS - number) / 100
    cio_id, person, name = f"{FIRST_CIO_ID + number - 1:08x}", f"customer-{number}", f"event {number}"
    data = {"plan": PLANS[number % len(PLANS)], "total": number, "items": [{"sku": f"sku-{number}", "count": 2}]}
    arguments = {"customer_id": person, "event_name": name, "data": data}
    event_id = f"01JD{number:022d}"
    attributes: dict[str, object] = {
        "plan": data["plan"],
        "created_at": 1767225600 + number,
        "company": f"Company {number}",
    }

    def change(kind: Kind, record: Person | Event | LoggedRequest | ToolCall) -> Change:
        return Change(kind, cio_id if kind == "person" else str(number), record_of(record))

    yield change("person", Person(cio_id, person, f"{person}@example.com", attributes))
    yield change("event", Event(name, "event", cio_id, int(at), data, event_id))
    yield change(
        "request",
        LoggedRequest(
            at=at,
            method="POST",
            path=f"/api/v1/customers/{person}/events",
            body=json.dumps({"name": name, "id": event_id, "data": data}),
            attempt=1,
            status=200,
            fault=None,
            seconds=0.002,
            operation="track",
            call=f"call-{number}",
            headers=[("User-Agent", "customerio-track-mcp/0.1.0"), ("Content-Type", "application/json")],
            response="{}",
            response_headers=[("Content-Type", "application/json; charset=utf-8")],
            person=cio_id,
            event=number,
        ),
    )
    result = {"success": True, "error": None, "message": f"The Track API accepted event {name!r}."}
    call = ToolCall(f"call-{number}", at, 0.005, "send_event", arguments, result, is_error=False, outcome="ok")
    yield change("call", call)
