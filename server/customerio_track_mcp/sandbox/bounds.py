"""Bounds on what the sandbox keeps, accepts and waits for. docs/sandbox.md lists these numbers.

The vendor's limits on data are in `drop_rules`.
"""

from __future__ import annotations

from typing import Final

MAX_CONNECTIONS: Final = 256
"""Open connections, at most a quarter of the process's file descriptors. Further ones get 503 and are closed."""
MAX_WATCHERS: Final = 64
"""Open pages. A further one gets 503."""
MAX_SNAPSHOTS: Final = 4
"""Responses with the complete state that are sent at once, since each keeps its records in memory. Others wait."""
MAX_QUEUED_BYTES: Final = 8 * 2**20
"""Changes that a page has not read yet. A page further behind is disconnected; it reconnects and gets the state."""

HANDSHAKE_SECONDS: Final = 10
"""Time for a TLS handshake."""
IDLE_SECONDS: Final = 75
"""Time for a request's head, and between two requests of a connection. Clients' pools keep connections for less."""
BODY_SECONDS: Final = 30
"""Time for a request's body."""
LINGER_SECONDS: Final = 1
"""Time for the rest of a body that is not read, before the connection is closed."""
SEND_SECONDS: Final = 60
"""Time for a client to receive the complete state, and for any client to receive something."""
DEMO_STOP_SECONDS: Final = 5
"""Time for the demo to end when the sandbox stops."""

MAX_BODY_BYTES: Final = 2 * 2**20
"""A valid request has at most 300 attributes of 1150 bytes, which escapes in JSON can make three times as long."""
MAX_SMALL_BODY_BYTES: Final = 64 * 2**10
"""Bodies above this size are read a few at a time."""
MAX_LARGE_BODIES: Final = 8
READ_BUFFER_BYTES: Final = 16 * 2**10
"""What a connection buffers of a body that waits. asyncio reads up to 256 KiB more."""
MAX_FAULT_BODY_BYTES: Final = 16 * 2**10
MAX_SEGMENT_BODY_BYTES: Final = 16 * 2**10
MAX_LEVELS: Final = 750
"""Levels of arrays and objects in JSON. Python's own maximum is higher, and depends on its version and the stack."""
MAX_CALL_BYTES: Final = 2**20
"""The JSON of a tool call that a server reports."""
MAX_LOGGED_BODY_CHARACTERS: Final = 2**18
"""The body of a request or a response in the request log. A longer one is not kept."""
MAX_LOGGED_HEADERS: Final = 64
"""Headers of a request in the request log. Further ones are not kept."""
MAX_LOGGED_HEADER_CHARACTERS: Final = 1000
"""A header's name, and its value, in the request log. The rest is not kept."""
MAX_CALL_ID_CHARACTERS: Final = 100
"""The id of a tool call. A request whose header has a longer one is logged without it."""

MAX_FAULTS: Final = 10_000
"""Requests for which a fault waits."""
MAX_QUEUED_FAULTS: Final = 100
"""Faults in the queue, each for one or more requests. A page gets all of them whenever one is used."""
MAX_ITEMS: Final = 10_000
MAX_BYTES: Final = 32 * 2**20
"""Memory for each of events, dropped data, requests and calls. The oldest are removed first, as above `MAX_ITEMS`."""
MAX_PEOPLE: Final = 50_000
MAX_PEOPLE_BYTES: Final = 96 * 2**20
"""Memory for all people. They are not removed: segments and later requests refer to them. A further one is refused."""
MAX_SEGMENTS: Final = 1000
MAX_MEMBERS: Final = 200_000
"""Members of all segments together. A request that would add more is refused."""
MAX_SEGMENT_NAME_CHARACTERS: Final = 200
MAX_EVENT_IDS: Final = 100_000
"""ULIDs that are remembered, to recognize a repeated event."""
MAX_FAILED_REQUESTS: Final = 1000
"""Failed requests that are remembered, to number their retries."""

MAX_FILE_BYTES: Final = 512 * 2**20
"""A data file. The records of a full sandbox need less than half."""
MAX_RECORD_BYTES: Final = 8 * 2**20
"""A record in a data file. The largest is a segment with `MAX_PEOPLE` members."""
MAX_RECORD_LEVELS: Final = MAX_LEVELS + 50
"""Levels of a record, which adds some around JSON that was received."""
