"""SIGTERM and SIGINT at chosen moments while the command starts."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.process import environment, run, running, url_from_stderr

STDIO: Final = ("stdio",)
EMBEDDED: Final = ("stdio", "--sandbox")
HTTP: Final = ("http", "--port", "0", "--sandbox")
WORKERS: Final = ("http", "--port", "0", "--sandbox", "--workers", "2")
SANDBOX: Final = ("sandbox", "--port", "0")

SERVER: Final = "customerio_track_mcp"
WORKER: Final = "customerio_track_mcp.cli.worker"

# Python runs this before the command; a moment is an audit event and its first argument.
SITE: Final = """
import os, signal, sys

def send_signal(event, arguments):
    moment, number, process = os.environ["SIGNAL"].split(",")
    if event == moment or (event == "import" and arguments[0] == moment):
        if any(word.endswith(process) for word in sys.orig_argv):
            os.kill(os.getpid(), int(number))

sys.addaudithook(send_signal)
"""


def signaled(directory: Path, moment: str, number: signal.Signals, process: str = SERVER) -> dict[str, str]:
    """Return an environment in which a process with this module receives a signal at a step of its start."""
    # Not the working directory itself, which the command removes from the path of its workers.
    site = directory / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    return environment() | {
        "SIGNAL": f"{moment},{number.value},{process}",
        "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)]),
    }


@pytest.mark.parametrize(
    ("arguments", "moment", "number", "status"),
    [
        (STDIO, "customerio_track_mcp.instrumentation.stderr", signal.SIGTERM, 0),
        (STDIO, "pydantic", signal.SIGTERM, 0),
        (STDIO, "pydantic", signal.SIGINT, 130),
        (STDIO, "customerio_track_mcp.stdio.transport", signal.SIGTERM, 0),
        (EMBEDDED, "customerio_track_mcp.sandbox.server", signal.SIGTERM, 0),
        (EMBEDDED, "socket.bind", signal.SIGTERM, 0),
        (EMBEDDED, "socket.bind", signal.SIGINT, 130),
        (HTTP, "uvicorn", signal.SIGTERM, 0),
        (HTTP, "uvicorn", signal.SIGINT, 130),
        (WORKERS, "customerio_track_mcp.http.supervisor", signal.SIGTERM, 0),
        # From here on, a server handles signals.
        (SANDBOX, "socket.bind", signal.SIGTERM, 0),
        (WORKERS, "subprocess.Popen", signal.SIGTERM, 0),
        (WORKERS, "subprocess.Popen", signal.SIGINT, 0),
    ],
)
def test_signal_ends_a_server_that_starts(
    tmp_path: Path, arguments: tuple[str, ...], moment: str, number: signal.Signals, status: int
) -> None:
    completed = run(*arguments, env=signaled(tmp_path, moment, number))
    assert completed.returncode == status
    assert completed.stdout == ""
    assert "Traceback" not in completed.stderr
    assert "Exception" not in completed.stderr
    assert "listening on" not in completed.stderr


def test_worker_that_does_not_ignore_sigterm_yet_ends_the_service(tmp_path: Path) -> None:
    """A service manager may signal every process of the service."""
    completed = run(*WORKERS, env=signaled(tmp_path, "customerio_track_mcp.cli.options", signal.SIGTERM, WORKER))
    assert completed.returncode == 0
    assert "Traceback" not in completed.stderr
    assert "listening on" not in completed.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_ignores_signals_while_it_loads(tmp_path: Path, number: signal.Signals) -> None:
    env = signaled(tmp_path, "customerio_track_mcp.http.service", number, WORKER)
    with running(*WORKERS, env=env) as process:
        url_from_stderr(process, "listening on")
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("command", "terminated"),
    [
        ("check", -signal.SIGTERM),
        ("demo", -signal.SIGTERM),
        ("rehearse", -signal.SIGTERM),
        ("install", 143),
        ("uninstall", 143),
    ],
)
def test_command_that_is_not_a_server_does_not_report_success(tmp_path: Path, command: str, terminated: int) -> None:
    moment = "customerio_track_mcp.cli.main"
    assert run(command, env=signaled(tmp_path, moment, signal.SIGTERM)).returncode == terminated
    assert run(command, env=signaled(tmp_path, moment, signal.SIGINT)).returncode == 130
