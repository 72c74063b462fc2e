"""Whom an identify call finds, makes, or fails to update."""

import pytest

from customerio_track_mcp.sandbox.people import DroppedError, People, shape_of


@pytest.fixture
def people() -> People:
    made = People()
    made.identify("1", {"email": "ann@example.com", "plan": "pro"})
    made.identify("2", {"email": "bob@example.com"})
    return made


@pytest.mark.parametrize(
    ("identifier", "shape"),
    [
        ("42", "id"),
        ("ann@example.com", "email"),
        ("cio_03000001", "cio_id"),
        ("cio_a b", "id"),
        ("cio_é", "id"),
        ("cio_", "id"),
    ],
)
def test_the_shape_of_an_identifier_tells_its_type(identifier: str, shape: str) -> None:
    assert shape_of(identifier) == shape


def test_a_new_identifier_makes_a_person(people: People) -> None:
    person = people.identify("3", {"name": "Cleo"})
    assert (person.id, person.email, person.attributes) == ("3", None, {"name": "Cleo"})
    assert people.find("cio_id", f"cio_{person.cio_id}") is person
    assert len(list(people)) == 3


def test_a_known_identifier_of_any_type_updates_the_person(people: People) -> None:
    ann = people.find("id", "1")
    assert ann is not None
    people.identify("1", {"plan": "free"})
    people.identify("ANN@example.com", {"city": "Ghent"})
    people.identify(f"cio_{ann.cio_id}", {"seats": 3})
    assert ann.attributes == {"plan": "free", "city": "Ghent", "seats": 3}
    assert len(list(people)) == 2


def test_null_and_the_empty_string_clear_an_attribute(people: People) -> None:
    people.identify("1", {"plan": None})
    people.identify("2", {"absent": ""})
    assert [person.attributes for person in people] == [{}, {}]


def test_a_new_id_with_a_known_email_renames_that_person(people: People) -> None:
    person = people.identify("99", {"email": "ann@example.com"})
    assert people.find("id", "99") is person
    assert people.find("id", "1") is None
    assert person.id == "99"


def test_a_person_found_by_email_can_be_given_an_id(people: People) -> None:
    people.identify("new@example.com", {})
    person = people.identify("new@example.com", {"id": "77"})
    assert people.find("id", "77") is person


def test_identifiers_of_two_people_in_one_call_change_nobody(people: People) -> None:
    with pytest.raises(DroppedError, match="Attribute Update Failure"):
        people.identify("1", {"email": "bob@example.com", "plan": "free"})
    with pytest.raises(DroppedError, match="Attribute Update Failure"):
        people.identify("3", {"id": "1", "email": "bob@example.com"})
    with pytest.raises(DroppedError, match="two different ids"):
        people.identify("3", {"id": "4"})
    with pytest.raises(DroppedError, match="two different emails"):
        people.identify("new@example.com", {"email": "other@example.com"})
    assert [person.attributes for person in people] == [{"plan": "pro"}, {}]


def test_an_identifier_once_set_changes_only_by_cio_id(people: People) -> None:
    with pytest.raises(DroppedError, match="changes only through cio_"):
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
def test_updates_of_nobody_are_dropped(people: People, identifier: str, body: dict[str, object], reason: str) -> None:
    with pytest.raises(DroppedError, match=reason):
        people.identify(identifier, body)
    assert len(list(people)) == 2


def test_orders_among_the_attributes_are_not_stored(people: People) -> None:
    person = people.identify("1", {"_update": True, "_timestamp": 1, "cio_relationships": {}, "plan": "free"})
    assert person.attributes == {"plan": "free"}
