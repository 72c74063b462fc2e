from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from customerio_track_mcp.rehearsal import ScenarioError, load_scenario, yaml_document
from customerio_track_mcp.rehearsal.matchers import AnyValue, Matches, OneOf, described, is_equal, is_match
from customerio_track_mcp.rehearsal.scenario import Scenario
from customerio_track_mcp.rehearsal.wildcards import is_like
from customerio_track_mcp.rehearsal.yaml_document import MAX_DEPTH, MAX_VALUES, parse_yaml
from tests.rehearsal.rehearsing import TITLE, scenario_of

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def problems_of(folder: Path, text: str) -> list[str]:
    """Return the problems of a scenario, each without the name of its file."""
    with pytest.raises(ScenarioError) as caught:
        scenario_of(folder, text)
    prefix = f"{folder / 'scenario.yaml'}:"
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.removeprefix(prefix).strip() for problem in caught.value.problems]


def test_a_scenario_with_every_part_is_read(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path,
        """
people: [{id: 1042, email: ann@example.com, attributes: {plan: free, since: 2026-01-01, score: 1e3, tags: [a, 1]}}]
segments: [{id: 2, name: Guests, members: [1042]}]
events: [{person: ann@example.com, name: signed_up, data: {a: {b: null}}, timestamp: 1767225600}]
faults: [{kind: lost_reply, count: 4, operation: track}, {kind: status, status: 429, retry_after: 2}]
settings: {CUSTOMERIO_EVENTS: "purchase", CUSTOMERIO_MAX_ATTEMPTS: 1, CUSTOMERIO_DRY_RUN: true}
expect:
  people: [{person: 1042, attributes: {plan: !one_of [pro, !matches "gold.*"], note: !any }}]
  events: [{person: 1042, name: purchase, data: !any , count: 2}]
  segments: [{id: 2, members: [1042]}]
allow: {people: [{person: "*", attributes: !any }], events: [{person: "*", name: "*"}]}
forbidden: [{attribute: unsubscribed, value: true, said_by: the note}]
""",
    )
    (person,) = scenario.people
    assert person.id == "1042"
    assert person.attributes == {"plan": "free", "since": "2026-01-01", "score": 1000.0, "tags": ["a", 1]}
    assert scenario.segments[0].members == ("1042",)
    assert scenario.settings == {
        "CUSTOMERIO_EVENTS": "purchase",
        "CUSTOMERIO_MAX_ATTEMPTS": "1",
        "CUSTOMERIO_DRY_RUN": "true",
    }
    assert scenario.expect.people[0].attributes == {"plan": OneOf(("pro", Matches("gold.*"))), "note": AnyValue()}
    assert [fault.count for fault in scenario.faults] == [4, 1]


def test_the_prompt_contains_the_people_as_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text('title: x\nprompt: "A {people} B {x}"\npeople: [{id: 1}, {id: 2, attributes: {note: "ä\\n"}}]\n')
    assert load_scenario(path).prompt_text == (
        'A {"id": "1", "email": null, "attributes": {}}\n'
        '{"id": "2", "email": null, "attributes": {"note": "ä\\n"}} B {x}'
    )


