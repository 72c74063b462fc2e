"""Which events are identical."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.track import EventType
from tests.support.once import EVENT, event_write

FINGERPRINTS: Final = Fingerprints(b"key")
SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, 2**64, 10**20, 1e20, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["", "0", "1", "1.0", "null", "true", "[]", "\u00fc", "u\u0308", "\x00", "\u2028", '", "']
)
NAMES: Final = st.text("abü", min_size=1, max_size=3)
JSON: Final = st.recursive(
    SCALARS | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)
DATA: Final = st.dictionaries(NAMES, JSON, min_size=1, max_size=4)


def fingerprint(call: Call | None = None, **changes: Any) -> bytes:
    return FINGERPRINTS.of(event_write(**changes), call or Call())


def reordered(value: Any) -> Any:
    """Return an equal value whose objects have their keys in reverse order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=50)
@given(DATA)
def test_the_order_of_keys_does_not_matter(data: dict[str, Any]) -> None:
    assert fingerprint(data=data) == fingerprint(data=reordered(data))


@settings(max_examples=50)
@given(DATA, DATA)
def test_other_data_is_another_event(one: dict[str, Any], other: dict[str, Any]) -> None:
    are_equal = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(data=one) == fingerprint(data=other)) is are_equal


def test_values_of_other_types_are_other_events() -> None:
    values = [
        1,
        1.0,
        True,
        "1",
        "1.0",
        "true",
        [1],
        {"1": 1},
        0,
        -0.0,
        0.0,
        False,
        None,
        "",
        "null",
        [],
        {},
        [[]],
        [{}],
    ]
    values += ["\u00fc", "u\u0308", "\\u00fc", 2**64, float(2**64), str(2**64)]
    data = [{"a": value} for value in values] + [{"a": 1, "b": value} for value in values]
    assert len({fingerprint(data=item) for item in data}) == len(data)


def test_text_between_the_parts_cannot_be_moved() -> None:
    calls = [
        fingerprint(Call(Caller(identity=identity), idempotency_key=key), event_name=name)
        for identity, key, name in (
            ("a", "b", "c"),
            ('a", "b', "", "c"),
            ("a", 'b", "1", "c', "c"),
            ("", "ab", "c"),
            ("ab", "", "c"),
            ("a\nb", "", "c"),
        )
    ]
    assert len(set(calls)) == len(calls)


def test_caller_whose_identity_is_not_valid_unicode_has_a_fingerprint() -> None:
    """A token may contain one: in JSON, a lone surrogate can be escaped."""
    one, other = (fingerprint(Call(Caller(identity=identity)), data={"a": 1}) for identity in ("\ud800", "\ud801"))
    assert one != other


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"data": {"total": 12.5, "name": "Zo\u00eb", "paid": True}},
            "3b7e5e1101ea5d860a400d2645fcb58e0f26ca1bf12e8a21690379d2e040c9a1",
        ),
        (
            {"data": {"items": [{"b": 1, "a": None}]}},
            "e4aad789e13379c753b17b99265edc8e3a0e0b95e185bcc24cb0c3a69e2d4973",
        ),
    ],
    ids=["scalars", "nested"],
)
def test_versions_agree_on_the_fingerprint(changes: dict[str, Any], expected: str) -> None:
    """Replicas of two versions may share Redis, and the event id of an idempotency key is derived from it."""
    call = Call(Caller(identity="ann"), idempotency_key="order-17")
    assert fingerprint(call, **changes).hex() == expected


def test_every_part_counts() -> None:
    calls = [
        fingerprint(),
        fingerprint(customer_id="2"),
        fingerprint(customer_id="1/events"),
        fingerprint(event_name="Bought"),
        fingerprint(event_type=EventType.PAGE),
        fingerprint(event_type=EventType.SCREEN),
        fingerprint(data=None),
        fingerprint(data={"order": "A-17", "items": [2, 1]}),
        fingerprint(data={"order": "A-17", "items": ["1", 2]}),
        fingerprint(data=EVENT["data"] | {"id": "1"}),
        fingerprint(data=EVENT["data"] | {"type": "event"}),
        fingerprint(Call(Caller(identity="ann"))),
        fingerprint(Call(Caller(identity="bob"))),
        fingerprint(Call(idempotency_key="ann")),
        fingerprint(Call(Caller(identity="ann"), idempotency_key="ann")),
        Fingerprints(b"another key").of(event_write(), Call()),
    ]
    assert len(set(calls)) == len(calls)


@pytest.mark.parametrize(
    "changes", [{}, {"event_type": EventType.EVENT}, {"event_name": " bought\n"}, {"data": dict(EVENT["data"])}]
)
def test_forms_of_the_same_event_are_identical(changes: dict[str, Any]) -> None:
    assert fingerprint(**changes) == fingerprint()
