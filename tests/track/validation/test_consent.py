"""Consent and `_update` are sent as booleans, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from customerio_track_mcp.track import InvalidArgumentsError, operations

TRUE = [True, "true", "True", "TRUE", " true ", 1, 1.0, "1"]
FALSE = [False, "false", "False", 0, 0.0, "0"]
NEITHER = ["yes", "no", "on", "off", "y", "", " ", "unsubscribed", "null", 2, -1, 0.5, None, [], {}, [True], "x" * 900]
TOPIC = "cio_subscription_preferences.topics.topic_1"


def sent(attributes: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(operations.identify("1", attributes=attributes).content or b"")
    return body


@pytest.mark.parametrize("value", [*TRUE, *FALSE])
def test_every_form_of_a_boolean_is_sent_as_one(value: object) -> None:
    expected = value in TRUE
    for name in ("unsubscribed", "_update", TOPIC):
        assert sent({name: value, "plan": value})[name] is expected
    nested = {"topics": {"topic_1": value, "topic_2": True}}
    assert sent({"cio_subscription_preferences": nested}) == {
        "cio_subscription_preferences": {"topics": {"topic_1": expected, "topic_2": True}}
    }
    assert sent({"cio_subscription_preferences.topics": {"topic_1": value}}) == {
        "cio_subscription_preferences.topics": {"topic_1": expected}
    }


def test_other_attributes_keep_their_values_and_the_callers_object_is_not_changed() -> None:
    attributes = {"unsubscribed": "1", "plan": "true", "seats": 1, "Unsubscribed": "yes", "unsubscribed_at": 1}
    assert sent(attributes) == attributes | {"unsubscribed": True}
    assert attributes["unsubscribed"] == "1"


@pytest.mark.parametrize("value", NEITHER)
@pytest.mark.parametrize("name", ["unsubscribed", "_update", "unsubscribed.x", "cio_subscription_preferences.topics.t"])
def test_any_other_value_is_reported(name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        sent({name: value})
    (problem,) = caught.value.problems
    assert problem.parameter == f"attributes.{name}"
    assert problem.text.startswith("must be true or false")


@pytest.mark.parametrize("value", NEITHER)
@pytest.mark.parametrize("name", ["cio_subscription_preferences", "cio_subscription_preferences.a"])
def test_any_other_topic_is_reported_with_its_path(name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        sent({name: {"topics": {"topic_1": True, "topic_2": value}}})
    (problem,) = caught.value.problems
    assert problem.parameter == f"attributes.{name}.topics.topic_2"
    assert "pass a boolean for each topic" in problem.text


@pytest.mark.parametrize("value", [True, "true", 1, None, [], {}, {"topics": {}}, {"topics": None}])
def test_preferences_must_be_an_object_with_topics(value: object) -> None:
    with pytest.raises(InvalidArgumentsError, match="pass a boolean for each topic"):
        sent({"cio_subscription_preferences": value})


def test_deep_nesting_is_reported() -> None:
    deep: dict[str, Any] = {"topic_1": True}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(InvalidArgumentsError, match="must be true or false"):
        sent({"cio_subscription_preferences": deep})
