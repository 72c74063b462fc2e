"""Which changes of a person a scenario expects or allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.matchers import OTHERS, AnyValue, is_match
from customerio_track_mcp.rehearsal.scenario import AllowedPerson, ExpectedPerson
from customerio_track_mcp.rehearsal.wildcards import is_like, is_person_like

_IDENTIFIERS = ("id", "email")


@dataclass(frozen=True, slots=True)
class PersonPermissions:
    """The changes of one person that are expected or allowed.

    Attributes:
        references: the identifiers by which the scenario names the person.
        expected: the expected changes.
        allowed: the allowed ones.
    """

    references: Sequence[str]
    expected: Sequence[ExpectedPerson]
    allowed: Sequence[AllowedPerson]

    def permit(self, name: str, value: object) -> bool:
        """Return whether an attribute, or the id or email, may have got a value; None if it was cleared.

        An expected attribute may have any value here: a wrong one is missing in `right_writes`, and is one mistake.
        """
        if name in _IDENTIFIERS and isinstance(value, str) and self._is_reference(value):
            return True
        return any(_is_expected(entry, name, value) for entry in self.expected) or any(
            _is_allowed(entry, name, value) for entry in self.allowed
        )

    def _is_reference(self, value: str) -> bool:
        return any(is_person_like(reference, value) for reference in self.references)


def permissions_of(comparison: Comparison, cio_id: str) -> PersonPermissions:
    """Return which changes of a person are expected or allowed."""
    expect, allow = comparison.scenario.expect, comparison.scenario.allow
    names = comparison.identifiers_of(cio_id)
    expected = [entry for entry in expect.people if comparison.cio_id_of(entry.person) == cio_id]
    allowed = [entry for entry in allow.people if any(is_person_like(entry.person, name) for name in names)]
    references = [reference for reference in _references(comparison) if comparison.cio_id_of(reference) == cio_id]
    return PersonPermissions([*references, *(entry.person for entry in allowed)], expected, allowed)


def may_be_added(comparison: Comparison, cio_id: str) -> bool:
    """Return whether a person may be new: the scenario expects something of the person, or allows changes."""
    permissions = permissions_of(comparison, cio_id)
    return bool(permissions.references)


def _references(comparison: Comparison) -> list[str]:
    expect = comparison.scenario.expect
    return [
        *(entry.person for entry in expect.people),
        *(entry.person for entry in expect.events),
        *(member for entry in expect.segments for member in entry.members),
    ]


def _is_expected(entry: ExpectedPerson, name: str, value: object) -> bool:
    if name in _IDENTIFIERS:
        return getattr(entry, name) is not None
    if name in entry.attributes:
        return True
    others = entry.attributes.get(OTHERS)
    return others is not None and (value is None or is_match(others, value))


def _is_allowed(entry: AllowedPerson, name: str, value: object) -> bool:
    if name in _IDENTIFIERS:
        allowed = getattr(entry, name)
        return allowed is not None and _is_value_allowed(allowed, value)
    if isinstance(entry.attributes, AnyValue):
        return True
    return _is_attribute_allowed(entry.attributes, name, value)


def _is_attribute_allowed(allowed: Mapping[str, object], name: str, value: object) -> bool:
    return any(is_like(pattern, name) and _is_value_allowed(expected, value) for pattern, expected in allowed.items())


def _is_value_allowed(expected: object, value: object) -> bool:
    return isinstance(expected, AnyValue) or is_match(expected, value)
