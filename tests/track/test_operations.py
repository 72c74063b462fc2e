"""Requests as they are built, before anything is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from ulid import ULID

from customerio_track_mcp.track import NOT_SECONDS, EventType, IdType, InvalidArgumentsError
from customerio_track_mcp.track.operations import add_to_segment, identify, track

EVENT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def decode(content: bytes | None) -> dict[str, object]:
    assert content is not None
    body: dict[str, object] = json.loads(content)
    return body


def test_identify_sends_email_and_created_at_as_attributes() -> None:
    request = identify("42", email="ann@example.com", created_at=1_700_000_000, attributes={"plan": "pro", "old": None})
    assert (request.method, request.path) == ("PUT", "/api/v1/customers/42")
    assert decode(request.content) == {
        "plan": "pro",
        "old": None,
        "email": "ann@example.com",
        "created_at": 1_700_000_000,
    }


@pytest.mark.parametrize("seconds", [1_700_000_000, 1_700_000_000.0, "1700000000", " 1700000000\n"])
def test_times_in_attributes_are_sent_as_integers(seconds: object) -> None:
    attributes = {"created_at": seconds, "_timestamp": seconds, "other_at": seconds}
    for created_at in (None, 1_700_000_000):
        body = decode(identify("42", created_at=created_at, attributes=attributes).content)
        assert json.dumps(body["created_at"]) == json.dumps(body["_timestamp"]) == "1700000000"
        assert body["other_at"] == seconds
    assert attributes["created_at"] is seconds


@pytest.mark.parametrize("value", ["", "soon", "1.0", 1.5, True, [], {}, "2026-01-01"])
@pytest.mark.parametrize("name", ["created_at", "_timestamp"])
def test_invalid_time_in_attributes_is_reported_with_an_example(name: str, value: object) -> None:
    expected = f"attributes.{name}: {NOT_SECONDS}"
    with pytest.raises(InvalidArgumentsError) as caught:
        identify("42", attributes={name: value})
    assert [str(problem) for problem in caught.value.problems] == [expected]


def test_event_contains_a_new_ulid_and_its_name_without_whitespace() -> None:
    request = track("42", "  purchase ", event_type=EventType.PAGE, data={"price": 2})
    assert (request.method, request.path) == ("POST", "/api/v1/customers/42/events")
    body = decode(request.content)
    assert body == {"name": "purchase", "type": "page", "data": {"price": 2}, "id": request.event_id}
    assert str(ULID.from_str(str(request.event_id))) == request.event_id
    assert track("42", "purchase").event_id != request.event_id


def test_event_contains_the_id_and_the_time_that_are_passed() -> None:
    request = track("42", "purchase", data={"price": 2}, event_id=EVENT_ID, timestamp=1_700_000_000)
    assert request.event_id == EVENT_ID
    assert decode(request.content) == {
        "name": "purchase",
        "id": EVENT_ID,
        "timestamp": 1_700_000_000,
        "data": {"price": 2},
    }
    again = track("42", "purchase", data={"price": 2}, event_id=EVENT_ID, timestamp=1_700_000_000)
    assert (again.path, again.content) == (request.path, request.content)


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (1_700_000_000_000, "looks like milliseconds; pass seconds (1700000000, 2023-11-14T22:13:20Z)"),
        (-1, "is before 2000-01-01"),
        (1_700_000_000_000_000, "looks like microseconds"),
        (10**30, "is in the far future"),
        (1_700_000_000.0, "must be a whole number of UNIX seconds"),
        ("1700000000", "must be a whole number of UNIX seconds"),
        (True, "must be a whole number of UNIX seconds"),
        (datetime(2026, 1, 1, tzinfo=UTC), "pass int(moment.timestamp())"),
    ],
)
def test_invalid_time_is_reported(timestamp: Any, text: str) -> None:
    with pytest.raises(InvalidArgumentsError) as of_event:
        track("42", "purchase", timestamp=timestamp)
    with pytest.raises(InvalidArgumentsError) as of_person:
        identify("42", created_at=timestamp)
    problems = [*of_event.value.problems, *of_person.value.problems]
    assert [problem.parameter for problem in problems] == ["timestamp", "created_at"]
    assert all(text in problem.text for problem in problems)


def test_event_omits_type_and_data_if_they_are_not_passed() -> None:
    assert set(decode(track("42", "purchase").content)) == {"name", "id"}


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("n" * 100, True),
        ("n" * 101, False),
        (" " * 50 + "n" * 100, True),
        ("é" * 50, True),
        ("é" * 51, False),
        ("  ", False),
    ],
)
def test_event_name_is_limited_to_100_bytes(name: str, accepted: bool) -> None:
    if accepted:
        assert track("42", name).event_id
    else:
        with pytest.raises(InvalidArgumentsError, match="event_name"):
            track("42", name)


def test_repeated_ids_are_sent_once_in_their_order() -> None:
    request = add_to_segment("007", ["b", "a", "b"], id_type=IdType.ID)
    assert (request.method, request.path) == ("POST", "/api/v1/segments/7/add_customers?id_type=id")
    assert decode(request.content) == {"ids": ["b", "a"]}
    assert request.people == 2


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        identify("", email="ann", created_at=-1, attributes={"": 1})
    assert [problem.parameter for problem in caught.value.problems] == [
        "customer_id",
        "email",
        "created_at",
        "attributes name ''",
    ]


def test_all_problems_of_an_event_are_reported_together() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        track("", "", data={"a": object()}, event_id="order-1", timestamp=0)
    parameters = [problem.parameter for problem in caught.value.problems]
    assert parameters == ["customer_id", "event_name", "data.a", "event_id", "timestamp"]


@pytest.mark.parametrize("data", [{"a": 'x"}', "b": [1, 2.5, 1e300, None]}, {"é": "\u2028"}, {"": {}}, {"n": 10**30}])
@pytest.mark.parametrize("event_type", [None, EventType.PAGE])
def test_body_of_an_event_is_the_json_of_all_its_members(data: dict[str, Any], event_type: EventType | None) -> None:
    request = track('n"}', 'n"}', event_type=event_type, data=data, event_id=EVENT_ID)
    members = {"name": 'n"}', "id": EVENT_ID} | ({"type": "page"} if event_type else {}) | {"data": data}
    assert request.content == json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("event_id", ["", "order-1", EVENT_ID.lower(), 'x","name":"refund'])
def test_another_event_id_must_be_a_ulid(event_id: str) -> None:
    with pytest.raises(InvalidArgumentsError, match="event_id: is not "):
        track("1", "seen").with_event_id(event_id)


class TextOfItsOwn(str):
    """Text that is formatted as another one, as members of an `enum.Enum` are."""

    def __str__(self) -> str:
        return 'x","name":"refund'

    def __format__(self, spec: str) -> str:
        return str(self)


def test_subclass_of_str_is_sent_as_the_id_that_it_is() -> None:
    given, later = TextOfItsOwn(EVENT_ID), TextOfItsOwn(ULID())
    request = track("1", "seen", event_id=given)
    assert json.loads(request.content or b"") == {"name": "seen", "id": EVENT_ID}
    replaced = request.with_event_id(later)
    assert json.loads(replaced.content or b"") == {"name": "seen", "id": later}
    assert replaced.with_event_id(EVENT_ID) == request


def test_another_event_id_replaces_the_id_and_nothing_else() -> None:
    """A caller knows the id of an earlier event, and may write it anywhere."""
    ids = [str(ULID()) for _ in range(2)]
    name = f'"id":"{ids[0]}"'
    data = {"id": ids[0], "text": name, ids[0]: name}
    request = track("1", name, data=data, event_id=ids[1], timestamp=1_700_000_000)
    for event_id in (ids[0], ids[1], ids[0], ids[1]):
        request = request.with_event_id(event_id)
        assert request.event_id == event_id
        assert json.loads(request.content or b"") == {
            "name": name,
            "id": event_id,
            "timestamp": 1_700_000_000,
            "data": data,
        }
