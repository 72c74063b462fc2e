"""Allow lists: how they are written, and which names they contain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customerio_track_mcp.settings.allowed_names import MAX_ENTRIES, TOOL_NAMES, AllowedNames
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.restrictions import UNRESTRICTED, Restrictions
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.registry import TOOLS

NAMES = st.text("ab*?[].\\^$ é\n", max_size=8)
PATTERNS = st.text("ab*?[]!-.\\^$ é", min_size=1, max_size=8)


def allowed(*entries: str, within: AllowedNames | None = None) -> AllowedNames:
    return AllowedNames(entries, "CUSTOMERIO_EVENTS" if within is None else "events=", within)


def matches(pattern: str, name: str) -> bool:
    """Compare by the definition: `*` stands for any text. This takes exponential time."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(matches(pattern[1:], name[start:]) for start in range(len(name) + 1))
    return name[:1] == pattern[0] and matches(pattern[1:], name[1:])


@given(PATTERNS, NAMES)
@example("[a-b]", "a")
@example("a?", "ab")
@example("**a**", "a")
@example("A", "a")
@example("a*", "a\n")
def test_only_the_asterisk_is_special(pattern: str, name: str) -> None:
    assert (name in allowed(pattern)) is matches(pattern, name)


def test_many_wildcards_take_linear_time() -> None:
    """With backtracking, each of these takes longer than the universe exists."""
    name = "a" * 100
    patterns = ["*a" * 50 + "*b", "a*" * 75 + "b", "*" * 150 + "b", "*a*" * 40 + "?", "*aa" * 30 + "*b*"]
    assert name not in allowed(*patterns)
    assert name in allowed(*patterns, "*a" * 50 + "*")


@given(st.lists(PATTERNS, min_size=1, max_size=3), st.lists(PATTERNS, min_size=1, max_size=3), NAMES)
@example(["a*"], ["*b"], "ab")
@example(["a*"], ["aa", "b"], "aa")
def test_a_list_within_another_allows_what_both_allow(inner: list[str], outer: list[str], name: str) -> None:
    both = allowed(*inner, within=allowed(*outer))
    is_in_both = name in allowed(*inner) and name in allowed(*outer)
    assert (name in both) is is_in_both
    assert all(found in both for found in both.names)
    # What is shown is complete, and nothing that is shown alone is refused.
    alone = [json.loads(text) for text in both.shown if "that is also" not in text]
    assert all(text.replace("*", "a") in both for text in alone)
    covered = name in allowed(*alone) or any("that is also" in text for text in both.shown)
    assert covered or not is_in_both


@pytest.mark.parametrize(
    ("inner", "outer", "shown"),
    [
        (["purchase", "refund"], ["purchase", "signed_up"], ['"purchase"']),
        (["page_*"], ["page_view", "purchase"], ['"page_view"']),
        (["purchase", "page_view"], ["page_*"], ['"page_view"']),
        (["*"], ["page_*"], ['"page_*"']),
        (["page_*"], ["*_view"], ['"page_*" that is also "*_view"']),
        (["purchase"], ["refund"], []),
    ],
)
def test_what_both_lists_allow_is_shown(inner: list[str], outer: list[str], shown: list[str]) -> None:
    assert list(allowed(*inner, within=allowed(*outer)).shown) == shown


def test_a_list_on_one_line_is_bounded_and_quoted() -> None:
    assert allowed("purchase", "page_*").listed(9) == '"purchase", "page_*" (* stands for any text)'
    assert allowed('a", "b', "c\\").listed(9) == '"a\\", \\"b", "c\\\\"'
    assert allowed(*map(str, range(60))).listed(2) == ('"0", "1", and 58 more, which customerio-track://policy lists')
    assert allowed("a", within=allowed("b")).listed(9) == "none"


def test_where_to_add_a_name_is_known() -> None:
    both = allowed("a", "b", within=allowed("b", "c"))
    assert [both.sources_without(name) for name in "abcd"] == [
        ["CUSTOMERIO_EVENTS"],
        [],
        ["events="],
        ["CUSTOMERIO_EVENTS", "events="],
    ]


