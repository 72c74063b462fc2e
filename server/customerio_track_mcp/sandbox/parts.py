"""The parts of one sandbox, which its endpoints show and control, and its data file keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.broadcast import Broadcaster
from customerio_track_mcp.sandbox.calls import CallLog
from customerio_track_mcp.sandbox.demo_player import DemoPlayer
from customerio_track_mcp.sandbox.faults import FaultQueue
from customerio_track_mcp.sandbox.request_log import RequestLog
from customerio_track_mcp.sandbox.state import WorkspaceState


@dataclass(frozen=True, slots=True)
class SandboxParts:
    """What a sandbox consists of.

    Attributes:
        demo: plays the demo's data.
        bodies: reads the bodies of requests.
        workspace: the state of the workspace.
        requests: the requests to the Track API.
        calls: the tool calls.
        faults: the faults of the next requests.
        broadcaster: publishes changes.
        control_requests: how often each endpoint of the sandbox itself has changed it, such as `POST /_sandbox/reset`.
            A reset does not clear this.
        on_reset: called after each reset, in this order.
    """

    demo: DemoPlayer
    bodies: BodyReader
    workspace: WorkspaceState = field(default_factory=WorkspaceState)
    requests: RequestLog = field(default_factory=RequestLog)
    calls: CallLog = field(default_factory=CallLog)
    faults: FaultQueue = field(default_factory=FaultQueue)
    broadcaster: Broadcaster = field(default_factory=Broadcaster)
    control_requests: Counter[str] = field(default_factory=Counter)
    on_reset: list[Callable[[], None]] = field(default_factory=list)

    def reset(self) -> None:
        """Delete everything, the faults included, and create the first three segments again."""
        self.workspace.clear()
        self.requests.clear()
        self.calls.clear()
        self.faults.clear()
        for notify in self.on_reset:
            notify()
