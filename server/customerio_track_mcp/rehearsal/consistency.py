"""What a scenario contains that cannot be meant: people who are there twice or not at all, a misspelled placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from customerio_track_mcp.rehearsal.places import Place
from customerio_track_mcp.rehearsal.scenario import PEOPLE_PLACEHOLDER, Scenario, StartingPerson
from customerio_track_mcp.rehearsal.shown_text import shown

_PLACEHOLDER: Final = re.compile(r"\{(\w{1,20})\}")


def contradictions_in(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    """Yield what contradicts itself, with its place."""
    yield from _repeated_identifiers(scenario.people)
    yield from _repeated_numbers("segments", [segment.id for segment in scenario.segments])
    known = {name for person in scenario.people for name in _names(person)}
    for index, event in enumerate(scenario.events):
        yield from _unknown_person(("events", index, "person"), event.person, known)
    for index, segment in enumerate(scenario.segments):
        for position, member in enumerate(segment.members):
            yield from _unknown_person(("segments", index, "members", position), member, known)
    yield from _repeated_references(("expect", "people"), [entry.person for entry in scenario.expect.people])
    for index, entry in enumerate(scenario.expect.people):
        if entry.email is None and not _may_name_a_new_person(entry.person):
            for place, text in _unknown_person(("expect", "people", index, "person"), entry.person, known):
                yield place, f"{text}, or add email for a new one"
    yield from _misspelled_placeholders(scenario.prompt)


def _names(person: StartingPerson) -> list[str]:
    return [*([person.id] if person.id else ()), *([person.email.lower()] if person.email else ())]


def _repeated_identifiers(people: Sequence[StartingPerson]) -> Iterator[tuple[Place, str]]:
    seen: dict[str, int] = {}
    for index, person in enumerate(people):
        for name in _names(person):
            if (first := seen.setdefault(name, index)) != index:
                yield (
                    ("people", index),
                    f"{shown(name)} is an identifier of people[{first}] already; each is one person's",
                )


def _repeated_numbers(place: str, numbers: Sequence[int]) -> Iterator[tuple[Place, str]]:
    for index, number in enumerate(numbers):
        if number in numbers[:index]:
            yield (place, index, "id"), f"{number} is the number of another segment already; each has its own"


def _repeated_references(place: Place, references: Sequence[str]) -> Iterator[tuple[Place, str]]:
    for index, reference in enumerate(references):
        if reference in references[:index]:
            yield (*place, index, "person"), f"{shown(reference)} is there twice; write its changes in one entry"


def _may_name_a_new_person(reference: str) -> bool:
    return "@" in reference or reference.startswith("cio_")


def _misspelled_placeholders(prompt: str) -> Iterator[tuple[Place, str]]:
    for name in dict.fromkeys(_PLACEHOLDER.findall(prompt)):
        written = f"{{{name}}}"
        if written != PEOPLE_PLACEHOLDER and get_close_matches(written.lower(), [PEOPLE_PLACEHOLDER], cutoff=0.8):
            yield ("prompt",), f"{written} is not replaced; did you mean {PEOPLE_PLACEHOLDER}?"


def _unknown_person(place: Place, reference: str, known: set[str]) -> Iterator[tuple[Place, str]]:
    name = reference.lower() if "@" in reference else reference
    if name not in known:
        yield place, f"{shown(reference)} is not one of people; use the id or email of a person at the start"
