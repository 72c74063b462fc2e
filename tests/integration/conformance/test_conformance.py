"""The MCP project's own conformance suite against the service.

Only the server scenarios that a server with nothing but tools can pass. The others use tools, prompts or resources of a
server made for the suite, or need sessions and streams, which a stateless server does not offer. To install the suite:
`npm install --prefix tests/integration/conformance`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.process import running, url_from_stderr

MODULES: Final = Path(__file__).parent / "node_modules"
NODE: Final = MODULES / "node" / "bin" / "node"
SUITE: Final = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

pytestmark = pytest.mark.skipif(
    not SUITE.exists() and "REQUIRE_CONFORMANCE" not in os.environ, reason="the conformance suite is not installed"
)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("scenario", ["server-initialize", "ping", "tools-list", "dns-rebinding-protection"])
def test_conformance_scenario_passes(scenario: str, workers: str, tmp_path: Path) -> None:
    with running("http", "--port", "0", "--sandbox", "--workers", workers) as process:
        url = url_from_stderr(process, "listening on")
        command = [str(NODE), str(SUITE), "server", "--url", url, "--scenario", scenario]
        completed = subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=False
        )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    summary = re.search(r"Passed: (\d+)/(\d+), 0 failed, 0 warnings", completed.stdout)
    assert summary, completed.stdout
    assert int(summary[1]) == int(summary[2]) > 0