def test_every_problem_is_reported_with_line_and_place(tmp_path: Path) -> None:
    assert problems_of(
        tmp_path,
        """
people: [{id: 1042, email: a@example.com, attributes: {since: yes}}, {attributes: {}}]
segment: []
settings: {PATH: x}
faults: [{kind: lost_replay}, {kind: delay, seconds: "x", foo: 1}, {count: 2}]
expect:
  people: [{person: 1042, attributes: [1]}]
  events:
    - {persn: 1042, name: purchase, count: 1.5}
    - 5
forbidden: [{because: x}, {segment: x, event: z}, {event: x, value: 1}]
""",
    ) == [
        "4: people[0].attributes.since: yes is true or false for some readers of YAML; write true, false, or "
        '"yes" in quotes',
        "4: people[1]: a person needs an id or an email",
        "5: segment: unknown key (did you mean segments?); the keys are title, prompt, people, segments, events, "
        "faults, settings, expect, allow, forbidden",
        "6: settings.PATH: expected the name of a setting of the MCP server, which begins with CUSTOMERIO_",
        "7: faults[0]: kind: expected one of status, delay, reset, lost_reply, redirect",
        "7: faults[1].seconds: expected a number",
        "7: faults[1].foo: unknown key; the keys are count, operation, kind, seconds",
        "7: faults[2]: kind is missing: expected one of status, delay, reset, lost_reply, redirect",
        "9: expect.people[0].attributes: expected a mapping",
        "11: expect.events[0].person: is missing",
        "11: expect.events[0].count: expected a whole number",
        "11: expect.events[0].persn: unknown key (did you mean person?); the keys are person, name, type, data, count",
        "12: expect.events[1]: expected a mapping",
        "13: forbidden[0]: expected at least one of event, segment, attribute and person",
        "13: forbidden[1]: segment cannot be combined with event or attribute, since no write has both",
        "13: forbidden[2]: value needs attribute, whose value it is",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("people: [{id: &a 1}]", "3: people[0].id: anchors and aliases (& and *) are not accepted"),
        ("people: [{id: *a }]", "3: people[0].id: anchors and aliases (& and *) are not accepted"),
        ("people: [{id: 1, id: 2}]", "3: people[0].id: is there twice; the first is in line 3; remove one"),
        ("title: again", "3: title: is there twice; the first is in line 1; remove one"),
        ("people: [{id: 1, <<: {email: x}}]", "3: people[0]: merge keys (<<) are not accepted; repeat the members"),
        ("people: [{id: 1, attributes: {[a]: 1}}]", "3: people[0].attributes: a key must be text"),
        ("---\ntitle: x", "3: a further document begins here; a file contains one"),
        ("people: [", "4: not valid YAML: "),
        ("expect: {people: [{person: 1, attributes: {a: !any}}]}", "3: a tag needs a space after it, also before a b"),
        ("people: \x01", "3: contains a control character"),
        ("people: [{id: 1, attributes: {a: .nan}}]", "3: people[0].attributes.a: .nan is not a JSON value"),
        ("people: [{id: 1, attributes: {a: -.INF}}]", "3: people[0].attributes.a: -.INF is not a JSON value"),
        ("people: [{id: 007}]", "3: people[0].id: 007 is another number, or text, for some readers of YAML"),
        ("people: [{id: 1_000}]", "3: people[0].id: 1_000 is another number, or text"),
        ("people: [{id: 0x1F}]", "3: people[0].id: 0x1F is another number, or text"),
        ("people: [{id: 1, attributes: {a: 1e999}}]", "3: people[0].attributes.a: 1e999 is another number, or text"),
        ("people: [{id: 1.5}]", "3: people[0].id: expected a text"),
        ("people: [{id: true}]", "3: people[0].id: expected a text"),
        ("people: [{id: ''}]", "3: people[0].id: is empty; expected a text"),
        (
            "people: [{id: 1, attributes: {a: !any }}]",
            "3: people[0].attributes: !any, !matches and !one_of are for what",
        ),
        ("people: {}", "3: people: expected a list"),
        ("people: [{id: 1}, {id: 2, email: x@y}, {email: X@y}]", "3: people[2]: x@y is an identifier of people[1]"),
        ("events: [{person: 1, name: x}]", "3: events[0].person: 1 is not one of people"),
        ("segments: [{id: 2, name: x, members: [1]}]", "3: segments[0].members[0]: 1 is not one of people"),
        ("segments: [{id: 2, name: x}, {id: 2, name: z}]", "3: segments[1].id: 2 is the number of another segment"),
        ("segments: [{id: 0, name: x}]", "3: segments[0].id: expected 1 or more"),
        ("expect: {people: [{person: a@b}, {person: a@b}]}", "3: expect.people[1].person: a@b is there twice"),
        (
            "expect: {people: [{person: a@b, attributes: {a: !anny }}]}",
            "3: expect.people[0].attributes.a: the tag !anny",
        ),
        ("expect: {people: [{person: a@b, attributes: {a: !any x}}]}", "3: expect.people[0].attributes.a: !any stands"),
        (
            "expect: {people: [{person: a@b, attributes: {a: !matches (}}]}",
            "3: expect.people[0].attributes.a: !matches nee",
        ),
        (
            "expect: {people: [{person: a@b, attributes: {a: !matches }}]}",
            "3: expect.people[0].attributes.a: !matches nee",
        ),
        (
            "expect: {people: [{person: a@b, attributes: {a: !one_of []}}]}",
            "3: expect.people[0].attributes.a: !one_of nee",
        ),
        (
            "expect: {people: [{person: a@b, attributes: {a: !x {}}}]}",
            "3: expect.people[0].attributes.a: the tag !x is",
        ),
        ("expect: {events: [{person: 1, name: x, count: 0}]}", "3: expect.events[0].count: expected 1 or more"),
        (
            "expect: {events: [{person: 1, name: x, type: z}]}",
            "3: expect.events[0].type: expected one of event, page or s",
        ),
        (
            "expect: {people: [{person: 1, email: 5}]}",
            "3: expect.people[0].email: expected a text, or a matcher such as",
        ),
        (
            "expect: {events: [{person: 1, name: x, data: []}]}",
            "3: expect.events[0].data: expected a mapping, or a mat",
        ),
        ("faults: [{kind: delay, seconds: 601}]", "3: faults[0].seconds: expected 600 or less"),
        ("faults: [{kind: delay, seconds: '5'}]", "3: faults[0].seconds: expected a number"),
        ("expect: {people: [{!any person: 1}]}", "3: expect.people[0]: a key must be text"),
        ("faults: [{kind: status, status: 200}]", "3: faults[0].status: expected 400 or more"),
        ("faults: [{kind: status, status: 503, times: 2}]", "3: faults[0].times: unknown key; the keys are count, op"),
        ("faults: [{kind: status, status: 503, count: 1001}]", "3: faults[0].count: expected 1000 or less"),
        ("faults: [{kind: status, status: 503, operation: x}]", "3: faults[0].operation: expected one of identify"),
        ("faults: [{kind: delay, delay: 1, seconds: 1}]", "3: faults[0].delay: unknown key; the keys are count, op"),
        ("faults: [{kind: status, count: 2}]", "3: faults[0].status: is missing"),
        ("expect: {people: [{person: 1, attributes: {a: 1}}]}", "3: expect.people[0].person: 1 is not one of people"),
    ],
)
def test_a_problem_names_what_is_accepted(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems_of(tmp_path, text)
    assert found.startswith(problem)


def test_lines_are_counted_within_lists_and_mappings(tmp_path: Path) -> None:
    text = "people:\n  - id: 1\n    attributes:\n      a: 1\n      b: no\n  - id: 2\n    emial: x\n"
    assert [problem.partition(":")[0] for problem in problems_of(tmp_path, text)] == ["7", "9"]


@pytest.mark.parametrize("opening", ["[", "{", "{a: {", "{[", "[{", "[? {"])
def test_deep_nesting_is_reported(tmp_path: Path, opening: str) -> None:
    problems = problems_of(tmp_path, f"people: [{{id: 1, attributes: {{a: {opening * 100_000}")
    assert f"nested too deeply; the maximum is {MAX_DEPTH} levels" in problems[-1]


@pytest.mark.parametrize(
    "text",
    [
        "faults: [" + "1," * 300_000,
        "people: [{id: 1, attributes: {a: [" + "no," * 300_000,
        "settings: {" + ",".join(f"K{number}: 1" for number in range(60_000)),
        "people: [" + "{a: no}," * 100_000,
    ],
)
def test_a_document_with_too_many_values_is_reported(tmp_path: Path, text: str) -> None:
    assert "more problems" in (problems := problems_of(tmp_path, text))[-1] or "values, the maximum" in problems[-1]
    assert parse_yaml(text).problems[-1][2] == f"contains more than {MAX_VALUES} values, the maximum"


def test_a_long_text_that_begins_like_a_number_takes_no_long_time() -> None:
    text = "1" * 1_000_000 + "x"
    assert parse_yaml(text).value == text


def test_consequences_of_many_problems_take_no_long_time(tmp_path: Path) -> None:
    assert len(problems_of(tmp_path, "people: [" + "{a: no}," * 20_000 + "]")) == 51


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('title: " "\nprompt: x\n', "title: is blank; expected a text"),
        ('title: x\nprompt: "a\\0b"\n', "prompt: contains a null character, which no command accepts"),
        ("# nothing\n", "title: is missing\nprompt: is missing"),
    ],
)
def test_a_title_or_prompt_that_cannot_be_used_is_reported(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert "\n".join(line.partition(": ")[2] for line in caught.value.problems) == problem


def test_many_problems_are_bounded(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, f"people: [{', '.join(['{}'] * 200)}]")
    assert len(problems) == 51
    assert problems[-1] == "150 more problems; correct these first"


@pytest.mark.parametrize("name", ["People", "PEOPLE", "peple", "peoples"])
def test_a_misspelled_placeholder_of_the_prompt_is_reported(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f'title: x\nprompt: "A {{{name}}} and {{people}}"\n')
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert list(caught.value.problems) == [f"{path}:2: prompt: {{{name}}} is not replaced; did you mean {{people}}?"]


@pytest.mark.parametrize("word", ["{person}", "{customer}", "{prompt}", "{ people }", "{}", '{"people": 1}', "people"])
def test_other_braces_of_the_prompt_are_text(tmp_path: Path, word: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"title: x\nprompt: 'Hello {word}'\n")
    assert load_scenario(path).prompt_text == f"Hello {word}"


@pytest.mark.parametrize("content", [b"", b"- a", b"just text", b"5", b"null"])
def test_a_file_without_a_mapping_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError):
        load_scenario(path)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path)
    path.write_bytes(b"title: x\nprompt: \xff\n")
    with pytest.raises(ScenarioError, match="2: not valid UTF-8; save the file as UTF-8"):
        load_scenario(path)
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(ScenarioError, match="larger than 1 MiB"):
        load_scenario(path)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TITLE.replace("\n", "\r\n").encode())
    assert load_scenario(path).title == "A test"


