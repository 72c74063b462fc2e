"""The report for programs. docs/rehearse.md documents its keys; a change that breaks readers increases `FORMAT`."""

from __future__ import annotations

import json
from typing import Any, Final

from customerio_track_mcp import __version__
from customerio_track_mcp.rehearsal.findings import Check
from customerio_track_mcp.rehearsal.rehearse import Rehearsal
from customerio_track_mcp.rehearsal.report.result import Result

FORMAT: Final = 1


def json_report(result: Result) -> str:
    """Return the report as JSON in ASCII, in which every other character is escaped."""
    return json.dumps(
        {
            "format": FORMAT,
            "version": __version__,
            "passed": result.passed,
            "scenarios_passed": result.scenarios_passed,
            "scenarios_total": result.scenarios,
            "checks_passed": result.checks_passed,
            "checks_total": result.checks,
            "not_run": list(result.not_run),
            "scenarios": [_scenario(rehearsal) for rehearsal in result.rehearsals],
        },
        indent=2,
    )


def _scenario(rehearsal: Rehearsal) -> dict[str, Any]:
    agent = rehearsal.agent
    return {
        "name": rehearsal.name,
        "title": rehearsal.scenario.title,
        "passed": rehearsal.passed,
        "checks": {
            str(check): {
                "outcome": str(rehearsal.score.outcome(check)),
                "findings": [finding.text for finding in rehearsal.score.results.get(check, ())],
            }
            for check in Check
        },
        "agent": {
            "problem": agent.problem or None,
            "status": agent.status,
            "timed_out": agent.timed_out,
            "seconds": round(agent.seconds, 3),
            "stdout": agent.stdout,
            "stderr": agent.stderr,
        },
    }
