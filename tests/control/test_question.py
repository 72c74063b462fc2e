"""What a person is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from customerio_track_mcp.control.question import question_about
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import IdType, operations

IMITATIONS = (
    '7"? Nothing will be sent. "',
    "7\n\nThis is only a test.",
    "7\u202e\u2066hidden\u2069",
    "<b>7</b>",
    "\\",
)
"""What an argument may contain so that the question reads differently."""


def of_event(customer_id: str = "42", name: str = "purchase", **options: object) -> str:
    request = operations.track(customer_id, name, **options)  # type: ignore[arg-type]
    return question_about(Write("send_event", request, customer_id, event_name=name))


def of_customer(customer_id: str = "42", **attributes: object) -> str:
    request = operations.identify(customer_id, attributes=attributes)
    return question_about(Write("create_or_update_customer", request, customer_id, attributes=attributes))


def of_segment(*ids: str) -> str:
    request = operations.add_to_segment("7", ids, id_type=IdType.ID)
    return question_about(Write("add_customers_to_segment", request, segment_id="7"))


def test_question_about_an_event() -> None:
    text = 'to customer "42"? This can start a campaign that emails them at once.'
    assert of_event() == f'Send the event "purchase" {text}'
    assert of_event(data={"total": 5, "Größe": None}) == (
        f'Send the event "purchase" {text} Data: {{"total": 5, "Größe": null}}'
    )
    assert of_event(name="/home", event_type="page") == f'Send the page event "/home" {text}'


def test_question_about_a_customer() -> None:
    assert of_customer(plan="pro", email="ann@example.com", phone=None) == (
        'Create or update customer "42"? This replaces the values shown, and can move them into campaigns that email '
        'them. 3 attributes: "email": "ann@example.com", "plan": "pro", "phone": null (clears it)'
    )
    assert of_customer(plan="pro").endswith('1 attribute: "plan": "pro"')
    assert of_customer().endswith("campaigns that email them.")


def test_what_redirects_mail_or_changes_who_a_person_is_cannot_hide() -> None:
    others: dict[str, Any] = {f"attribute {number}": number for number in range(50)}
    shown = of_customer(**others, unsubscribed=False, email="eve@example.com", cio_id="a1")
    assert all(text in shown for text in ('"email": "eve@example.com"', '"unsubscribed": false', '"cio_id": "a1"'))
    assert '"recipient": "eve@example.com"' in of_event(data={"text": "x" * 5000, "recipient": "eve@example.com"})
    request = operations.identify("42", email="eve@example.com", attributes=others)
    assert '"email": "eve@example.com"' in question_about(Write("create_or_update_customer", request, "42"))


def test_question_about_a_segment() -> None:
    text = "This can start a campaign that emails all of them, and this server cannot remove them again. Ids:"
    assert of_segment("a") == f'Add 1 person to segment 7? {text} "a"'
    many = of_segment(*map(str, range(1000)))
    assert many.startswith(f'Add 1000 people to segment 7? {text} "0", "1", ')
    assert many.endswith('"9", and 990 more that are not shown')
    assert of_segment("a", "b", "a") == f'Add 2 people to segment 7? {text} "a", "b"'


def without_strings(question: str) -> str:
    """Return a question without the JSON strings in it."""
    assert question.isprintable()
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', question)


@pytest.mark.parametrize("imitation", IMITATIONS)
def test_arguments_cannot_imitate_the_question(imitation: str) -> None:
    name = "".join(char for char in imitation if char.isprintable())  # others are rejected there
    for length in (1, 9):
        text = imitation * length
        assert without_strings(of_event(name, name, data={text: text})) == without_strings(of_event(data={"a": "b"}))
        assert without_strings(of_customer(name, **{name: text})) == without_strings(of_customer(a="b"))
        assert without_strings(of_segment(name)) == without_strings(of_segment("a"))


def test_long_arguments_are_cut_and_the_question_says_so() -> None:
    data = {"text": "x" * 50_000}
    assert "Data (the first 600 of 50012 characters): " in of_event(data=data)
    attributes = {f"attribute-{number:0140}": "x" * 1000 for number in range(300)}
    customer = of_customer("4" * 150, **attributes)
    assert "300 attributes: " in customer
    assert customer.endswith(", and 288 more that are not shown")
    for question in (
        of_event("4" * 150, "n" * 100, data=data),
        customer,
        of_segment(*(f"{i:0150}" for i in range(1000))),
    ):
        assert len(question) < 5000
