import json

import pytest
from ulid import ULID

from customerio_track_mcp.track import EventType, IdType, InvalidArgumentsError
from customerio_track_mcp.track.operations import add_to_segment, event, identify


def body_of(content: bytes | None) -> dict[str, object]:
    assert content is not None
    body: dict[str, object] = json.loads(content)
    return body


def test_identify_puts_email_and_created_at_among_the_attributes() -> None:
    request = identify("42", email="ann@example.com", created_at=1_700_000_000, attributes={"plan": "pro", "old": None})
    assert (request.method, request.path) == ("PUT", "/api/v1/customers/42")
    assert body_of(request.content) == {
        "plan": "pro",
        "old": None,
        "email": "ann@example.com",
        "created_at": 1_700_000_000,
    }


def test_an_event_carries_a_new_ulid_its_trimmed_name_and_what_was_given() -> None:
    request = event("42", "  purchase ", event_type=EventType.PAGE, data={"price": 2})
    assert (request.method, request.path) == ("POST", "/api/v1/customers/42/events")
    body = body_of(request.content)
    assert body == {"name": "purchase", "type": "page", "data": {"price": 2}, "id": request.event_id}
    assert str(ULID.from_str(str(request.event_id))) == request.event_id
    assert event("42", "purchase").event_id != request.event_id


def test_an_event_without_type_and_data_leaves_them_out() -> None:
    assert set(body_of(event("42", "purchase").content)) == {"name", "id"}


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
def test_an_event_name_is_limited_to_100_bytes(name: str, accepted: bool) -> None:
    if accepted:
        assert event("42", name).event_id
    else:
        with pytest.raises(InvalidArgumentsError, match="event_name"):
            event("42", name)


def test_repeated_ids_are_sent_once_in_the_order_given() -> None:
    request = add_to_segment("007", ["b", "a", "b"], id_type=IdType.ID)
    assert (request.method, request.path) == ("POST", "/api/v1/segments/7/add_customers?id_type=id")
    assert body_of(request.content) == {"ids": ["b", "a"]}
    assert request.people == 2


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        identify("", email="ann", created_at=-1, attributes={"": 1})
    assert [problem.parameter for problem in caught.value.problems] == [
        "customer_id",
        "email",
        "created_at",
        "attributes name ''",
    ]


def test_a_long_list_of_problems_is_cut_in_words_but_not_in_data() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        add_to_segment("1", ["no address"] * 30, id_type=IdType.EMAIL)
    assert len(caught.value.problems) == 30
    assert str(caught.value).endswith("and 10 more")
    assert "customer_ids[19]" in str(caught.value)
    assert "customer_ids[20]" not in str(caught.value)
