"""The people of the sandbox's workspace, and how an identify call finds, adds or fails to update one.

Source: the vendor's OpenAPI document, operation `identify`. The sandbox behaves like a workspace that identifies people
by both id and email, with "Allow updates to email using ID" off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from customerio_track_mcp.sandbox.bounds import MAX_PEOPLE, MAX_PEOPLE_BYTES
from customerio_track_mcp.sandbox.drop_rules import MAX_ATTRIBUTES, DroppedError
from customerio_track_mcp.sandbox.json_values import memory_of
from customerio_track_mcp.sandbox.records import record_of

IdentifierType = Literal["id", "email", "cio_id"]

_CIO_ID = re.compile(r"cio_[a-zA-Z0-9]+")
_STORED_CIO_ID = re.compile(r"[0-9a-f]{8}")
_FIRST_CIO_ID = 0x03000001
NOT_STORED: Final = frozenset({"id", "email", "cio_id", "_update", "_timestamp", "cio_relationships"})
"""Members of an identify call that are not attributes."""
_PERSON_BYTES: Final = 500
"""Memory of a person and its places in the indexes, in addition to its JSON values."""


class FullError(Exception):
    """The workspace has as many people as it may. The text says what to do."""


@dataclass(slots=True)
class Person:
    """One person. `cio_id` is assigned by the workspace and never changes."""

    cio_id: str
    id: str | None = None
    email: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)


class People:
    """All people of the workspace, indexed by each identifier. Email addresses are case-insensitive.

    Args:
        max_people: maximum number of people.
        max_bytes: maximum memory of all people together, exceeded by one person at most.
    """

    def __init__(self, max_people: int = MAX_PEOPLE, max_bytes: int = MAX_PEOPLE_BYTES) -> None:
        self._max_people = max_people
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._last_cio_id = _FIRST_CIO_ID - 1
        self._by_cio_id: dict[str, Person] = {}
        self._by_id: dict[str, Person] = {}
        self._by_email: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_cio_id.values())

    def find(self, identifier_type: IdentifierType, identifier: object) -> Person | None:
        """Return the person with this identifier; None if there is none, or if the identifier is None."""
        if identifier is None:
            return None
        key = str(identifier)
        if identifier_type == "email":
            return self._by_email.get(key.lower())
        if identifier_type == "cio_id":
            return self._by_cio_id.get(key.removeprefix("cio_"))
        return self._by_id.get(key)

    def restore(self, person: Person) -> None:
        """Add a person read from storage.

        Raises:
            ValueError: the cio_id is not one that this workspace assigns, or an identifier belongs to another person.
            FullError: there are as many people as there may be.
        """
        if not _STORED_CIO_ID.fullmatch(person.cio_id):
            raise ValueError("the cio_id is not one that this workspace assigns")
        if person.cio_id in self._by_cio_id or self.find("id", person.id) or self.find("email", person.email):
            raise ValueError("an identifier belongs to another person")
        self._require_room(is_new=True)
        self._by_cio_id[person.cio_id] = person
        self._last_cio_id = max(self._last_cio_id, int(person.cio_id, 16))
        self._set_identifiers(person, {"id": person.id, "email": person.email})
        self._measure(person)

    def identify(self, identifier: str, body: Mapping[str, object]) -> Person:
        """Add or update the person identified by `identifier` (from the path) and by the identifiers in the body.

        Raises:
            DroppedError: the API would drop the update. No person was changed.
            FullError: there are as many people as there may be. No person was changed.
        """
        path_type = identifier_type_of(identifier)
        path_person = self.find(path_type, identifier)
        if path_person is None:
            if path_type == "cio_id":
                raise DroppedError("no person has the cio_id in the path")
            if body.get(path_type) and str(body[path_type]).lower() != identifier.lower():
                raise DroppedError(f"Attribute Update Failure: the path and the body have two different {path_type}s")
        body_people = [self.find(name, body[name]) for name in ("id", "email", "cio_id") if body.get(name)]
        matches = [person for person in (path_person, *body_people) if person is not None]
        if any(person is not matches[0] for person in matches):
            raise DroppedError(
                "Attribute Update Failure: the identifiers in the path and the body belong to different people"
            )
        if body.get("cio_id") and not matches:
            raise DroppedError("no person has the cio_id in the body")
        if not matches and body.get("_update") is True:
            raise DroppedError("Failed Attribute Change: _update is true, but no person has these identifiers")
        identifiers = {name: str(body[name]) for name in ("id", "email") if body.get(name)}
        if path_person is None:
            identifiers |= {path_type: identifier}
        elif path_type != "cio_id":
            self.reject_identifier_change(path_person, identifiers)
        self._require_room(is_new=not matches)
        person = matches[0] if matches else self._add()
        self._set_identifiers(person, identifiers)
        self._set_attributes(person, body)
        self._measure(person)
        return person

    @staticmethod
    def attributes_beyond_maximum(person: Person, body: Mapping[str, object]) -> list[str]:
        """Return the attributes in `body` that were dropped, since the person already had as many as it may have."""
        return [name for name, value in body.items() if _is_value(name, value) and name not in person.attributes]

    @classmethod
    def keeps_all_attributes(cls, person: Person, body: Mapping[str, object]) -> bool:
        """Return whether the person has room for every attribute in `body`."""
        trial = replace(person, attributes=person.attributes.copy())
        cls._set_attributes(trial, body)
        return not cls.attributes_beyond_maximum(trial, body)

    def _require_room(self, *, is_new: bool) -> None:
        if self._bytes >= self._max_bytes or (is_new and len(self._by_cio_id) >= self._max_people):
            raise FullError(
                f"the workspace is full: it keeps at most {self._max_people} people, and {self._max_bytes >> 20} MiB "
                "of them; reset it on its page"
            )

    def _measure(self, person: Person) -> None:
        size = _PERSON_BYTES + memory_of(record_of(person))
        self._bytes += size - self._sizes.get(person.cio_id, 0)
        self._sizes[person.cio_id] = size

    @staticmethod
    def reject_identifier_change(person: Person, identifiers: Mapping[str, str]) -> None:
        """Raise `DroppedError` if the identifiers of a person differ from the existing ones."""
        for name, old in (("id", person.id), ("email", person.email)):
            new = identifiers.get(name)
            if old is not None and new is not None and new.lower() != old.lower():
                setting = ", or through the id if the workspace allows it" if name == "email" else ""
                raise DroppedError(
                    f"Attribute Update Failure: an existing {name} can be changed only through cio_<cio_id>{setting}"
                )

    def _add(self) -> Person:
        self._last_cio_id += 1
        person = Person(cio_id=f"{self._last_cio_id:08x}")
        self._by_cio_id[person.cio_id] = person
        return person

    def _set_identifiers(self, person: Person, identifiers: Mapping[str, str | None]) -> None:
        if (new_id := identifiers.get("id")) is not None:
            self._by_id.pop(person.id or "", None)
            self._by_id[new_id] = person
            person.id = new_id
        if (new_email := identifiers.get("email")) is not None:
            self._by_email.pop((person.email or "").lower(), None)
            self._by_email[new_email.lower()] = person
            person.email = new_email

    @staticmethod
    def _set_attributes(person: Person, body: Mapping[str, object]) -> None:
        for name, value in body.items():
            if not _is_value(name, value):
                person.attributes.pop(name, None)
            elif name in person.attributes or len(person.attributes) < MAX_ATTRIBUTES:
                person.attributes[name] = value


def _is_value(name: str, value: object) -> bool:
    """Return whether an identify call sets an attribute to this value: null and an empty string clear it."""
    return name not in NOT_STORED and value is not None and value != ""


def identifier_type_of(identifier: str) -> IdentifierType:
    """Return the type that the vendor infers from the form of an identifier in a path."""
    if _CIO_ID.fullmatch(identifier):
        return "cio_id"
    return "email" if "@" in identifier else "id"
