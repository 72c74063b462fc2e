"""A forked command behaves as one that was started, whose place it takes in other tests."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from customerio_track_mcp.module_loading import loading
from tests.support.documents import ROOT
from tests.support.http_service import call
from tests.support.loaded_command import LoadedProcess, run_loaded, running_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import environment, run, running, url_from_stderr

Start = Callable[..., AbstractContextManager["LoadedProcess | subprocess.Popen[str]"]]
MESSAGES = f"{json.dumps(INITIALIZE)}\n{json.dumps(call())}\n"


@pytest.fixture(params=[running, running_loaded], ids=["started", "forked"])
def start(request: pytest.FixtureRequest) -> Start:
    function: Start = request.param
    return function


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (["--version"], {}),
        (["serve"], {}),
        (["check"], {"region": "mars"}),
        (["http"], {"region": "mars"}),
        ([], {"regions": "eu"}),
        ([], {"api_key": "site:key", "track_url": "http://127.0.0.1:1", "max_attempts": "1", "log_format": "json"}),
    ],
)
def test_output_and_exit_status_are_the_same(arguments: list[str], settings: dict[str, str]) -> None:
    started, forked = (
        function(*arguments, stdin=MESSAGES, env=environment(**settings)) for function in (run, run_loaded)
    )
    assert (forked.args, forked.returncode) == (started.args, started.returncode)
    assert _without_times(forked.stdout) == _without_times(started.stdout)
    assert len(forked.stderr.splitlines()) == len(started.stderr.splitlines())


def _without_times(output: str) -> list[object]:
    """Return the lines of output; of a tool result, whether it is an error."""
    lines = [json.loads(line) if line.startswith("{") else line for line in output.splitlines()]
    return [line["result"].get("isError", line) if isinstance(line, dict) else line for line in lines]


def test_a_signal_ends_it_and_is_its_exit_status(start: Start) -> None:
    with start("sandbox", "--port", "0") as process:
        url_from_stderr(process, "sandbox Track API at")
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait() == process.poll() == process.returncode == -signal.SIGKILL
        process.terminate()  # does nothing


def test_it_has_its_own_directory_and_process_group(start: Start, tmp_path: Path) -> None:
    with start("sandbox", "--port", "0", "--data", "file", own_group=True) as process:
        url_from_stderr(process, "sandbox Track API at")
        assert (tmp_path / "file").exists()
        assert os.getpgid(process.pid) == process.pid
        process.terminate()
        assert process.wait() == 0


def test_variables_that_modules_may_read_are_rejected() -> None:
    with pytest.raises(AssertionError, match=r"use tests\.support\.process"):
        run_loaded("--version", env=environment() | {"PYTHONUTF8": "1"})


def test_arguments_and_settings_may_be_long() -> None:
    completed = run_loaded("--env-file", "/" + "a" * 300_000, env=environment(pause_file="b" * 300_000))
    assert (completed.returncode, "a" * 300_000 in completed.stderr) == (2, True)


def test_a_template_that_ended_is_reported_and_replaced() -> None:
    with running_loaded("sandbox", "--port", "0") as process:
        url_from_stderr(process, "sandbox Track API at")
        os.kill(_template_of(process), signal.SIGKILL)
        with pytest.raises(AssertionError, match="not forked"):
            run_loaded("--version")
        assert run_loaded("--version").returncode == 0
        process.terminate()
        assert process.wait() == 0


def _template_of(process: LoadedProcess) -> int:
    return psutil.Process(process.pid).parents()[1].pid


def test_no_module_draws_a_random_number_or_reads_the_clock_while_it_is_loaded() -> None:
    """All forked processes would have the same."""
    found = [
        f"{path.name}:{call.lineno}"
        for path in sorted((ROOT / "server").rglob("*.py"))
        for call in _calls_while_loaded(ast.parse(path.read_text(encoding="utf-8")))
        if re.match(r"(os\.(urandom|getpid)|secrets|random|time|uuid|datetime)\b", ast.unparse(call.func))
    ]
    assert found == []


def _calls_while_loaded(node: ast.AST) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            if isinstance(child, ast.Call):
                yield child
            yield from _calls_while_loaded(child)


def test_variable_that_the_command_has_set_in_this_process_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_PROPAGATORS", raising=False)
    assert run_loaded("--version").returncode == 0
    with loading():
        assert run_loaded("--version").returncode == 0
