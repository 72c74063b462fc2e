"""The people of the sandbox's workspace, and how an identify call finds, makes or fails to update one.

Source: the vendor's OpenAPI document, operation `identify`. The sandbox behaves as a workspace that identifies
people by both id and email, with "Allow updates to email using ID" off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

IdentifierType = Literal["id", "email", "cio_id"]

_CIO_ID = re.compile(r"cio_[a-zA-Z0-9]+")
_FIRST_CIO_ID = 0x03000001
_NOT_STORED = frozenset({"id", "email", "cio_id", "_update", "_timestamp", "cio_relationships"})


class DroppedError(Exception):
    """The real API would answer 200 and drop this; the text is the reason."""


@dataclass(slots=True)
class Person:
    """One person. `cio_id` is the workspace's own name for them and never changes."""

    cio_id: str
    id: str | None = None
    email: str | None = None
    attributes: dict[str, object] = field(default_factory=dict)


class People:
    """Everybody in the workspace, found by any identifier. Email addresses are found in any case."""

    def __init__(self) -> None:
        self._by_cio_id: dict[str, Person] = {}
        self._by_id: dict[str, Person] = {}
        self._by_email: dict[str, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._by_cio_id.values())

    def find(self, identifier_type: IdentifierType, identifier: object) -> Person | None:
        """The person whom `identifier` of the given type names."""
        key = str(identifier)
        if identifier_type == "email":
            return self._by_email.get(key.lower())
        if identifier_type == "cio_id":
            return self._by_cio_id.get(key.removeprefix("cio_"))
        return self._by_id.get(key)

    def restore(self, person: Person) -> None:
        """Take back somebody who was here before."""
        self._by_cio_id[person.cio_id] = person
        self._name(person, {"id": person.id, "email": person.email})

    def identify(self, identifier: str, body: Mapping[str, object]) -> Person:
        """Make or update the person that the path's `identifier` and the body's identifiers name.

        Raises:
            DroppedError: the update would be dropped; nobody was changed.
        """
        by, in_path = shape_of(identifier), self.find(shape_of(identifier), identifier)
        if by == "cio_id" and in_path is None:
            raise DroppedError("the cio_id in the path belongs to nobody")
        if by != "cio_id" and in_path is None and body.get(by) and str(body[by]).lower() != identifier.lower():
            raise DroppedError(f"Attribute Update Failure: the path and the body give two different {by}s")
        in_body = [self.find(name, body[name]) for name in ("id", "email", "cio_id") if body.get(name)]
        known = [person for person in (in_path, *in_body) if person is not None]
        if any(person is not known[0] for person in known):
            raise DroppedError("Attribute Update Failure: the identifiers in the path and body name different people")
        if body.get("cio_id") and not known:
            raise DroppedError("the cio_id in the body belongs to nobody")
        if not known and body.get("_update") is True:
            raise DroppedError("Failed Attribute Change: _update is true and nobody has these identifiers")
        wanted = {name: str(body[name]) for name in ("id", "email") if body.get(name)}
        if in_path is None:
            wanted |= {by: identifier}
        elif by != "cio_id":
            self._refuse_changes(in_path, wanted)
        person = known[0] if known else self._add()
        self._name(person, wanted)
        self._set(person, body)
        return person

    @staticmethod
    def _refuse_changes(person: Person, wanted: Mapping[str, str]) -> None:
        for name, old in (("id", person.id), ("email", person.email)):
            new = wanted.get(name)
            if old is not None and new is not None and new.lower() != old.lower():
                raise DroppedError(f"Attribute Update Failure: {name}, once set, changes only through cio_<cio_id>")

    def _add(self) -> Person:
        person = Person(cio_id=f"{_FIRST_CIO_ID + len(self._by_cio_id):08x}")
        self._by_cio_id[person.cio_id] = person
        return person

    def _name(self, person: Person, wanted: Mapping[str, str | None]) -> None:
        if (new_id := wanted.get("id")) is not None:
            self._by_id.pop(person.id or "", None)
            self._by_id[new_id] = person
            person.id = new_id
        if (new_email := wanted.get("email")) is not None:
            self._by_email.pop((person.email or "").lower(), None)
            self._by_email[new_email.lower()] = person
            person.email = new_email

    @staticmethod
    def _set(person: Person, body: Mapping[str, object]) -> None:
        for name, value in body.items():
            if name in _NOT_STORED:
                continue
            if value is None or value == "":
                person.attributes.pop(name, None)
            else:
                person.attributes[name] = value


def shape_of(identifier: str) -> IdentifierType:
    """What the vendor takes an identifier in a path for, going by its shape alone."""
    if _CIO_ID.fullmatch(identifier):
        return "cio_id"
    return "email" if "@" in identifier else "id"
