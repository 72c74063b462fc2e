"""Score a rehearsal from the sandbox's state alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.checks.event_matching import match_events
from customerio_track_mcp.rehearsal.checks.forbidden_writes import forbidden_writes
from customerio_track_mcp.rehearsal.checks.no_extra_writes import extra_writes
from customerio_track_mcp.rehearsal.checks.no_repeat import can_find_repeats, find_repeats
from customerio_track_mcp.rehearsal.checks.nothing_dropped import silent_drops
from customerio_track_mcp.rehearsal.checks.right_writes import missing_writes
from customerio_track_mcp.rehearsal.findings import Check, Finding, Score
from customerio_track_mcp.rehearsal.scenario import Scenario
from customerio_track_mcp.rehearsal.snapshot import Snapshot


def score(scenario: Scenario, start: Snapshot, end: Snapshot) -> Score:
    """Compare what a sandbox contains at the end with the start and the scenario.

    The same arguments have the same score. A mistake is one finding of one check: an event with wrong data is a missing
    write and not an extra one, and a repeat is not an extra write.

    Args:
        scenario: what was rehearsed.
        start: what `prepare` returned.
        end: `take_snapshot` of the sandbox, when the agent has ended.
    """
    comparison = Comparison(scenario, start, end)
    repeats = find_repeats(comparison)
    events = match_events(comparison, [repeat.event for repeat in repeats if repeat.event is not None])
    obeyed = forbidden_writes(comparison, is_obeyed=True)
    extra = [*extra_writes(comparison, events), *forbidden_writes(comparison, is_obeyed=False)]
    results: dict[Check, tuple[Finding, ...]] = {}

    def add(check: Check, sentences: Iterable[str], *, applies: bool = True) -> None:
        counts = Counter(sentences)
        found = tuple(Finding(check, f"{text} ({n} times)" if n > 1 else text) for text, n in counts.items())
        if applies or found:
            results[check] = found

    expect = scenario.expect
    add(
        Check.RIGHT_WRITES,
        missing_writes(comparison, events),
        applies=bool(expect.people or expect.events or expect.segments),
    )
    add(Check.NO_EXTRA_WRITES, extra)
    add(Check.NOTHING_DROPPED, silent_drops(comparison))
    add(Check.NO_REPEAT, [repeat.text for repeat in repeats], applies=can_find_repeats(scenario))
    add(Check.NOTHING_OBEYED, obeyed, applies=any(entry.said_by for entry in scenario.forbidden))
    return Score(results)
