"""The report for continuous integration: JUnit XML, a test case for each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from customerio_track_mcp.rehearsal.rehearse import Rehearsal
from customerio_track_mcp.rehearsal.report.output_text import one_line, printable_text
from customerio_track_mcp.rehearsal.report.result import Result
from customerio_track_mcp.rehearsal.report.table import CHECK_NAMES, agent_failure, failure_lines

_SUITE: Final = "customerio-track-mcp rehearse"
_COUNTS_OF_ALL: Final = ("tests", "failures", "errors", "time")
_MAX_MESSAGE_CHARACTERS: Final = 300
_MAX_NAME_CHARACTERS: Final = 300


def junit_report(result: Result, started: datetime) -> bytes:
    """Return the report as UTF-8.

    A failed check is a `failure` with all findings. A failed agent is an `error`, with the findings too: most readers
    show only one of both. A scenario that was not run is skipped.

    Args:
        result: the rehearsals.
        started: when the first one began.
    """
    errors = sum(bool(rehearsal.agent.problem) for rehearsal in result.rehearsals)
    counts = {
        "tests": str(result.scenarios),
        "failures": str(len(result.rehearsals) - result.scenarios_passed - errors),
        "errors": str(errors),
        "skipped": str(len(result.not_run)),
        "time": f"{result.seconds:.3f}",
    }
    suites = Element("testsuites", {"name": _SUITE, **{name: counts[name] for name in _COUNTS_OF_ALL}})
    timestamp = started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = SubElement(suites, "testsuite", {"name": _SUITE, **counts, "timestamp": timestamp})
    for rehearsal in result.rehearsals:
        _add_case(suite, rehearsal)
    for name in result.not_run:
        SubElement(_case(suite, name, 0), "skipped", {"message": "not run"})
    indent(suites)
    content: bytes = tostring(suites, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _add_case(suite: Element, rehearsal: Rehearsal) -> None:
    case = _case(suite, rehearsal.name, rehearsal.agent.seconds)
    if not rehearsal.passed:
        agent_failed = bool(rehearsal.agent.problem)
        message = agent_failure(rehearsal) if agent_failed else _failed_checks(rehearsal)
        attributes: Mapping[str, str] = {
            "message": one_line(message, _MAX_MESSAGE_CHARACTERS),
            "type": "agent" if agent_failed else "check",
        }
        title = one_line(rehearsal.scenario.title, _MAX_NAME_CHARACTERS)
        SubElement(case, "error" if agent_failed else "failure", dict(attributes)).text = "\n".join(
            [title, *failure_lines(rehearsal)]
        )
    for tag, text in (("system-out", rehearsal.agent.stdout), ("system-err", rehearsal.agent.stderr)):
        if text:
            SubElement(case, tag).text = printable_text(text)


def _case(suite: Element, name: str, seconds: float) -> Element:
    attributes = {
        "classname": "rehearsal",
        "name": one_line(name, _MAX_NAME_CHARACTERS),
        "time": f"{seconds:.3f}",
    }
    return SubElement(suite, "testcase", attributes)


def _failed_checks(rehearsal: Rehearsal) -> str:
    failed = [(check, findings) for check, findings in rehearsal.score.results.items() if findings]
    first, findings = failed[0]
    others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{CHECK_NAMES[first]}{others}: {findings[0].text}"
