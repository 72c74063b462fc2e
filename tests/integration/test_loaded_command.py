"""A forked command behaves as one that was started, whose place it takes in other tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

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
