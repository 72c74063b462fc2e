"""Characters that nobody sees are reported in identifiers and names, and accepted in values."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from customerio_track_mcp.track import IdType, InvalidArgumentsError, operations
from customerio_track_mcp.track.validation.attributes import attributes_problems, encode_event_data
from customerio_track_mcp.track.validation.characters import hidden_characters
from customerio_track_mcp.track.validation.identifiers import (
    email_problems,
    identifier_problems,
    segment_id_problems,
    segment_member_problems,
)
from customerio_track_mcp.track.validation.text import trim

HIDDEN = [
    ("\ufeff", "the invisible character U+FEFF (ZERO WIDTH NO-BREAK SPACE)"),
    ("\u200b", "the invisible character U+200B (ZERO WIDTH SPACE)"),
    ("\u200e", "the invisible character U+200E (LEFT-TO-RIGHT MARK)"),
    ("\u202e", "the invisible character U+202E (RIGHT-TO-LEFT OVERRIDE)"),
    ("\u2066", "the invisible character U+2066 (LEFT-TO-RIGHT ISOLATE)"),
    ("\u00ad", "the invisible character U+00AD (SOFT HYPHEN)"),
    ("\u2060", "the invisible character U+2060 (WORD JOINER)"),
    ("\U000e0041", "the invisible character U+E0041 (TAG LATIN CAPITAL LETTER A)"),
    ("\x00", "the control character U+0000"),
    ("\x07", "the control character U+0007"),
    ("\x1b", "the control character U+001B"),
    ("\x7f", "the control character U+007F"),
    ("\x85", "the control character U+0085"),
    ("\x1c", "the control character U+001C"),
    ("\x0b", "the control character U+000B"),
    ("\ue000", "the private-use character U+E000"),
    ("\U0010fffd", "the private-use character U+10FFFD"),
    ("\ufdd0", "the unassigned character U+FDD0"),
    ("\U0001ffff", "the unassigned character U+1FFFF"),
    ("\u2028", "the line separator U+2028 (LINE SEPARATOR)"),
    ("\u2029", "the paragraph separator U+2029 (PARAGRAPH SEPARATOR)"),
    ("\ufffd", "the character U+FFFD (REPLACEMENT CHARACTER)"),
]
# Assigned by Unicode 15 to 17, or not yet: the result must not depend on the running Python's version of Unicode.
NEWER = ["\U0001fa77 liked", "\U0001fa77", "\U0001fae9", "\u20c1", "\U0001fbfb", "\u0378"]
FLAGS = [
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in code) + "\U000e007f"
    for code in ("gbeng", "gbsct", "gbwls", "ustx")
]
MARKS = [
    f"{mark}7" for mark in "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
]
JOINERS = ["\u200c", "\u200d"]


@pytest.mark.parametrize(("character", "description"), HIDDEN)
@pytest.mark.parametrize("position", [0, 2, 4])
def test_hidden_character_is_reported_with_code_point_and_position(
    character: str, description: str, position: int
) -> None:
    text = f"{'abcd'[:position]}{character}{'abcd'[position:]}"
    for strict in (True, False):
        found = hidden_characters(text, strict=strict)
        assert found.startswith(f"contains {description} at position {position}, counted from 0; ")
    assert found.endswith("pass the original text" if character == "\ufffd" else "remove it")


@pytest.mark.parametrize(("character", "description"), HIDDEN)
def test_hidden_character_is_reported_in_every_identifier_and_name(character: str, description: str) -> None:
    text = f"ab{character}cd"
    address = f"ann{character}@example.com"
    for problems in (
        identifier_problems("p", text),
        identifier_problems("p", address),
        email_problems("p", address),
        segment_id_problems("p", f"7{character}"),
        segment_member_problems("p", ["1", text], IdType.ID),
        segment_member_problems("p", ["ann@example.com", address], IdType.EMAIL),
        segment_member_problems("p", ["03000001", text], IdType.CIO_ID),
        attributes_problems("p", {text: 1}, others=0),
    ):
        (problem,) = problems
        assert description in problem.text
    with pytest.raises(InvalidArgumentsError) as caught:
        operations.track("1", text)
    assert str(caught.value).startswith(f"event_name: contains {description} at position 2")


@pytest.mark.parametrize("joiner", JOINERS)
def test_joiners_are_accepted_inside_ids_and_names_only(joiner: str) -> None:
    inside, at_start, at_end = f"a{joiner}b", f"{joiner}ab", f"ab{joiner}"
    assert identifier_problems("p", inside) == segment_member_problems("p", [inside], IdType.ID) == []
    assert attributes_problems("p", {inside: 1}, others=0) == []
    assert operations.track("1", inside).event_id
    for text in (at_start, at_end):
        assert len(identifier_problems("p", text)) == len(attributes_problems("p", {text: 1}, others=0)) == 1
    address = f"a{joiner}b@example.com"
    assert len(email_problems("p", address)) == len(identifier_problems("p", address)) == 1
    assert len(segment_member_problems("p", [address], IdType.ID)) == 1


@pytest.mark.parametrize(
    "text", ["👩‍💻 signed up", "می‌خواهم", "❤️", "Zoë 日本", "x\u00a0y", "á", "🇧🇪", "שלום", *NEWER, *FLAGS, *MARKS]
)
def test_emoji_and_every_script_are_accepted(text: str) -> None:
    assert identifier_problems("p", text) == attributes_problems("p", {text: 1}, others=0) == []
    assert operations.track("1", text).event_id


@pytest.mark.parametrize("text", ["\u0378", *FLAGS, *MARKS])
def test_addresses_contain_only_assigned_characters_and_no_format_characters(text: str) -> None:
    (problem,) = email_problems("p", f"a{text}b@example.com")
    assert "it contains the " in problem.text


@pytest.mark.parametrize(
    "text",
    ["a\U000e0067", FLAGS[0] + "\U000e0067", FLAGS[0][:-1], "\U0001f3f4\U000e007f", "a\U000e0080", "a\u2065", "a\ufff0",
     "\U0001f3f4x" + FLAGS[0][1:], "a\U0001343f", "\ufdefb", "\U0010fffe"],
)  # fmt: skip
def test_tag_characters_outside_a_flag_and_code_points_that_are_never_visible_are_reported(text: str) -> None:
    assert len(identifier_problems("p", text)) == len(attributes_problems("p", {text: 1}, others=0)) == 1


def test_position_after_a_flag_is_that_in_the_text() -> None:
    text = f"{FLAGS[0]}\u200b"
    assert f"U+200B (ZERO WIDTH SPACE) at position {len(FLAGS[0])}," in hidden_characters(text, strict=False)


def test_number_of_hidden_characters_is_reported() -> None:
    found = hidden_characters("a\u200bb\u200bc\u200b", strict=False)
    assert found == (
        "contains the invisible character U+200B (ZERO WIDTH SPACE) at position 1, counted from 0, and 2 more such "
        "characters; remove them"
    )


def test_text_over_a_limit_is_not_searched_for_hidden_characters() -> None:
    long = "\u200b" * 10_000
    for problems in (
        identifier_problems("p", long),
        email_problems("p", long + "@example.com"),
        segment_member_problems("p", [long], IdType.ID),
        attributes_problems("p", {long: 1}, others=0),
    ):
        (problem,) = problems
        assert "bytes long" in problem.text


def test_values_and_event_data_are_free_text() -> None:
    text = "".join(character for character, _ in HIDDEN) + "".join(JOINERS)
    assert attributes_problems("attributes", {"note": text, "nested": {text: [text]}}, others=0) == []
    assert encode_event_data("data", {"note": text, f"a{text}b": text})[1] == []


def test_whitespace_is_trimmed_and_other_control_characters_are_not() -> None:
    removed = {chr(code) for code in range(sys.maxunicode + 1) if trim(f"{chr(code)}x{chr(code)}") == "x"}
    separators = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Zs"}
    assert removed == separators | set("\t\n\r")
