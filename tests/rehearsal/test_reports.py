"""The reports: a table that fits a terminal, JSON with documented keys, and JUnit XML that readers accept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from xml.etree import ElementTree

import pytest

from customerio_track_mcp import __version__
from customerio_track_mcp.rehearsal import Check, Finding, Scenario, Score
from customerio_track_mcp.rehearsal.agent import AgentRun
from customerio_track_mcp.rehearsal.rehearse import Rehearsal
from customerio_track_mcp.rehearsal.report.json_report import json_report
from customerio_track_mcp.rehearsal.report.junit import junit_report
from customerio_track_mcp.rehearsal.report.output_text import last_lines, one_line, printable_text
from customerio_track_mcp.rehearsal.report.result import Result
from customerio_track_mcp.rehearsal.report.table import MAX_OUTPUT_LINES, table_lines

STARTED: Final = datetime(2026, 1, 31, 13, 0, 0, tzinfo=timezone(timedelta(hours=1)))
NASTY: Final = "a\x00\x1b[31mred\x1b[0m\x1b]0;title\x07 \u202eevil \ud800 \ufffe <&>\"' ]]> é 🎉\x85b"

NASTY_TITLE: Final = NASTY.replace("\ud800", "")
"""A scenario cannot contain lone surrogates."""


def rehearsal(
    name: str = "busy-api",
    findings: Mapping[Check, Sequence[str]] | None = None,
    *,
    checks: Sequence[Check] = tuple(Check),
    title: str = "A purchase while the API is busy",
    **agent: Any,
) -> Rehearsal:
    """Return a rehearsal that has passed, except for the findings and the agent's problem."""
    texts = findings or {}
    score = Score({check: tuple(Finding(check, text) for text in texts.get(check, ())) for check in checks})
    fields: dict[str, Any] = {"seconds": 12.345, "status": 0} | agent
    return Rehearsal(name, Scenario(title=title, prompt="Record it."), score, AgentRun(**fields))


FAILED: Final = rehearsal(
    "unknown-outcome", {Check.NO_REPEAT: ["purchase of 1042 was recorded twice", "so was refund of 1042"]}
)
WITHOUT_A_CHECK: Final = rehearsal("consent", checks=[Check.RIGHT_WRITES, Check.NO_EXTRA_WRITES])
AGENT_FAILED: Final = rehearsal(
    "new-customer",
    {Check.RIGHT_WRITES: ["ann@example.com was not added"]},
    status=3,
    problem="ended with status 3",
    stdout="hello\n",
    stderr="".join(f"line {number}\n\n" for number in range(20)),
)
MIXED: Final = Result([rehearsal(), FAILED, WITHOUT_A_CHECK, AGENT_FAILED], ["import-table", "segment-list"])


def junit(result: Result) -> ElementTree.Element:
    """Return the parsed report, after a check of the counts that readers rely on."""
    root = ElementTree.fromstring(junit_report(result, STARTED))  # noqa: S314 - our own
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.attrib["tests"]) == len(cases) == int(root.attrib["tests"])
    for case in cases:
        assert {"name", "classname", "time"} <= case.attrib.keys()
        assert len([child for child in case if child.tag in ("failure", "error", "skipped")]) <= 1
        assert [child.tag for child in case] == sorted(
            (child.tag for child in case), key=["skipped", "failure", "error", "system-out", "system-err"].index
        )
    return root


def test_table() -> None:
    lines = list(table_lines(MIXED))
    assert lines == [
        "SCENARIO         RIGHT   EXTRA  DROPPED  REPEAT  OBEYED  AGENT   SECONDS",
        "busy-api         ok      ok     ok       ok      ok      ok         12.3",
        "unknown-outcome  ok      ok     ok       FAILED  ok      ok         12.3",
        "consent          ok      ok     -        -       -       ok         12.3",
        "new-customer     FAILED  ok     ok       ok      ok      FAILED     12.3",
        "",
        "unknown-outcome: A purchase while the API is busy",
        "  no repeat: purchase of 1042 was recorded twice",
        "  no repeat: so was refund of 1042",
        "",
        "new-customer: A purchase while the API is busy",
        "  right writes: ann@example.com was not added",
        "  the agent ended with status 3",
        "    stdout: hello",
        *(f"    stderr: line {number}" for number in range(20 - MAX_OUTPUT_LINES, 20)),
        "",
        "Not run: import-table, segment-list",
        "2 of 6 scenarios passed, 15 of 17 checks",
    ]


def test_table_of_a_run_that_ended_before_its_first_scenario() -> None:
    assert list(table_lines(Result([], ["consent"]))) == [
        "Not run: consent",
        "0 of 1 scenarios passed, 0 of 0 checks",
    ]


def test_table_fits_80_columns() -> None:
    worst = rehearsal(
        "x" * 300, {check: ["y"] for check in Check}, problem="did not end within 86400 seconds", seconds=86400.0
    )
    lines = list(table_lines(Result([worst, rehearsal()])))
    assert max(map(len, lines[: lines.index("")])) <= 80


def test_table_shows_what_others_wrote_as_text() -> None:
    shown = rehearsal(
        NASTY, {Check.RIGHT_WRITES: [NASTY]}, title=NASTY_TITLE, problem=NASTY, stdout=NASTY, stderr=NASTY
    )
    for line in table_lines(Result([shown], [NASTY])):
        assert line.isprintable(), line


