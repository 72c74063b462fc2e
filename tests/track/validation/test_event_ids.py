"""Event ids must be ULIDs in their canonical form: the Track API recognizes repeated events by nothing else."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from customerio_track_mcp.track import new_event_id
from customerio_track_mcp.track.validation.event_ids import event_id_problems

EVENT_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ACCEPTED = "pass 26 digits and upper-case letters (0 to 9, A to Z without I, L, O and U; the first one 0 to 7)"


@given(st.integers(0, 2**128 - 1))
def test_every_ulid_is_accepted(number: int) -> None:
    assert event_id_problems("event_id", str(ULID.from_int(number))) == []


def test_new_ids_are_accepted_and_differ() -> None:
    ids = {new_event_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert [event_id for event_id in ids if event_id_problems("event_id", event_id)] == []


@given(st.integers(0, 25), st.characters())
def test_no_other_character_is_accepted(position: int, character: str) -> None:
    changed = EVENT_ID[:position] + character + EVENT_ID[position + 1 :]
    is_valid = character in ("01234567" if position == 0 else "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert (event_id_problems("event_id", changed) == []) is is_valid


@pytest.mark.parametrize(
    "event_id",
    [
        "",
        " ",
        EVENT_ID[:-1],
        EVENT_ID + "0",
        "8" + EVENT_ID[1:],
        "Z" * 26,
        "01ARZ3NDEKTSV4RRFFQ69G5FA" + "\N{ARABIC-INDIC DIGIT ONE}",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "order-1042",
        str(uuid.UUID(int=1)),
        uuid.UUID(int=1).hex,
        uuid.UUID(int=1),
        ULID.from_str(EVENT_ID),
        EVENT_ID.encode(),
        1042,
        True,
    ],
)
def test_anything_else_is_reported_with_what_is_accepted(event_id: object) -> None:
    (problem,) = event_id_problems("event_id", event_id)
    assert problem.parameter == "event_id"
    assert problem.text.startswith("is not a ULID, and the Track API recognizes a repeated event by nothing else; ")
    assert ACCEPTED in problem.text
    assert problem.text.endswith("as new_event_id() returns")


@pytest.mark.parametrize(
    ("event_id", "form"),
    [
        (EVENT_ID.lower(), "is not in upper case"),
        (EVENT_ID.capitalize(), "is not in upper case"),
        (f"{EVENT_ID}\n", "has white space around it"),
        (f" {EVENT_ID.lower()} ", "has white space around it"),
    ],
)
def test_ulid_in_another_form_is_reported_as_one(event_id: str, form: str) -> None:
    """The Track API may take it for another id, so it is not changed silently."""
    (problem,) = event_id_problems("event_id", event_id)
    assert problem.text.startswith(f"{form}, and the Track API may take it for another id; {ACCEPTED}")
