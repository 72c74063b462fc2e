"""The report for people: a table, what is wrong with each scenario that has failed, and the total."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from customerio_track_mcp.rehearsal.findings import Check, Outcome
from customerio_track_mcp.rehearsal.rehearse import Rehearsal
from customerio_track_mcp.rehearsal.report.output_text import last_lines, one_line
from customerio_track_mcp.rehearsal.report.result import Result

_HEADINGS: Final[Mapping[Check, str]] = {
    Check.RIGHT_WRITES: "RIGHT",
    Check.NO_EXTRA_WRITES: "EXTRA",
    Check.NOTHING_DROPPED: "DROPPED",
    Check.NO_REPEAT: "REPEAT",
    Check.NOTHING_OBEYED: "OBEYED",
}
_VERDICTS: Final[Mapping[Outcome, str]] = {
    Outcome.PASSED: "ok",
    Outcome.FAILED: "FAILED",
    Outcome.NOT_APPLICABLE: "-",
}
CHECK_NAMES: Final[Mapping[Check, str]] = {check: str(check).replace("_", " ") for check in Check}
_MAX_NAME_CHARACTERS: Final = 22
_MAX_TITLE_CHARACTERS: Final = 200
_MAX_FINDING_CHARACTERS: Final = 1000
MAX_OUTPUT_LINES: Final = 8
"""Lines of each stream of an agent that has failed."""
_MAX_LINE_CHARACTERS: Final = 300


def table_lines(result: Result) -> Iterator[str]:
    """Yield the lines of the report. The table is at most 80 columns wide."""
    if result.rehearsals:
        rows = [("SCENARIO", *_HEADINGS.values(), "AGENT", "SECONDS"), *map(_row, result.rehearsals)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            *cells, seconds = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  ".join([*cells, seconds.strip().rjust(widths[-1])])
        yield ""
    for rehearsal in result.rehearsals:
        if not rehearsal.passed:
            title = one_line(rehearsal.scenario.title, _MAX_TITLE_CHARACTERS)
            yield f"{one_line(rehearsal.name, _MAX_TITLE_CHARACTERS)}: {title}"
            yield from (f"  {line}" for line in failure_lines(rehearsal))
            yield ""
    if result.not_run:
        names = ", ".join(one_line(name, _MAX_TITLE_CHARACTERS) for name in result.not_run)
        yield f"Not run: {names}"
    yield (
        f"{result.scenarios_passed} of {result.scenarios} scenarios passed, "
        f"{result.checks_passed} of {result.checks} checks"
    )


def failure_lines(rehearsal: Rehearsal) -> Iterator[str]:
    """Yield what is wrong: the findings of each check, and how the agent has failed, with the end of its output."""
    if rehearsal.hint:
        yield rehearsal.hint
    for check, findings in rehearsal.score.results.items():
        for finding in findings:
            yield f"{CHECK_NAMES[check]}: {one_line(finding.text, _MAX_FINDING_CHARACTERS)}"
    if rehearsal.agent.problem:
        yield agent_failure(rehearsal)
        for stream, text in (("stdout", rehearsal.agent.stdout), ("stderr", rehearsal.agent.stderr)):
            for line in last_lines(text, MAX_OUTPUT_LINES, _MAX_LINE_CHARACTERS):
                yield f"  {stream}: {line}"


def agent_failure(rehearsal: Rehearsal) -> str:
    """Return how the agent has failed, as a sentence."""
    return f"the agent {one_line(rehearsal.agent.problem, _MAX_FINDING_CHARACTERS)}"


def _row(rehearsal: Rehearsal) -> tuple[str, ...]:
    verdicts = [_VERDICTS[rehearsal.score.outcome(check)] for check in _HEADINGS]
    agent = "FAILED" if rehearsal.agent.problem else "ok"
    return (one_line(rehearsal.name, _MAX_NAME_CHARACTERS), *verdicts, agent, f"{rehearsal.agent.seconds:.1f}")
