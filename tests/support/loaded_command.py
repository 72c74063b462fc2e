"""The command in a process that is forked from one which has loaded it, for tests that run it with many inputs.

Nearly all that a start of the command costs is loading its modules, half a second of CPU time. From `main` on, all is
as in `tests.support.process`: the process has its own standard streams, environment, working directory and signals, and
ends as the interpreter does. How the interpreter starts and loads the modules is tested with that module. Coverage is
not measured.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from tests.support import command_template
from tests.support.process import COMMAND, environment

_TIMEOUT: Final = 60
_OTHER_INPUTS: Final = frozenset(
    {"BROWSER", "PATH", "PYTEST_CURRENT_TEST", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR"}
)


def run_loaded(
    *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, merge_stderr: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command until it exits, in a process that has loaded it before.

    Args:
        arguments: the command's arguments.
        stdin: its standard input.
        env: its environment; by default the test's own. It may differ from that in variables that no module reads
            while it is loaded, such as settings and proxies.
        merge_stderr: whether stderr is the same stream as stdout.
    """
    with running_loaded(*arguments, env=env, merge_stderr=merge_stderr) as process, ThreadPoolExecutor() as readers:
        stdout, stderr = readers.submit(process.stdout.read), readers.submit(process.stderr.read)
        try:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin)
            status = process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, status, stdout.result(), stderr.result())


@contextmanager
def running_loaded(
    *arguments: str, env: Mapping[str, str] | None = None, own_group: bool = False, merge_stderr: bool = False
) -> Iterator[LoadedProcess]:
    """Start the command in a process that has loaded it before, and kill it at the end of the block if it still runs.

    Args:
        arguments: the command's arguments.
        env: its environment, as for `run_loaded`.
        own_group: whether it gets a process group of its own.
        merge_stderr: whether stderr is the same stream as stdout.
    """
    variables = _without_coverage(env if env is not None else environment())
    process = LoadedProcess(arguments, variables, own_group=own_group, merge_stderr=merge_stderr)
    try:
        yield process
    finally:
        process.kill()
        process.close()


class Template:
    """The process that has loaded the command, and forks itself at each request.

    A request is one byte with five descriptors. The first is of a file that contains arguments, environment and working
    directory as JSON. The next three become the standard streams. The process id is written to the last as a line, and
    the exit status as another.
    """

    def __init__(self) -> None:
        self.environment = _without_coverage(environment())
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", command_template.__file__, str(theirs.fileno())],
                # Pipes as the command has: Python creates other streams for a terminal.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._end)

    def send(self, request: Mapping[str, object], descriptors: list[int]) -> None:
        """Request a fork."""
        with TemporaryFile() as file:
            file.write(json.dumps(request).encode())
            file.seek(0)
            with suppress(BrokenPipeError):  # it has failed: `failure` says why
                socket.send_fds(self._requests, [b"."], [file.fileno(), *descriptors])

    def failure(self) -> str:
        """End it, and return why it did not fork. The next process gets another template."""
        _template.cache_clear()
        self._requests.close()
        status = self._process.wait()
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)  # the parents of forks that run have it open, too
        return f"not forked (status {status}): {(self._process.stderr.read() or b'').decode()}"

    def _end(self) -> None:
        self._requests.close()
        with self._process:  # closes the pipes, and waits
            pass


class LoadedProcess:
    """A forked process, with the attributes and methods of `subprocess.Popen` that tests use.

    Args:
        arguments: the command's arguments.
        env: its environment.
        own_group: whether it gets a process group of its own.
        merge_stderr: whether stderr is the same stream as stdout.

    Attributes:
        args: the command and its arguments.
        pid: the process id.
        returncode: the exit status, negative for a signal; None until `poll` or `wait` has found that it has exited.
    """

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str], *, own_group: bool, merge_stderr: bool
    ) -> None:
        template = _template()
        changed = {name for name, _ in env.items() ^ template.environment.items()}
        unusable = [name for name in changed if not _is_no_input_of_modules(name)]
        assert unusable == [], f"modules may read {unusable} while they are loaded: use tests.support.process"
        request = {"arguments": arguments, "environment": env, "directory": str(Path.cwd()), "own_group": own_group}
        (stdin, ours), (out, stdout), (err, stderr), (life, lives) = (os.pipe() for _ in range(4))
        template.send(request, [stdin, stdout, stdout if merge_stderr else stderr, lives])
        for descriptor in (stdin, stdout, stderr, lives):
            os.close(descriptor)
        self.stdin = os.fdopen(ours, "w", encoding="utf-8")
        self.stdout = os.fdopen(out, encoding="utf-8")
        self.stderr = os.fdopen(err, encoding="utf-8")
        self._life = os.fdopen(life, "rb", buffering=0)  # `select` does not see what is in a buffer
        self.args = [*COMMAND, *arguments]
        self.returncode: int | None = None
        process_id = self._life.readline()
        if not process_id:
            self._close_streams()
            raise AssertionError(template.failure())
        self.pid = int(process_id)

    def poll(self) -> int | None:
        """Return the exit status, or None if the process runs."""
        if self.returncode is None and select.select([self._life], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process exits, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        if self.returncode is None:
            if not select.select([self._life], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._life.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal if the process runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has exited, and its status is not written yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Wait until the process exits, and close its streams."""
        self.wait()
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr, self._life):
            with suppress(BrokenPipeError):
                stream.close()


@cache
def _template() -> Template:
    return Template()


def _without_coverage(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith("COVERAGE_")}


def _is_no_input_of_modules(name: str) -> bool:
    return name in _OTHER_INPUTS or name.startswith("CUSTOMERIO_") or name.upper().endswith("_PROXY")
