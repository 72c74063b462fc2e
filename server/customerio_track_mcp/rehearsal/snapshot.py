"""What a sandbox contains at one time, as the checks compare it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from customerio_track_mcp.sandbox import Dropped, Event, Person, Request, RunningSandbox, Segment


@dataclass(frozen=True, slots=True)
class ReportedCall:
    """A tool call as the MCP server reported it.

    Attributes:
        tool: the tool's name.
        arguments: as the agent's host sent them.
        outcome: the server's word for how it ended.
    """

    tool: str
    arguments: object
    outcome: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a sandbox contains at one time.

    Attributes:
        people: the people, in the order in which they were added.
        events: the events, oldest first.
        first_event: the number of the first of `events`. The sandbox keeps the newest only.
        segments: the segments.
        dropped: what the real API would have dropped silently.
        requests: the requests to the Track API, oldest first.
        calls: the tool calls that were reported, oldest first.
    """

    people: Sequence[Person] = ()
    events: Sequence[Event] = ()
    first_event: int = 1
    segments: Sequence[Segment] = ()
    dropped: Sequence[Dropped] = ()
    requests: Sequence[Request] = ()
    calls: Sequence[ReportedCall] = field(default=())


def take_snapshot(sandbox: RunningSandbox) -> Snapshot:
    """Return what a sandbox contains now. Call this in the sandbox's event loop."""
    return Snapshot(
        sandbox.people,
        sandbox.events,
        sandbox.workspace.events.oldest,
        sandbox.segments,
        sandbox.dropped,
        sandbox.requests,
        tuple(ReportedCall(call.tool, call.arguments, call.outcome) for call in sandbox.calls.log),
    )