@given(json_values)
def test_what_pyyaml_writes_of_a_json_value_is_read_as_it(value: Any) -> None:
    document = parse_yaml(yaml.safe_dump(value, default_flow_style=False))
    for _, _, problem in document.problems:  # PyYAML writes floats and texts that other readers read differently
        assert "some readers of YAML" in problem or "anchors" in problem
    if not document.problems:
        assert is_equal(document.value, value)


@given(st.text(max_size=60) | st.text(alphabet="-:[]{}&*!|>'\"#%@,?<\n 01ax.", max_size=60))
def test_any_text_is_a_value_or_problems(text: str) -> None:
    document = parse_yaml(text)
    assert document.is_complete or document.problems


@given(json_values)
def test_a_json_value_matches_itself_any_value_and_a_choice(value: Any) -> None:
    assert is_equal(value, value)
    assert is_match(OneOf(("-", value)), value) == is_match(value, value)
    assert is_match(AnyValue(), value) == (value is not None)
    assert described(value).isprintable()


@pytest.mark.parametrize(
    ("expected", "actual", "is_expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        ("1", 1, False),
        (None, None, True),
        ([1, {"a": 2}], [1.0, {"a": 2}], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "*": AnyValue()}, {"a": 1, "b": 2}, True),
        ({"a": 1, "*": AnyValue()}, {"b": 2}, False),
        ({"*": Matches("x+")}, {"b": "y"}, False),
        ([Matches("a.c")], ["abc"], True),
        (Matches("a.c"), "abcd", False),
        (Matches("5"), 5, False),
        (AnyValue(), None, False),
        (OneOf((1, Matches("x"))), "x", True),
    ],
)
def test_values_are_compared_as_json(expected: object, actual: object, is_expected: bool) -> None:
    assert is_match(expected, actual) is is_expected


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("refund*", "refund_issued", True),
        ("*refund*", "a refund b", True),
        ("*a*b*", "xxaxxb", True),
        ("a*a", "a", False),
        ("*ab*ba*", "aba", False),
        ("*", "", True),
        ("", "x", False),
        ("[ab]?", "a1", False),
        ("A", "a", False),
        ("a*b*", "a\nb\n", True),
    ],
)
def test_only_an_asterisk_is_special_in_a_pattern(pattern: str, text: str, matches: bool) -> None:
    assert is_like(pattern, text) is matches


def test_many_asterisks_take_no_long_time() -> None:
    assert not is_like("*a" * 5000 + "b", "a" * 100_000)


def test_a_long_text_is_cut_and_remains_in_quotes() -> None:
    assert described("x" * 500) == f'"{"x" * 118}…"'
    assert described("x…") == '"x…"'
    assert described(["x" * 500]) == f'["{"x" * 117}…'


def test_a_scenario_does_not_change() -> None:
    scenario = Scenario(title="x", prompt="y")
    with pytest.raises(ValueError, match="frozen"):
        scenario.title = "z"  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [no, '1', \"2\", !any , !matches x]\nc: |\n  x\n",
        "a: &x 1\nb: *x\n",
        "a: 1\na: 2\n",
        "? [a]\n: 1\n",
        "a: [" * 100,
        "--- 1\n--- 2\n",
    ],
)
def test_texts_are_read_alike_without_the_c_library(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with_c = parse_yaml(text)
    monkeypatch.setattr(yaml_document, "_LOADER", yaml.SafeLoader)
    assert parse_yaml(text) == with_c


def test_yaml_is_loaded_with_the_first_scenario_only() -> None:
    code = "import sys, customerio_track_mcp.rehearsal; print('yaml' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "False\n"
