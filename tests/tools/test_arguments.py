"""All problems of a call's arguments are reported together."""

from __future__ import annotations

from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.schemas import AddCustomersToSegmentInput, SendEventInput
from customerio_track_mcp.track import EventType


def test_every_problem_is_reported_and_valid_arguments_are_kept() -> None:
    event, problems = parse_arguments(
        SendEventInput, {"customer_id": [], "event_type": "page", "data": "{", "customerId": "1", "x" * 200: 1}
    )
    assert [problem.parameter for problem in problems][:3] == ["customer_id", "event_name", "data"]
    assert "did you mean customer_id? it accepts customer_id, event_name, event_type, data" in problems[3].text
    assert len(problems[4].parameter) == 80
    assert event.event_type is EventType.PAGE
    assert event.data is None


def test_invalid_item_of_an_array_is_reported_by_its_index() -> None:
    _, problems = parse_arguments(AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": ["a", None, {}]})
    assert [problem.parameter for problem in problems] == ["customer_ids[1]", "customer_ids[2]"]
