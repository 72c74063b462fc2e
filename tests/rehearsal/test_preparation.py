from __future__ import annotations

from pathlib import Path

import pytest

from customerio_track_mcp.rehearsal import ScenarioError, prepare, take_snapshot
from customerio_track_mcp.sandbox import run_sandbox
from tests.rehearsal.rehearsing import PEOPLE, rehearsed, scenario_of


async def test_the_starting_state_is_there_without_requests(tmp_path: Path) -> None:
    text = (
        PEOPLE
        + """
segments:
  - {id: 2, name: Guests, members: [ann@example.com]}
  - {id: 9, name: VIPs, kind: data-driven}
events:
  - {person: 1042, name: signed_up, data: {from: web}, timestamp: 1767225600}
  - {person: 1043, name: https://example.com/, type: page}
"""
    )
    async with rehearsed(tmp_path, text) as agent:
        start, sandbox = agent.start, agent.sandbox
        assert [(person.id, person.email, person.attributes) for person in sandbox.people] == [
            ("1042", "ann@example.com", {"plan": "free", "note": "old"}),
            ("1043", None, {"plan": "free"}),
        ]
        assert [(event.person.id, event.name, event.type) for event in sandbox.events] == [
            ("1042", "signed_up", "event"),
            ("1043", "https://example.com/", "page"),
        ]
        assert sandbox.events[0].data == {"from": "web"}
        assert sandbox.events[0].timestamp == 1767225600
        assert [(segment.id, segment.name, segment.kind, len(segment.members)) for segment in sandbox.segments] == [
            (1, "Beta testers", "manual", 0),
            (2, "Guests", "manual", 1),
            (3, "Paying customers", "data-driven", 0),
            (9, "VIPs", "data-driven", 0),
        ]
        assert (sandbox.requests, sandbox.dropped) == ((), ())
        assert take_snapshot(sandbox) == start
        assert agent.score().findings == ()


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        ("{kind: status, status: 429, count: 2, operation: track}", [429, 429, 200]),
        ("{kind: lost_reply, operation: track}", [None, 200, 200]),
        ("{kind: reset, count: 2}", [None, None, 200]),
        ("{kind: delay, seconds: 0.01}", [200, 200, 200]),
        ("{kind: redirect}", [307, 200, 200]),
        ("{kind: redirect, location: 'https://example.com'}", [307, 200, 200]),
        ("{kind: lost_reply, operation: identify}", [200, 200, 200]),
    ],
)
async def test_faults_wait_for_the_requests_of_the_agent(
    tmp_path: Path, fault: str, outcomes: list[int | None]
) -> None:
    text = PEOPLE + f"events: [{{person: 1042, name: before}}]\nfaults: [{fault}]\n"
    async with rehearsed(tmp_path, text) as agent:
        assert [await agent.track("1042", "x") for _ in outcomes] == outcomes


async def test_a_starting_state_that_the_api_would_drop_is_reported(tmp_path: Path) -> None:
    text = f"""
people:
  - {{id: 1, attributes: {{note: {"x" * 1001}}}}}
  - {{id: {"9" * 18}, attributes: {{plan: free}}}}
events:
  - {{person: {"9" * 18}, name: {"n" * 101}}}
  - {{person: {"9" * 18}, name: " "}}
faults: [{", ".join(["{kind: reset, count: 1000}"] * 11)}]
expect: {{segments: [{{id: 3, members: [1]}}, {{id: 77, members: [1]}}]}}
"""
    scenario = scenario_of(tmp_path, text)
    async with run_sandbox() as sandbox:
        with pytest.raises(ScenarioError) as caught:
            prepare(sandbox, scenario)
    places = [problem.partition(": ")[0] for problem in caught.value.problems]
    assert places == [
        "people[0]",
        "events[0]",
        "events[1]",
        "expect.segments[0].id",
        "expect.segments[1].id",
        "faults[10]",
    ]
    assert (
        caught.value.problems[3]
        == "expect.segments[0].id: 3 is not a manual segment; those are 1, 2, and more in segments"
    )
    assert all(problem.isprintable() for problem in caught.value.problems)
