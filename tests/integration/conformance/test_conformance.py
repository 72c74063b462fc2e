"""The MCP project's own conformance suite against the service, with both protocol versions.

All server scenarios of a version run at once. Those that apply to this server must pass. For each of the others the
reason is here, so that a new version of the suite cannot add one unnoticed. To install the suite:
`npm install --prefix tests/integration/conformance`. Only its pre-releases have scenarios for protocol 2026-07-28.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.process import running, url_from_stderr
from tests.support.raw_messages import LEGACY, MODERN

MODULES: Final = Path(__file__).parent / "node_modules"
NODE: Final = MODULES / "node" / "bin" / "node"
SUITE: Final = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

APPLICABLE: Final = {
    LEGACY: {"server-initialize", "ping", "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection"},
    MODERN: {
        "server-stateless",
        "tools-list",
        "resources-list",
        "sep-2164-resource-not-found",
        "prompts-list",
        "caching",
        "http-header-validation",
        "dns-rebinding-protection",
        "input-required-result-unsupported-methods",
    },
}
NOT_APPLICABLE: Final = {
    r"tools-call-.*|json-schema-2020-12|http-custom-header-server-validation": "call tools of the suite's own server",
    r"resources-read-.*|resources-templates-read": "read resources of the suite's own server",
    r"prompts-get-.*": "get prompts of the suite's own server",
    r"elicitation-.*|input-required-.*": "need a tool that asks the client for input; see test_input_required.py",
    r"logging-set-level|completion-complete|resources-(un)?subscribe": "test capabilities that are not advertised",
    r"server-session-lifecycle|server-sse-.*": "need sessions, or streams without a request; the service is stateless",
}
"""Other scenarios, as regular expressions, and why they cannot pass or test nothing here."""

NEEDS_OWN_TOOL: Final = "Not testable: server does not list the diagnostic tool"
"""How a check of an applicable scenario reports that it needs a tool of the suite's own server."""

pytestmark = pytest.mark.skipif(
    not SUITE.exists() and "REQUIRE_CONFORMANCE" not in os.environ, reason="the conformance suite is not installed"
)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("version", [LEGACY, MODERN])
def test_applicable_conformance_scenarios_pass(version: str, workers: str, tmp_path: Path) -> None:
    with running("http", "--port", "0", "--sandbox", "--workers", workers) as process:
        url = url_from_stderr(process, "listening on")
        command = [str(NODE), str(SUITE), "server", "--url", url, "--suite", "all", "--spec-version", version]
        completed = subprocess.run(
            [*command, "--output-dir", "results"],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
    results = read_results(tmp_path / "results")
    assert APPLICABLE[version] <= set(results), completed.stdout + completed.stderr
    for scenario, checks in results.items():
        if scenario in APPLICABLE[version]:
            assert [check for check in checks if is_failed(check)] == [], scenario
            assert any(check["status"] == "SUCCESS" for check in checks), scenario
        else:
            assert any(re.fullmatch(pattern, scenario) for pattern in NOT_APPLICABLE), scenario


def read_results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the checks of each scenario, whose folder is named for the scenario and the time."""
    return {
        match[1]: json.loads(file.read_text(encoding="utf-8"))
        for file in folder.glob("*/checks.json")
        if (match := re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\dZ-]+", file.parent.name))
    }


def is_failed(check: dict[str, Any]) -> bool:
    """Return whether the check failed, or warns, for a reason that is this server's."""
    return check["status"] in ("FAILURE", "WARNING") and not check.get("errorMessage", "").startswith(NEEDS_OWN_TOOL)
