"""Which person an identify call finds, adds or fails to update."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox.drop_rules import DroppedError
from customerio_track_mcp.sandbox.people import FullError, People, Person, identifier_type_of


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


def test_people_over_the_maximum_are_refused_and_known_ones_are_updated() -> None:
    people = People(max_people=2)
    people.identify("1", {})
    people.identify("2", {})
    with pytest.raises(FullError, match="at most 2 people"):
        people.identify("3", {})
    assert people.identify("1", {"plan": "pro"}).attributes == {"plan": "pro"}
    assert len(list(people)) == 2


def test_memory_of_people_is_limited() -> None:
    people = People(max_bytes=2**20)
    for _ in range(10_000):
        people.identify("1", {"plan": "v" * 900})  # replaced, so that it does not count again

    def add_many() -> None:
        for number in range(2000):
            people.identify(f"p{number}", {"plan": "v" * 900})

    with pytest.raises(FullError, match="1 MiB"):
        add_many()
    assert 300 < len(list(people)) < 1200
    with pytest.raises(FullError):
        people.identify("1", {"plan": "free"})


def test_a_person_has_at_most_300_attributes(people: People) -> None:
    first = {f"a{number}": number for number in range(299)}
    ann = people.identify("1", first)
    assert People.attributes_beyond_maximum(ann, first) == []
    more: dict[str, object] = {"plan": "free", "email": "ann@example.com", "new": 1, "empty": "", "a0": "changed"}
    people.identify("1", more)
    assert People.attributes_beyond_maximum(ann, more) == ["new"]
    assert (len(ann.attributes), ann.attributes["plan"], ann.attributes["a0"]) == (300, "free", "changed")
    people.identify("1", {"a1": None})
    people.identify("1", {"new": 1})
    assert ann.attributes["new"] == 1


def test_cio_ids_continue_after_the_last_restored_one() -> None:
    people = People()
    people.restore(Person("03000007", id="7"))
    people.restore(Person("03000002", id="2"))
    assert people.identify("new", {}).cio_id == "03000008"


@pytest.mark.parametrize(
    "person",
    [
        Person("03000001", id="other"),
        Person("03000009", id="1"),
        Person("03000009", email="ANN@example.com"),
        Person("cio_1", id="other"),
        Person("", id="other"),
    ],
)
def test_restored_person_must_be_another_one(people: People, person: Person) -> None:
    with pytest.raises(ValueError, match=r"cio_id|another person"):
        people.restore(person)


def test_person_without_an_identifier_is_not_the_one_whose_id_is_the_word_none() -> None:
    people = People()
    people.restore(Person("03000001", id="None", email="none@example.com"))
    people.restore(Person("03000002", email="ann@example.com"))
    people.restore(Person("03000003", id="3"))
    assert len(list(people)) == 3
    assert people.find("id", None) is None
