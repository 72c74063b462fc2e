"""Whatever an agent makes of a sandbox, the score has sentences for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from customerio_track_mcp.rehearsal import Scenario, Snapshot, score
from customerio_track_mcp.rehearsal.snapshot import ReportedCall
from customerio_track_mcp.sandbox import Dropped, Event, Person, Request, Segment
from tests.support.nested import nested_array


def _as_json(value: Any) -> str:
    return json.dumps(value)


names = st.sampled_from(["a", "b", "refund", " a ", "1", "1042", "ann@example.com", "cio_1", ""]) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3) | inner.map(_as_json),
    max_leaves=4,
)
objects = st.dictionaries(names, values | st.just(801).map(nested_array), max_size=3)
people = st.builds(Person, st.sampled_from(["1", "2", "3"]), st.none() | names, st.none() | names, objects)
events = st.builds(Event, names, st.sampled_from(["event", "page"]), people, st.just(0), objects, st.none() | names)
segments = st.builds(Segment, st.integers(1, 3), names, st.just("manual"), st.lists(people, max_size=3).map(tuple))
drops = st.builds(
    Dropped, names, names, st.sampled_from(["event 'a'", 'attribute "b"', "event '", "x"]) | names, names, st.just(0.0)
)
requests = st.builds(
    Request,
    at=st.just(0.0),
    method=names,
    path=st.sampled_from(["/api/v1/customers/1/events", "/api/v1/segments/1/add_customers?id_type=cio_id", "/"])
    | names,
    operation=st.sampled_from(["track", "identify", "add_to_segment", "find_region", None]),
    headers=st.just({}),
    body=st.none()
    | names
    | objects.map(lambda value: json.dumps(value))
    | objects.map(lambda value: json.dumps({"name": "a", "ids": ["1", 2], "data": value})),
    status=st.sampled_from([None, 200, 400, 503]),
    response=st.none(),
    response_headers=st.just({}),
    seconds=st.none(),
    attempt=st.just(1),
    fault=st.none(),
    call=st.none(),
    person=st.none() | people,
    event=st.none() | events,
    is_repeat=st.booleans(),
    dropped=st.lists(drops, max_size=2).map(tuple),
)
tools = st.sampled_from(["create_or_update_customer", "send_event", "add_customers_to_segment"]) | names
parameters = st.dictionaries(
    st.sampled_from(["customer_id", "email", "attributes", "event_name", "data", "segment_id", "customer_ids"]), values
)
calls = st.builds(ReportedCall, tools, values | parameters | parameters.map(_as_json), names)


def _unique(found: list[Any], key: str) -> tuple[Any, ...]:
    return tuple({getattr(item, key): item for item in found}.values())


snapshots = st.builds(
    Snapshot,
    people=st.lists(people, max_size=4).map(lambda found: _unique(found, "cio_id")),
    events=st.lists(events, max_size=4).map(tuple),
    control_requests=st.dictionaries(st.just("POST /_sandbox/reset"), st.integers(0, 3)),
    is_complete=st.booleans(),
    segments=st.lists(segments, max_size=3).map(lambda found: _unique(found, "id")),
    dropped=st.lists(drops, max_size=3).map(tuple),
    requests=st.lists(requests, max_size=4).map(tuple),
    calls=st.lists(calls, max_size=3).map(tuple),
)

SCENARIO = Scenario.model_validate(
    {
        "title": "x",
        "prompt": "y",
        "faults": [{"kind": "reset"}],
        "expect": {
            "people": [{"person": "1042", "attributes": {"a": 1, "b": None}}],
            "events": [{"person": "1042", "name": "a", "data": {"a": 1}, "count": 2}, {"person": "z", "name": "b"}],
            "segments": [{"id": 1, "members": ["1042", "z"]}],
        },
        "allow": {
            "people": [{"person": "a*", "attributes": {"*": 1}}],
            "events": [{"person": "*", "name": "b*", "count": 1}],
            "segments": [{"id": 2}],
        },
        "forbidden": [
            {"event": "*refund*", "said_by": "note"},
            {"attribute": "a*", "value": [1]},
            {"segment": "*", "person": "1*", "said_by": "note"},
            {"event": "*", "attribute": "b"},
            {"person": "b*", "because": "so"},
        ],
    }
)


@settings(max_examples=60)
@given(snapshots, snapshots)
def test_whatever_there_is_has_a_score_with_printable_sentences(start: Snapshot, end: Snapshot) -> None:
    result = score(SCENARIO, start, end)
    assert result == score(SCENARIO, start, end)
    for finding in result.findings:
        assert finding.text.isprintable()
        assert 10 < len(finding.text) < 2000


@settings(max_examples=30)
@given(snapshots.map(lambda snapshot: replace(snapshot, is_complete=True)))
def test_no_change_misses_what_is_expected_and_nothing_else(snapshot: Snapshot) -> None:
    # To the sandbox, such an identifier is a cio_id: nobody has it as an id.
    assume(not any((person.id or "").startswith("cio_") for person in snapshot.people))
    assert {finding.check for finding in score(SCENARIO, snapshot, snapshot).findings} <= {"right_writes"}
