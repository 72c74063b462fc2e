"""The guide says what the validation does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from customerio_track_mcp.resources.guide import guide_text
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import (
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    EventType,
    IdType,
    InvalidArgumentsError,
    limits,
    operations,
)
from tests.support.tokens import estimated_tokens

LIMITS = sorted(name for name in vars(limits) if name.isupper())
MAX_TOKENS = 1000


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_in_the_guide_and_changes_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = 31_415_926
    assert re.search(rf"\| {getattr(limits, name)}\b", guide_text())
    monkeypatch.setattr(limits, name, value)
    assert f"| {value}" in guide_text()


@pytest.mark.parametrize(
    ("request_with", "row", "bytes_around"),
    [
        (lambda text: operations.identify(text), "`customer_id`, and each of `customer_ids`", ""),
        (lambda text: operations.add_to_segment("1", [text]), "`customer_id`, and each of `customer_ids`", ""),
        (lambda text: operations.identify("1", email=text), "`email`, and each of", "@example.com"),
        (
            lambda text: operations.add_to_segment("1", [text], id_type=IdType.EMAIL),
            "and each of `customer_ids` with `id_type` `email`",
            "@example.com",
        ),
        (lambda text: operations.identify("1", attributes={text: 1}), "an attribute's name", ""),
        (lambda text: operations.identify("1", attributes={"x": text}), "an attribute's value", ""),
        (lambda text: operations.identify("1", attributes={"x": [text]}), "an attribute's value", '[""]'),
        (lambda text: operations.track("1", text), "`event_name`", ""),
        (lambda text: operations.track("1", "x", data={"x": text}), "`data` of an event", '{"x":""}'),
    ],
)  # fmt: skip
def test_a_limit_in_the_guide_is_the_one_that_is_checked(
    request_with: Callable[[str], object], row: str, bytes_around: str
) -> None:
    (maximum,) = re.findall(rf"^\| .*{re.escape(row)}.*\| (\d+) bytes \|$", guide_text(), re.MULTILINE)
    suffix = bytes_around if bytes_around.startswith("@") else ""
    longest = "a" * (int(maximum) - len(bytes_around)) + suffix
    request_with(longest)
    with pytest.raises(InvalidArgumentsError, match=maximum):
        request_with(f"a{longest}")


def test_every_reserved_key_is_in_the_guide_with_its_reason() -> None:
    attributes, _, data = guide_text().partition("## Reserved keys")[2].partition("In `data`")
    assert re.findall(r"^- `(\w+)`: (.+)$", attributes, re.MULTILINE) == list(RESERVED_ATTRIBUTES.items())
    assert re.findall(r"^- `(\w+)`: (.+)$", data, re.MULTILINE) == list(RESERVED_EVENT_DATA.items())


@pytest.mark.parametrize("name", [*TOOLS, *EventType, *IdType])
def test_every_tool_and_every_accepted_word_is_in_the_guide(name: str) -> None:
    assert f"`{name}`" in guide_text()


def test_the_guide_is_markdown_of_a_bounded_size() -> None:
    text = guide_text()
    headings = re.findall(r"^(#+ .+)$", text, re.MULTILINE)
    assert headings[0].startswith("# ")
    assert all(heading.startswith("## ") for heading in headings[1:])
    assert estimated_tokens(text) <= MAX_TOKENS
