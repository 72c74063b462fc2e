"""Prepare a sandbox for a scenario: its starting state, then its faults."""

from __future__ import annotations

from collections.abc import Callable

from customerio_track_mcp.rehearsal.places import Place, shown_place
from customerio_track_mcp.rehearsal.scenario import (
    DelayFault,
    Fault,
    LostReplyFault,
    RedirectFault,
    ResetFault,
    Scenario,
    ScenarioError,
    StatusFault,
)
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.rehearsal.snapshot import Snapshot, take_snapshot
from customerio_track_mcp.sandbox import RunningSandbox


def prepare(sandbox: RunningSandbox, scenario: Scenario) -> Snapshot:
    """Add the starting state of a scenario to a new sandbox, then its faults. Call this in the sandbox's event loop.

    Returns:
        What the sandbox contains at the start, for `score`.

    Raises:
        ScenarioError: the Track API would drop or reject a part of the starting state, or a segment that people must be
            added to is not a manual segment. The sandbox may contain a part of the scenario then.
    """
    preparation = _Preparation(sandbox)
    preparation.add_state(scenario)
    preparation.check_segments(scenario)
    for index, fault in enumerate(scenario.faults):
        preparation.run(("faults", index), _add_fault, sandbox, fault)
    if preparation.problems:
        raise ScenarioError(preparation.problems)
    return take_snapshot(sandbox)


class _Preparation:
    """Runs one step after the other, and collects what is wrong.

    Attributes:
        problems: a sentence each.
    """

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        self.problems: list[str] = []

    def run(self, place: Place, step: Callable[..., object], *args: object, **options: object) -> None:
        """Run a step for a part of the scenario."""
        try:
            step(*args, **options)
        except ValueError as error:
            self.report(place, shown(str(error)))

    def report(self, place: Place, text: str) -> None:
        """Report a problem of a part of the scenario."""
        self.problems.append(f"{shown_place(place)}: {text}")

    def add_state(self, scenario: Scenario) -> None:
        """Add the people, the segments and the events."""
        sandbox = self._sandbox
        for index, person in enumerate(scenario.people):
            self.run(
                ("people", index),
                sandbox.add_person,
                id=person.id,
                email=person.email,
                attributes=person.attributes,
            )
        for index, segment in enumerate(scenario.segments):
            place = ("segments", index)
            self.run(place, sandbox.add_segment, segment.id, segment.name, segment.kind, members=segment.members)
        for index, event in enumerate(scenario.events):
            self.run(
                ("events", index),
                sandbox.add_event,
                event.person,
                event.name,
                type=event.type,
                data=event.data,
                timestamp=event.timestamp,
            )

    def check_segments(self, scenario: Scenario) -> None:
        """Check that people can be added to each segment that the scenario expects additions to."""
        manual = {segment.id for segment in self._sandbox.segments if segment.kind == "manual"}
        accepted = ", ".join(map(str, sorted(manual)))
        for index, entry in enumerate(scenario.expect.segments):
            if entry.id not in manual:
                place = ("expect", "segments", index, "id")
                self.report(place, f"{entry.id} is not a manual segment; those are {accepted}, and more in segments")


def _add_fault(sandbox: RunningSandbox, fault: Fault) -> None:
    times, operation = fault.count, fault.operation
    match fault:
        case StatusFault():
            sandbox.fail_next(fault.status, times, retry_after=fault.retry_after, operation=operation)
        case DelayFault():
            sandbox.delay_next(fault.seconds, times, operation=operation)
        case ResetFault():
            sandbox.reset_next(times, operation=operation)
        case LostReplyFault():
            sandbox.lose_reply(times, operation=operation)
        case RedirectFault():
            location = {} if fault.location is None else {"location": fault.location}
            sandbox.redirect_next(times=times, operation=operation, **location)
