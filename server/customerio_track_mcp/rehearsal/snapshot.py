"""What a sandbox contains at one time, as the checks compare it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        segments: the segments.
        dropped: what the real API would have dropped silently.
        requests: the requests to the Track API, oldest first.
        calls: the tool calls that were reported, oldest first.
        control_requests: how often each endpoint of the sandbox itself has changed it.
        is_complete: whether nothing was removed from these lists. The sandbox keeps the newest only.
    """

    people: Sequence[Person] = ()
    events: Sequence[Event] = ()
    segments: Sequence[Segment] = ()
    dropped: Sequence[Dropped] = ()
    requests: Sequence[Request] = ()
    calls: Sequence[ReportedCall] = ()
    control_requests: Mapping[str, int] = field(default_factory=dict)
    is_complete: bool = True


def take_snapshot(sandbox: RunningSandbox) -> Snapshot:
    """Return what a sandbox contains now. Call this in the sandbox's event loop."""
    return Snapshot(
        sandbox.people,
        sandbox.events,
        sandbox.segments,
        sandbox.dropped,
        sandbox.requests,
        tuple(ReportedCall(call.tool, call.arguments, call.outcome) for call in sandbox.calls.log),
        sandbox.control_requests,
        sandbox.is_complete,
    )
