"""The command `rehearse` with agents that are subprocesses, one of them with the SDK's own client."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import psutil
import pytest

from customerio_track_mcp.rehearsal import load_scenario, rehearse
from customerio_track_mcp.rehearsal.agent_command import AgentCommand
from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import COMMAND, environment, exit_status, run, url_from_stderr
from tests.support.waiting import wait_until

PURCHASE: Final = """\
title: A purchase
prompt: |
  Customer 1042 bought socks for 23.45.
  Record it as the event purchase. {people}
people: [{id: "1042", email: ann@example.com, attributes: {plan: free}}]
expect:
  events: [{person: "1042", name: purchase, data: {total: 23.45}}]
"""
NOTHING: Final = "title: Nothing to do\nprompt: Do nothing.\n"
BUSY: Final = f"{PURCHASE}faults: [{{kind: status, status: 429, retry_after: 2}}]\n"

SEND_PURCHASE: Final = """
import asyncio, json, sys
from pathlib import Path
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    (server,) = json.loads(Path(sys.argv[1]).read_text())["mcpServers"].values()
    parameters = StdioServerParameters(command=server["command"], args=server["args"], env=server["env"])
    async with Client(stdio_client(parameters)) as client:
        arguments = {"customer_id": "1042", "event_name": "purchase", "data": {"total": 23.45}}
        result = await client.call_tool("send_event", arguments)
        print(result.structured_content)

asyncio.run(main())
"""
# Sends a call, and is gone after its first attempt: its server is in another process group, and ends with its input.
SEND_AND_LEAVE: Final = """
import json, subprocess, sys
from pathlib import Path

(server,) = json.loads(Path(sys.argv[1]).read_text())["mcpServers"].values()
process = subprocess.Popen(
    [server["command"], *server["args"]],
    env=server["env"],
    stdin=subprocess.PIPE,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)
call = {"name": "send_event", "arguments": {"customer_id": "1042", "event_name": "purchase", "data": {"total": 23.45}}}
client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
for message in (
    {"id": 1, "method": "initialize", "params": client},
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/call", "params": call},
):
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")
process.stdin.flush()
import urllib.request
url = server["args"][-1] + "/_sandbox/state"
while not json.load(urllib.request.urlopen(url))["request_log"]:
    pass
"""


@pytest.fixture
def purchase(tmp_path: Path) -> Path:
    return written(tmp_path / "purchase.yaml", PURCHASE)


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    return written(tmp_path / "nothing.yaml", NOTHING)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def agent(tmp_path: Path, code: str, arguments: str = "{config} {prompt}") -> list[str]:
    """Return the options for an agent of Python code."""
    script = written(tmp_path / "agent.py", code)
    return ["--agent", f"{shlex.join([sys.executable, str(script)])} {arguments}"]


def rehearse_json(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the report as JSON."""
    completed = run_loaded("rehearse", *arguments, "--json", env=env)
    assert "Traceback" not in completed.stderr
    return completed.returncode, json.loads(completed.stdout)


def test_an_agent_that_does_what_it_is_asked_passes(purchase: Path, tmp_path: Path) -> None:
    completed = run_loaded("rehearse", str(purchase), *agent(tmp_path, SEND_PURCHASE))
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.splitlines()[-1].startswith("1 of 1 scenarios passed, ")
    assert "FAILED" not in completed.stdout
    assert "customerio-track-mcp: 1 of 1: purchase; watch it at http://127.0.0.1:" in completed.stderr


def test_an_agent_that_does_nothing_fails(purchase: Path, nothing: Path, tmp_path: Path) -> None:
    status, report = rehearse_json(str(purchase), str(nothing), *agent(tmp_path, ""))
    assert status == 1
    assert {scenario["name"]: scenario["passed"] for scenario in report["scenarios"]} == {
        "purchase": False,
        "nothing": True,
    }
    assert report["scenarios"][0]["checks"]["right_writes"]["outcome"] == "failed"
    assert not report["passed"]


def test_an_agent_without_the_tools_is_reported(purchase: Path, tmp_path: Path) -> None:
    hint = "  the agent called no tool of the server in {config}: "
    assert hint in run_loaded("rehearse", str(purchase), *agent(tmp_path, "")).stdout
    written(purchase, f"{PURCHASE}settings: {{CUSTOMERIO_EVENTS: refund}}\n")
    refused = run_loaded("rehearse", str(purchase), *agent(tmp_path, SEND_PURCHASE)).stdout
    assert "0 of 1 scenarios passed" in refused
    assert hint not in refused


def test_each_scenario_has_a_sandbox_of_its_own(purchase: Path, tmp_path: Path) -> None:
    second = written(tmp_path / "second.yaml", PURCHASE)
    status, report = rehearse_json(str(purchase), str(second), *agent(tmp_path, SEND_PURCHASE))
    assert (status, report["scenarios_passed"]) == (0, 2)