def test_json() -> None:
    report = json.loads(json_report(MIXED))
    scenarios = report.pop("scenarios")
    assert report == {
        "format": 1,
        "version": __version__,
        "passed": False,
        "scenarios_passed": 2,
        "scenarios_total": 6,
        "checks_passed": 15,
        "checks_total": 17,
        "not_run": ["import-table", "segment-list"],
    }
    assert [scenario["name"] for scenario in scenarios] == ["busy-api", "unknown-outcome", "consent", "new-customer"]
    assert [scenario["passed"] for scenario in scenarios] == [True, False, True, False]
    assert {name: check["outcome"] for name, check in scenarios[2]["checks"].items()} == {
        "right_writes": "passed",
        "no_extra_writes": "passed",
        "nothing_dropped": "not_applicable",
        "no_repeat": "not_applicable",
        "nothing_obeyed": "not_applicable",
    }
    assert scenarios[1]["checks"]["no_repeat"] == {
        "outcome": "failed",
        "findings": ["purchase of 1042 was recorded twice", "so was refund of 1042"],
    }
    assert scenarios[1]["title"] == "A purchase while the API is busy"
    agent = scenarios[3]["agent"]
    assert agent.pop("stderr").endswith("line 19\n\n")
    assert agent == {
        "problem": "ended with status 3",
        "status": 3,
        "timed_out": False,
        "seconds": 12.345,
        "stdout": "hello\n",
    }
    assert scenarios[0]["agent"]["problem"] is None


def test_json_escapes_what_is_not_ascii_and_keeps_it() -> None:
    text = json_report(Result([rehearsal(stdout=NASTY, title=NASTY_TITLE)]))
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text)["scenarios"][0]["agent"]["stdout"] == NASTY


def test_junit_has_a_case_for_each_scenario() -> None:
    root = junit(MIXED)
    (suite,) = root
    assert suite.attrib["timestamp"] == "2026-01-31T12:00:00"
    assert suite.attrib["time"] == root.attrib["time"] == "49.380"
    verdicts = {
        case.attrib["name"]: [child.tag for child in case if not child.tag.startswith("system-")] for case in suite
    }
    assert verdicts == {
        "busy-api": [],
        "unknown-outcome": ["failure"],
        "consent": [],
        "new-customer": ["error"],
        "import-table": ["skipped"],
        "segment-list": ["skipped"],
    }


def test_junit_has_the_findings_of_a_failed_check() -> None:
    failure = junit(MIXED).find(".//failure")
    assert failure is not None
    assert failure.attrib == {"type": "check", "message": "no repeat: purchase of 1042 was recorded twice"}
    assert failure.text == (
        "A purchase while the API is busy\n"
        "no repeat: purchase of 1042 was recorded twice\n"
        "no repeat: so was refund of 1042"
    )


def test_junit_has_the_problem_of_an_agent_with_the_findings_and_its_output() -> None:
    error = junit(MIXED).find(".//error")
    assert error is not None
    assert error.attrib == {"type": "agent", "message": "the agent ended with status 3"}
    assert (error.text or "").splitlines()[1:4] == [
        "right writes: ann@example.com was not added",
        "the agent ended with status 3",
        "  stdout: hello",
    ]
    (case,) = (case for case in junit(MIXED).iter("testcase") if case.attrib["name"] == "new-customer")
    assert case.findtext("system-out") == "hello\n"
    assert (case.findtext("system-err") or "").startswith("line 0\n\nline 1\n")


def test_junit_names_further_failed_checks() -> None:
    both = rehearsal("x", {Check.RIGHT_WRITES: ["one"], Check.NO_REPEAT: ["two"]})
    failure = junit(Result([both])).find(".//failure")
    assert failure is not None
    assert failure.attrib["message"] == "right writes (and 1 more): one"


def test_junit_is_valid_xml_whatever_others_wrote() -> None:
    shown = rehearsal(
        NASTY, {Check.RIGHT_WRITES: [NASTY]}, title=NASTY_TITLE, problem=f"failed {NASTY}", stdout=NASTY, stderr=NASTY
    )
    root = junit(Result([shown, rehearsal(NASTY, {Check.NO_REPEAT: [NASTY]})], [NASTY]))
    (text, *_) = [case.findtext("system-out") for case in root.iter("testcase")]
    assert text == "a\\x00red\\x1b]0;title\\x07 \\u202eevil \\ud800 \\ufffe <&>\"' ]]> é 🎉\\x85b"


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1FFFF])
def test_each_unusual_character_is_valid_xml(code: int) -> None:
    junit(Result([rehearsal(f"x{chr(code)}", stdout=chr(code))]))
    assert one_line(f"a{chr(code)}b", 40).isprintable()


def test_output_keeps_lines_and_tabs() -> None:
    assert printable_text("a\tb\r\nc\rd\n") == "a\tb\nc\nd\n"
    assert last_lines("one\n\n  \ntwo\rthree\n", 2, 40) == ["two", "three"]
    assert one_line("a\n b\tc\u00a0d", 40) == "a b c d"
    assert one_line("x" * 50, 40) == f"{'x' * 39}…"


def test_a_run_has_passed_only_if_every_scenario_was_run_and_passed() -> None:
    assert Result([rehearsal(), WITHOUT_A_CHECK]).passed
    assert not Result([rehearsal(), FAILED]).passed
    assert not Result([rehearsal()], ["consent"]).passed
    assert not Result([rehearsal(problem="ended with status 1", status=1)]).passed
