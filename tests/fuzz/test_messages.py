from __future__ import annotations

import pytest

from customerio_track_mcp.prompts.registry import PROMPTS as REGISTERED_PROMPTS
from customerio_track_mcp.resources.handlers import URIS
from customerio_track_mcp.tools import registry
from fuzz.messages import LEGACY, MODERN, PROMPTS, RESOURCES, TOOLS, Messages

NUMBERS = range(1, 3000)


@pytest.mark.parametrize("protocol", [LEGACY, MODERN])
def test_a_message_depends_on_the_seed_and_its_number_only(protocol: str) -> None:
    first, again, other = (Messages(seed, protocol) for seed in (7, 7, 8))
    made = [first.make(number) for number in NUMBERS]
    assert [again.make(number) for number in reversed(NUMBERS)] == made[::-1]
    assert [other.make(number) for number in NUMBERS] != made


@pytest.mark.parametrize("protocol", [LEGACY, MODERN])
def test_messages_of_every_kind_are_made(protocol: str) -> None:
    made = [Messages(1, protocol).make(number) for number in NUMBERS]
    assert {message.tool for message in made} == {*TOOLS, None}
    assert sum(message.tool is not None for message in made) > len(made) * 0.8
    assert {message.is_modern for message in made} == {protocol == MODERN}
    content = b"\n".join(message.content for message in made)
    for part in (
        b"\\ud800",
        b"NaN",
        b"1e400",
        b"\xff",
        b"[" * 1000,
        b"9" * 4301,
        b"__class__",
        b"tools/call",
        b"prompts/get",
        b"resources/read",
        b"notifications/",
    ):
        assert part in content, part
    assert any(not message.ids for message in made)
    assert any(message.ids == (None,) for message in made)


def test_a_message_is_one_line() -> None:
    assert not any(b"\n" in Messages(1, LEGACY).make(number).content for number in NUMBERS)


def test_the_parameters_are_those_of_the_tools() -> None:
    published = {name: tuple(tool.definition.input_schema["properties"]) for name, tool in registry.TOOLS.items()}
    assert published == TOOLS


def test_the_prompts_and_resources_are_those_of_the_server() -> None:
    assert {
        name: tuple(argument.name for argument in prompt.arguments) for name, prompt in REGISTERED_PROMPTS.items()
    } == PROMPTS
    assert URIS == RESOURCES