def test_an_agent_that_fails_fails_although_its_writes_are_right(purchase: Path, tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    code = f"{SEND_PURCHASE}\nprint('\\x1b[2Jsorry', file=sys.stderr); sys.exit(3)"
    completed = run_loaded("rehearse", str(purchase), *agent(tmp_path, code), "--junit", str(junit))
    assert completed.returncode == 1
    assert "  the agent ended with status 3\n" in completed.stdout
    assert "    stderr: \\x1b[2Jsorry\n" in completed.stdout
    checks = completed.stdout.splitlines()[-1].removeprefix("0 of 1 scenarios passed, ")
    passed, _, total, _ = checks.split()
    assert passed == total
    error = ElementTree.parse(junit).find("testsuite/testcase[@name='purchase']/error")  # noqa: S314 - our own
    assert error is not None
    assert error.attrib["message"] == "the agent ended with status 3"


def test_a_call_that_the_agent_has_left_behind_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "busy.yaml", BUSY)
    status, report = rehearse_json(str(path), *agent(tmp_path, SEND_AND_LEAVE))
    assert status == 0, report


async def test_a_call_whose_server_was_killed_is_not_waited_for_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse, "SETTLING_SECONDS", 0.5)
    scenario = load_scenario(written(tmp_path / "busy.yaml", BUSY))
    _, command_line = agent(tmp_path, f"{SEND_AND_LEAVE}process.kill(); process.wait()\n")
    command = AgentCommand.parse(command_line)
    result = await rehearse.rehearse("busy", scenario, command, time_limit=300, on_start=lambda _: None)
    assert result.agent.problem == ""
    assert not result.passed


def test_an_agent_gets_the_prompt_and_the_configuration_as_files_and_arguments(purchase: Path, tmp_path: Path) -> None:
    code = (
        "import sys, os, stat\n"
        "_, config, prompt, prompt_file = sys.argv\n"
        "print(stat.filemode(os.stat(os.path.dirname(config)).st_mode))\n"
        "print(open(prompt_file).read() == prompt, config)\n"
        "print(prompt)\n"
    )
    _, report = rehearse_json(str(purchase), *agent(tmp_path, code, "{config} {prompt} {prompt_file}"))
    mode, files, *prompt = report["scenarios"][0]["agent"]["stdout"].splitlines()
    assert mode == "drwx------"
    assert files.startswith("True ")
    assert not Path(files.split()[1]).parent.exists()
    assert prompt[0] == "Customer 1042 bought socks for 23.45."
    assert '"ann@example.com"' in prompt[1]


def test_neither_the_agent_nor_its_server_has_the_settings_of_a_real_workspace(purchase: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    written(secrets / "CUSTOMERIO_API_KEY", "real-key")
    env_file = written(tmp_path / "settings.env", "CUSTOMERIO_DRY_RUN=true\n")
    env = environment(
        api_key="site:real-key", dry_run="true", secrets_dir=str(secrets), env_file=str(env_file), region="mars"
    )
    code = f"import os; print(sorted(os.environ.items()), open(__import__('sys').argv[1]).read())\n{SEND_PURCHASE}"
    status, report = rehearse_json(str(purchase), *agent(tmp_path, code), env=env)
    assert status == 0, report
    output = report["scenarios"][0]["agent"]["stdout"]
    assert "'PATH'" in output
    assert "real-key" not in output
    assert "CUSTOMERIO_DRY_RUN" not in output


@pytest.mark.parametrize("propagators", [None, "b3,baggage"])
def test_the_agent_has_the_other_variables_of_the_user_as_they_are(
    propagators: str | None, nothing: Path, tmp_path: Path
) -> None:
    env = {name: value for name, value in environment().items() if name != "OTEL_PROPAGATORS"}
    env["LC_ALL"] = "C.UTF-8"  # in the C locale, Python sets LC_CTYPE
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env.get("PYTHONPATH", ""), "", "/nowhere"])
    if propagators is not None:
        env["OTEL_PROPAGATORS"] = propagators
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    options = ["rehearse", str(nothing), *agent(tmp_path, code), "--json"]
    completed = subprocess.run(
        [*COMMAND, *options], env=env, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    (scenario,) = json.loads(completed.stdout)["scenarios"]
    expected = {name: value for name, value in env.items() if not name.startswith("CUSTOMERIO_")}
    assert json.loads(scenario["agent"]["stdout"]) == expected


def test_a_prompt_that_the_locale_cannot_encode_needs_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "x.yaml", "title: Another language\nprompt: 日本\n")
    env = environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    completed = run("rehearse", str(path), *agent(tmp_path, ""), env=env)
    assert completed.returncode == 2
    assert f"{path}: prompt: the prompt contains characters that this locale (" in completed.stderr
    completed = run("rehearse", str(path), *agent(tmp_path, "", "{config} {prompt_file}"), env=env)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_settings_of_a_scenario_are_those_of_its_server(purchase: Path, tmp_path: Path) -> None:
    written(purchase, f"{PURCHASE}settings: {{CUSTOMERIO_EVENTS: refund}}\n")
    status, report = rehearse_json(str(purchase), *agent(tmp_path, SEND_PURCHASE))
    assert status == 1
    assert '"purchase" is not allowed by the operator' in report["scenarios"][0]["agent"]["stdout"]


