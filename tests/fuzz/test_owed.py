from __future__ import annotations

from fuzz.messages import Message
from fuzz.owed import OwedResponses


def message(number: int, *ids: int | str | None, optional: bool = False) -> Message:
    return Message(number, b"", ids=ids, is_optional=optional)


def test_a_response_belongs_to_the_message_with_its_id() -> None:
    owed = OwedResponses()
    first, second = message(1, "a"), message(2, 2)
    owed.add(first)
    owed.add(second)
    assert (owed.take(2), owed.take("a"), len(owed)) == (second, first, 0)


def test_a_second_response_belongs_to_no_message() -> None:
    owed = OwedResponses()
    owed.add(message(1, "a"))
    owed.add(message(2, None))
    assert [owed.take(request_id) is None for request_id in ("a", None, "a", None, "b")] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_null_answers_what_cannot_have_another_id_first() -> None:
    owed = OwedResponses()
    optional, either, strict = message(1, None, optional=True), message(2, "b", None), message(3, None)
    for each in (optional, either, strict):
        owed.add(each)
    assert len(owed) == 2
    assert [owed.take(None), owed.take("b"), owed.take(None), owed.take(None)] == [strict, either, optional, None]


def test_a_response_with_an_own_id_after_one_with_null_corrects_what_null_answered() -> None:
    owed = OwedResponses()
    either = message(1, "a", None)
    owed.add(either)
    owed.add(message(2, "b", None))
    assert owed.take(None) is either
    assert owed.take("a") is either  # so null answered the other one
    assert len(owed) == 0
    assert owed.take("b") is None  # and a third response is one too many


def test_what_is_not_answered_in_time_is_given_up_once() -> None:
    owed = OwedResponses(timeout=-1)
    late, optional = message(1, "a"), message(2, None, optional=True)
    owed.add(late)
    owed.add(optional)
    assert owed.give_up_late() == [late]
    assert owed.give_up_late() == []
    assert owed.take("a") is None


def test_a_notification_is_owed_nothing() -> None:
    owed = OwedResponses()
    owed.add(message(1))
    assert (len(owed), list(owed), owed.take(None)) == (0, [], None)
