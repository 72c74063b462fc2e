"""The guide says what the validation does."""

from __future__ import annotations

import re

import pytest

from customerio_track_mcp.resources.guide import guide_text
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import RESERVED_ATTRIBUTES, RESERVED_EVENT_DATA, EventType, IdType, limits
from tests.support.tokens import estimated_tokens

LIMITS = sorted(name for name in vars(limits) if name.isupper())
MAX_TOKENS = 1000


@pytest.mark.parametrize("name", LIMITS)
def test_every_limit_is_in_the_guide_and_changes_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = 31_415_926
    assert re.search(rf"\| {getattr(limits, name)}\b", guide_text())
    monkeypatch.setattr(limits, name, value)
    assert f"| {value}" in guide_text()


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