def test_an_agent_that_does_not_end_fails_and_the_next_one_is_run(nothing: Path, tmp_path: Path) -> None:
    second = written(tmp_path / "second.yaml", NOTHING)
    code = "import signal; signal.pause()"
    status, report = rehearse_json(str(nothing), str(second), *agent(tmp_path, code), "--timeout", "0.2")
    assert status == 1
    assert [scenario["name"] for scenario in report["scenarios"]] == ["nothing", "second"]
    for scenario in report["scenarios"]:
        assert not scenario["passed"]
        assert scenario["checks"]["no_extra_writes"]["outcome"] == "passed"
        assert scenario["agent"]["problem"] == "did not end within 0.2 seconds"
        assert (scenario["agent"]["timed_out"], scenario["agent"]["status"]) == (True, None)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_the_agent_and_reports_what_was_run(
    number: signal.Signals, status: int, purchase: Path, nothing: Path, tmp_path: Path
) -> None:
    code = (
        "import os, signal, sys\n"
        "if 'socks' in sys.argv[2]:\n"
        f"    open({str(tmp_path / 'pid.new')!r}, 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(tmp_path / 'pid.new')!r}, {str(tmp_path / 'pid')!r})\n"
        "    signal.pause()\n"
    )
    junit = tmp_path / "report.xml"
    with running_loaded(
        "rehearse", str(nothing), str(purchase), *agent(tmp_path, code), "--junit", str(junit)
    ) as process:
        url_from_stderr(process, "2 of 2")
        await wait_until((tmp_path / "pid").exists)
        agent_pid = int((tmp_path / "pid").read_text())
        process.send_signal(number)
        assert await exit_status(process) == status
        assert process.stdout is not None
        assert process.stderr is not None
        stdout, stderr = process.stdout.read(), process.stderr.read()
    assert not psutil.pid_exists(agent_pid)
    assert "stopping the agent" in stderr
    assert "Traceback" not in stderr
    assert stdout.splitlines()[-2] == "Not run: purchase"
    assert stdout.splitlines()[-1].startswith("1 of 2 scenarios passed, ")
    skipped = ElementTree.parse(junit).findall("testsuite/testcase/skipped")  # noqa: S314 - our own
    assert len(skipped) == 1


def test_a_hangup_that_is_ignored_ends_nothing(nothing: Path, tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getppid(), signal.SIGHUP)"
    command = [*COMMAND, "rehearse", str(nothing), *agent(tmp_path, code)]
    completed = subprocess.run(["nohup", *command], capture_output=True, encoding="utf-8", timeout=60, check=False)  # noqa: S607
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_the_report_replaces_an_earlier_one(nothing: Path, tmp_path: Path) -> None:
    junit = written(tmp_path / "report.xml", "x" * 10_000)
    assert run_loaded("rehearse", str(nothing), *agent(tmp_path, ""), "--junit", str(junit)).returncode == 0
    assert ElementTree.parse(junit).getroot().attrib["tests"] == "1"  # noqa: S314 - our own


def test_a_report_that_the_disk_does_not_take_is_reported_after_the_table(nothing: Path, tmp_path: Path) -> None:
    completed = run_loaded("rehearse", str(nothing), *agent(tmp_path, ""), "--junit", "/dev/full")
    assert completed.returncode == 1
    assert completed.stdout.splitlines()[-1].startswith("1 of 1 scenarios passed, ")
    assert "--junit: /dev/full cannot be written: No space left on device" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_program_that_cannot_be_executed_fails_its_scenario(nothing: Path, tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_bytes(b"\x00\x01")
    program.chmod(0o700)
    completed = run_loaded("rehearse", str(nothing), "--agent", f"{program} {{config}} {{prompt}}")
    assert completed.returncode == 1
    assert "  the agent cannot be started: Exec format error\n" in completed.stdout


def test_nothing_is_left_in_the_temporary_folder(purchase: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run("rehearse", str(purchase), *agent(tmp_path, ""), env=environment() | {"TMPDIR": str(temporary)})
    assert [path.name for path in temporary.iterdir()] == []
