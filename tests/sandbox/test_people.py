"""Which person an identify call finds, adds or fails to update."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox.drop_rules import DroppedError
from customerio_track_mcp.sandbox.people import People, identifier_type_of


@pytest.fixture
def people() -> People:
    people = People()
    people.identify("1", {"email": "ann@example.com", "plan": "pro"})
    people.identify("2", {"email": "bob@example.com"})
    return people


@pytest.mark.parametrize(
    ("identifier", "identifier_type"),
    [
        ("42", "id"),
        ("ann@example.com", "email"),
        ("cio_03000001", "cio_id"),
        ("cio_a b", "id"),
        ("cio_é", "id"),
        ("cio_", "id"),
    ],
)
def test_identifier_type_is_inferred_from_its_form(identifier: str, identifier_type: str) -> None:
    assert identifier_type_of(identifier) == identifier_type


def test_new_identifier_adds_a_person(people: People) -> None:
    person = people.identify("3", {"name": "Cleo"})
    assert (person.id, person.email, person.attributes) == ("3", None, {"name": "Cleo"})
    assert people.find("cio_id", f"cio_{person.cio_id}") is person
    assert len(list(people)) == 3


def test_known_identifier_of_any_type_updates_the_person(people: People) -> None:
    ann = people.find("id", "1")
    assert ann is not None
    people.identify("1", {"plan": "free"})
    people.identify("ANN@example.com", {"city": "Ghent"})
    people.identify(f"cio_{ann.cio_id}", {"seats": 3})
    assert ann.attributes == {"plan": "free", "city": "Ghent", "seats": 3}
    assert len(list(people)) == 2


def test_null_and_empty_string_clear_an_attribute(people: People) -> None:
    people.identify("1", {"plan": None})
    people.identify("2", {"absent": ""})
    assert [person.attributes for person in people] == [{}, {}]


def test_new_id_with_a_known_email_changes_that_persons_id(people: People) -> None:
    person = people.identify("99", {"email": "ann@example.com"})
    assert people.find("id", "99") is person
    assert people.find("id", "1") is None
    assert person.id == "99"


def test_person_found_by_email_can_get_an_id(people: People) -> None:
    people.identify("new@example.com", {})
    person = people.identify("new@example.com", {"id": "77"})
    assert people.find("id", "77") is person


def test_identifiers_of_two_people_in_one_call_change_neither(people: People) -> None:
    with pytest.raises(DroppedError, match="Attribute Update Failure"):
        people.identify("1", {"email": "bob@example.com", "plan": "free"})
    with pytest.raises(DroppedError, match="Attribute Update Failure"):
        people.identify("3", {"id": "1", "email": "bob@example.com"})
    with pytest.raises(DroppedError, match="two different ids"):
        people.identify("3", {"id": "4"})
    with pytest.raises(DroppedError, match="two different emails"):
        people.identify("new@example.com", {"email": "other@example.com"})
    assert [person.attributes for person in people] == [{"plan": "pro"}, {}]


def test_existing_identifier_changes_only_through_cio_id(people: People) -> None:
    with pytest.raises(DroppedError, match="can be changed only through cio_"):
        people.identify("1", {"email": "new@example.com"})
    ann = people.find("id", "1")
    assert ann is not None
    people.identify(f"cio_{ann.cio_id}", {"email": "new@example.com", "id": "one"})
    assert people.find("email", "ann@example.com") is None
    assert people.find("email", "NEW@example.com") is people.find("id", "one") is ann


@pytest.mark.parametrize(
    ("identifier", "body", "reason"),
    [
        ("cio_0badbad0", {}, "cio_id in the path"),
        ("3", {"cio_id": "0badbad0"}, "cio_id in the body"),
        ("3", {"_update": True}, "Failed Attribute Change"),
    ],
)
def test_updates_of_unknown_people_are_dropped(
    people: People, identifier: str, body: dict[str, object], reason: str
) -> None:
    with pytest.raises(DroppedError, match=reason):
        people.identify(identifier, body)
    assert len(list(people)) == 2


def test_instructions_among_the_attributes_are_not_stored(people: People) -> None:
    person = people.identify("1", {"_update": True, "_timestamp": 1, "cio_relationships": {}, "plan": "free"})
    assert person.attributes == {"plan": "free"}