@pytest.mark.parametrize(
    ("setting", "text", "entries"),
    [
        ("events", "purchase", ("purchase",)),
        ("events", " Signed up , page_* ,*,Signed up", ("Signed up", "page_*", "*")),
        ("events", "*" * 300 + "a" * 100, ("*" * 300 + "a" * 100,)),
        ("events", "[new] order?, it's", ("[new] order?", "it's")),
        ("attributes", "plan,ü" + "a" * 148, ("plan", "ü" + "a" * 148)),
        ("segments", " 7, 0012 ,7,2147483647", ("7", "12", "2147483647")),
        ("tools", "send_event, create_or_update_customer", ("send_event", "create_or_update_customer")),
        *[(setting, "", None) for setting in ("events", "attributes", "segments", "tools")],
    ],
)
def test_lists_are_separated_by_commas_alone(
    read_settings: Callable[..., Settings], setting: str, text: str, entries: tuple[str, ...] | None
) -> None:
    settings = read_settings(**{setting: text})
    assert getattr(settings, setting) == entries
    restrictions = settings.restrictions
    restricted = getattr(restrictions, setting)
    assert (restricted is not None and restricted.entries) == (entries or False)
    assert bool(restrictions) is (entries is not None)


@pytest.mark.parametrize(
    ("setting", "text", "problem"),
    [
        *[
            (setting, text, f"entry {position} is empty; expected names separated by single commas")
            for setting in ("events", "attributes", "segments", "tools")
            for text, position in ((" ", 1), (",7", 1), ("7,,8", 2), ("7, ,8", 2))
            if setting != "tools" or position == 1
        ],
        ("tools", "send_event,", "entry 2 is empty"),
        ("events", "a,${EVENT}", "contains a placeholder that was not replaced"),
        ("events", "{{ event }}", "contains a placeholder that was not replaced"),
        ("events", '"a,b"', "is in quotes; remove them"),
        ("events", "a, 'b'", "entry 2 is in quotes; remove them"),
        ("events", '["a", "b"]', "is a JSON array; expected names separated by commas, without brackets and quotes"),
        (
            "events",
            "a\nb",
            "entry 1 contains characters that are not printable; remove them, or write * in their place",
        ),
        ("events", "a,purchase\u200b", "entry 2 contains characters that are not printable"),
        ("events", "a," + "é" * 51, "entry 2 is 102 bytes long; the maximum is 100 bytes of UTF-8"),
        ("attributes", "a" * 151, "entry 1 is 151 bytes long; the maximum is 150 bytes of UTF-8"),
        ("events", ",".join(map(str, range(MAX_ENTRIES + 1))), "contains 201 entries; the maximum is 200"),
        ("tools", "send_evnt", "entry 1 (send_evnt) is not a tool; did you mean send_event? The tools are create_or_"),
        (
            "tools",
            "Send Event",
            "entry 1 (Send Event) is not a tool; did you mean send_event? The tools are create_or_",
        ),
        ("tools", "send_event, *", "entry 2 (*) is not a tool; the tools are create_or_update_customer, send_event,"),
        *[
            ("segments", f"7,{text}", "entry 2 is not a segment id; expected whole numbers (1 to 2147483647)")
            for text in (
                "0",
                "000",
                "-1",
                "+1",
                "1.5",
                "vip",
                "*",
                "2147483648",
                "9" * 5000,
                "\u0667",
                "1_0",
                "0x7",
                "7 8",
            )
        ],
    ],
)
def test_an_invalid_list_is_reported_on_one_line(
    read_settings: Callable[..., Settings], setting: str, text: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(**{setting: text})
    (line,) = caught.value.problems
    assert line.startswith(f"CUSTOMERIO_{setting.upper()}: {problem}")
    assert len(line.splitlines()) == 1


def test_the_names_of_tools_are_those_of_the_registry() -> None:
    assert tuple(TOOLS) == TOOL_NAMES


def test_restrictions_combine() -> None:
    server = Restrictions(events=allowed("a", "b"), segments=allowed("7"))
    caller = Restrictions(events=allowed("b", "c"), tools=allowed("send_event"))
    both = caller.within(server)
    assert both == Restrictions(
        tools=caller.tools,
        events=replace(allowed("b", "c"), within=allowed("a", "b")),
        segments=server.segments,
    )
    assert UNRESTRICTED.within(server) is server
    assert caller.within(UNRESTRICTED) is caller
    assert not UNRESTRICTED.within(UNRESTRICTED)
