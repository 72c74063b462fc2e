"""Reserved keys are rejected unless the operator allows them."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track.validation.reserved_keys import (
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    reserved_key_problems,
)


@pytest.mark.parametrize("key", sorted(RESERVED_ATTRIBUTES))
def test_reserved_attribute_is_rejected_unless_allowed(key: str) -> None:
    (problem,) = reserved_key_problems("attributes", {key: 1, "plan": 1}, RESERVED_ATTRIBUTES, allowed=())
    assert problem.parameter == f"attributes.{key}"
    assert f"CUSTOMERIO_ALLOW_RESERVED_KEYS={key}" in problem.text
    assert reserved_key_problems("attributes", {key: 1}, RESERVED_ATTRIBUTES, allowed={key}) == []


@pytest.mark.parametrize("key", sorted(RESERVED_EVENT_DATA))
def test_reserved_key_of_event_data_is_rejected_unless_allowed(key: str) -> None:
    assert len(reserved_key_problems("data", {key: "x@example.com"}, RESERVED_EVENT_DATA, allowed=())) == 1
    assert reserved_key_problems("data", {key: "x@example.com"}, RESERVED_EVENT_DATA, allowed={key}) == []


@pytest.mark.parametrize(
    "key",
    [
        "cio_subscription_preferences.topics.topic_1",
        "cio_subscription_preferences .topics",
        " unsubscribed ",
        "unsubscribed\u200b",
        "\x00id",
        "id.x",
    ],
)
def test_dot_notation_and_invisible_characters_are_rejected(key: str) -> None:
    assert len(reserved_key_problems("attributes", {key: True}, RESERVED_ATTRIBUTES, allowed=())) == 1


@pytest.mark.parametrize("key", ["identity", "recipient", "ID", "unsubscribed_at", "topics.id"])
def test_similar_keys_are_accepted(key: str) -> None:
    assert reserved_key_problems("attributes", {key: 1}, RESERVED_ATTRIBUTES, allowed=()) == []


def test_missing_attributes_are_accepted() -> None:
    assert reserved_key_problems("attributes", None, RESERVED_ATTRIBUTES, allowed=()) == []
