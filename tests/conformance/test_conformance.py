"""The MCP project's own conformance suite against the service.

Of its scenarios for a server, those that a server with tools alone can meet: the others call tools, prompts or
resources by names that only a server made for the suite has, or ask for sessions and streams, which a stateless server
does not offer. `npm install --prefix tests/conformance` installs the suite.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.process import running, url_told

MODULES = Path(__file__).parent / "node_modules"
NODE = MODULES / "node" / "bin" / "node"
SUITE = MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

pytestmark = pytest.mark.skipif(
    not SUITE.exists() and "REQUIRE_CONFORMANCE" not in os.environ, reason="the conformance suite is not installed"
)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("scenario", ["server-initialize", "ping", "tools-list", "dns-rebinding-protection"])
def test_the_suite_finds_no_fault(scenario: str, workers: str, tmp_path: Path) -> None:
    with running("http", "--port", "0", "--sandbox", "--workers", workers) as process:
        url = url_told(process, "listening on")
        command = [str(NODE), str(SUITE), "server", "--url", url, "--scenario", scenario]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.search(r"Passed: (\d+)/(\d+), 0 failed, 0 warnings", ended.stdout)
    assert found, ended.stdout
    assert int(found[1]) == int(found[2]) > 0
