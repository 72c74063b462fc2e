"""docs/testing.md, "Node": the files that it shows, run with Node.js, the vendor's SDK and the real program."""

from __future__ import annotations

import json
import re
import shlex
import socket
from pathlib import Path
from typing import Final

import pytest
from anyio import to_thread

from customerio_track_mcp.sandbox import RunningSandbox
from tests.integration.node.project import (
    APP,
    FILES,
    HELPER,
    PAGE,
    TESTS,
    VITEST,
    Project,
    block,
    needs_node,
)
from tests.support.documents import blocks, section
from tests.support.process import running, url_from_stderr
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, needs_node]

ALL_PASSED: Final = {"pass": 6, "fail": 0}
RESENT: Final = "a purchase is recorded once, although the response to its event was lost"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_documented_tests_pass_with_a_sandbox_for_each_file(project: Project) -> None:
    (command,) = block("## Node", "console").splitlines()
    counts, output = project.run_tests(command)
    assert counts == ALL_PASSED, output


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [("sandbox?.stop()", "undefined", 6), ("cio = new TrackClient(", "cio = new Missing(", 0)],
    ids=["without the hook", "after a failed start"],
)
async def test_sandbox_ends_with_the_tests(project: Project, before: str, after: str, passed: int) -> None:
    project.edit(TESTS, before, after)
    project.edit(HELPER, "this.url = url;", "this.url = url; console.log(url);")
    counts, output = await to_thread.run_sync(project.run_tests)
    assert counts["pass"] == passed, output
    ports = [int(port) for port in re.findall(r"^# http://127\.0\.0\.1:(\d+)$", output, re.MULTILINE)]
    assert len(ports) == 2
    await wait_until(lambda: not any(map(is_listening, ports)))


def is_listening(port: int) -> bool:
    """Return whether a process listens on a port of loopback."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_dropped_data_fails_a_test_with_a_list(project: Project) -> None:
    project.edit(APP, "email: order.email", "email: order.email, note: 'x'.repeat(1001)")
    counts, output = project.run_tests()
    assert counts == {"pass": 2, "fail": 4}, output  # the API carries out nothing in those that pass
    assert "the real API would have silently dropped:" in output
    assert "  1042: attribute 'note': the attribute value exceeds 1000 bytes" in output


def test_repeated_event_without_an_id_is_found(project: Project) -> None:
    project.edit(APP, "id: order.eventId, ", "")
    counts, output = project.run_tests()
    assert counts == {"pass": 4, "fail": 2}, output
    assert len(re.findall(f"^not ok .* - {RESENT}$", output, re.MULTILINE)) == 2
    assert "2 !== 1" in output


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('spawn("customerio-track-mcp"', 'spawn("customerio-track-mcp-missing"', "customerio-track-mcp-missing ENOENT"),
        ('"--port", "0"', '"--port", "70000"', "the sandbox did not start: usage: customerio-track-mcp sandbox"),
    ],
)
def test_sandbox_that_does_not_start_fails_the_tests_with_the_reason(
    project: Project, before: str, after: str, reason: str
) -> None:
    project.edit(HELPER, before, after)
    counts, output = project.run_tests()
    assert counts == {"pass": 0, "fail": 6}, output
    assert reason in output


def test_segments_are_added_under_their_ids(project: Project) -> None:
    (example,) = (
        text for text in blocks(section("## Node", PAGE), "js") if text.startswith("await sandbox.addSegment")
    )
    test = """
      const { people: [person], segments } = await sandbox.state();
      assert.deepEqual(segments.at(-1), { id: 7, name: "Buyers", kind: "manual", members: [person.cio_id] });
    """
    project.edit(TESTS, 'test("an error', f'test("a segment", async () => {{ {example}{test} }});\ntest("an error')
    counts, output = project.run_tests()
    assert counts == {"pass": 8, "fail": 0}, output


async def test_operations_that_the_sandbox_knows(project: Project, sandbox: RunningSandbox) -> None:
    (listed,) = re.findall(r"knows these operations of the SDK: (.+?)\.", section("## Node", PAGE), re.DOTALL)
    calls = {
        "identify": ["1", {}],
        "track": ["1", {"name": "purchase"}],
        "trackPageView": ["1", "/pricing"],
        "addCustomersToSegment": [1, ["1"]],
        "getAccountRegion": [],
        "trackAnonymous": ["a", {"name": "purchase"}],
        "addDevice": ["1", "d", "ios"],
        "mergeCustomers": ["id", "1", "id", "2"],
        "removeCustomersFromSegment": [1, ["1"]],
        "suppress": ["1"],
        "destroy": ["1"],
        "batch": [[{"type": "person", "action": "identify", "identifiers": {"id": "1"}}]],
    }
    program = f"""
      import {{ TrackClient }} from "customerio-node";
      const cio = new TrackClient("sandbox", "sandbox", {{ url: "{sandbox.url}/api/v1" }});
      const statuses = {{}};
      for (const [name, values] of Object.entries({json.dumps(calls)}))
        statuses[name] = await cio[name](...values).then(() => 200, (error) => error.statusCode);
      console.log(JSON.stringify(statuses));
    """
    project.write("operations.mjs", program)
    statuses = json.loads((await to_thread.run_sync(project.node, "operations.mjs")).stdout)
    assert [name for name, status in statuses.items() if status == 200] == re.findall(r"`(\w+)`", listed)
    assert set(statuses.values()) == {200, 404, 405}


def test_version_4_of_the_sdk_uses_the_sandbox_over_https(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    serve, test = re.findall(r"```console\n(.+)\n```", section("### Version 4 of the SDK", PAGE))
    project.use_sdk("customerio-node-4")
    (before,) = (line.strip() for line in FILES[TESTS].splitlines() if "new TrackClient" in line)
    project.edit(TESTS, before, block("### Version 4 of the SDK", "js").strip())
    monkeypatch.chdir(project.folder)
    with running(*shlex.split(serve)[1:], "--port", "0") as process:
        port = url_from_stderr(process, "sandbox Track API").rpartition(":")[2]
        counts, output = project.run_tests(test.replace("8765", port))
    assert counts == {"pass": 4, "fail": 2}, output
    assert len(re.findall(f"^not ok .* - {RESENT}$", output, re.MULTILINE)) == 2
    assert "socket hang up" in output or "ECONNRESET" in output


def test_tests_run_in_vitest_with_the_documented_hooks(project: Project) -> None:
    (before,) = (line for line in FILES[TESTS].splitlines() if line.endswith('from "node:test";'))
    project.edit(TESTS, before, block("### Other test runners", "js").strip())
    project.install("vitest")
    completed = project.node(VITEST, "run", "--environment", "node")
    assert completed.returncode == 0, completed.stdout
    assert "6 passed" in completed.stdout
