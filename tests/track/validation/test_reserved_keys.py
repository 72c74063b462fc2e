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


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("Unsubscribed", "unsubscribed"),
        ("CIO_Subscription_Preferences", "cio_subscription_preferences"),
        ("CIO_SUBSCRIPTION_PREFERENCES.topics.topic_1", "cio_subscription_preferences"),
        ("cio_subscription_preferences[topics][topic_1]", "cio_subscription_preferences"),
        ('cio_subscription_preferences["topics"]', "cio_subscription_preferences"),
        ("[unsubscribed]", "unsubscribed"),
        ("id[0]", "id"),
        ("Cio_Id", "cio_id"),
        ("_Update", "_update"),
        ("\uff55\uff4e\uff53\uff55\uff42\uff53\uff43\uff52\uff49\uff42\uff45\uff44", "unsubscribed"),
        ("\uff29\uff44\uff0e\uff58".replace("\uff29", "\uff49"), "id"),
        ("cio_id\uff3bx\uff3d", "cio_id"),
        ("un\ufe0fsub\u034fscribed\u3164", "unsubscribed"),
        ("\u2060\u200b\u00ad_update\u200d", "_update"),
    ],
)
def test_keys_that_look_reserved_are_rejected_unless_allowed(key: str, reserved: str) -> None:
    (problem,) = reserved_key_problems("attributes", {key: True}, RESERVED_ATTRIBUTES, allowed=())
    assert f"reserved key{f' {reserved}' if 'looks like' in problem.text else ''}" in problem.text
    assert f"CUSTOMERIO_ALLOW_RESERVED_KEYS={reserved}" in problem.text
    assert reserved_key_problems("attributes", {key: True}, RESERVED_ATTRIBUTES, allowed={reserved}) == []


@pytest.mark.parametrize(
    "key", ["Recipient", "RECIPIENT[0]", "From_Address", "reply_to[]", "\uff52eply_to", "reply_to\u200b"]
)
def test_keys_of_event_data_that_look_reserved_are_rejected(key: str) -> None:
    assert len(reserved_key_problems("data", {key: "x@example.com"}, RESERVED_EVENT_DATA, allowed=())) == 1


@pytest.mark.parametrize(
    "key",
    ["identity", "recipient", "ID", "Id", "unsubscribed_at", "topics.id", "Email", "Email Address", "email_opt_in",
     "i.d", "idé", "íd", "update", "", ".", "[]", "\u200b", "id " * 100],
)  # fmt: skip
def test_similar_keys_are_accepted(key: str) -> None:
    assert reserved_key_problems("attributes", {key: 1}, RESERVED_ATTRIBUTES, allowed=()) == []


def test_missing_attributes_are_accepted() -> None:
    assert reserved_key_problems("attributes", None, RESERVED_ATTRIBUTES, allowed=()) == []
