"""A server whose stderr nobody reads answers every call and ends; what it dropped is logged when somebody reads."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from anyio import to_thread

from tests.support.http_service import HEADERS, another_call, payload_in
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, exit_status, url_from_stderr
from tests.support.waiting import wait_until

CALLS: Final = {"text": 1300, "json": 900}
"""More than fit into a pipe and into the queue of a server at DEBUG, by log format."""
PIPE_BYTES: Final = 65_536


def settings(log_format: str = "text") -> dict[str, str]:
    """Return an environment in which calls are logged, and sent to nobody: each costs little."""
    return environment(dry_run="true", log_level="DEBUG", log_format=log_format, rate_limit="100000")


@contextmanager
def unread(*arguments: str, env: Mapping[str, str], stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start the command with pipes, and kill it at the end of the block if it still runs."""
    command = arguments if arguments[0] == sys.executable else [*COMMAND, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def requests(number: int) -> str:
    messages: list[Mapping[str, Any]] = [INITIALIZE]
    messages += [another_call() | {"id": request_id} for request_id in range(1, number + 1)]
    return "".join(json.dumps(message) + "\n" for message in messages)


async def make_calls(process: subprocess.Popen[str], number: int) -> None:
    """Send tool calls over stdio, and read the response to each."""

    def write() -> None:
        assert process.stdin is not None
        process.stdin.write(requests(number))
        process.stdin.flush()

    def read() -> list[dict[str, Any]]:
        assert process.stdout is not None
        return [json.loads(process.stdout.readline()) for _ in range(number + 1)]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(to_thread.run_sync, write)
        responses = {response["id"]: response for response in await to_thread.run_sync(read, abandon_on_cancel=True)}
    assert sorted(responses) == list(range(number + 1))
    assert all(responses[number]["result"]["structuredContent"]["success"] for number in range(1, number + 1))


async def post_calls(url: str, number: int) -> None:
    async with (
        httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=60) as http,
        anyio.create_task_group() as tasks,
    ):

        async def post() -> None:
            for _ in range(number // 10):
                assert payload_in(await http.post(url, json=another_call()))["success"]

        for _ in range(10):
            tasks.start_soon(post)


def read_available(readable: int) -> str:
    """Return what can be read from a descriptor without waiting."""
    os.set_blocking(readable, False)
    with suppress(BlockingIOError):
        return os.read(readable, PIPE_BYTES).decode()
    return ""


def numbers_of_lines(log: str) -> tuple[int, int]:
    """Return how many tool calls a log contains, and how many lines it says were dropped."""
    dropped = re.findall(r'stderr was not read"?,? "?lines"?[=:] ?(\d+)', log)
    return len(re.findall("tool call", log)), sum(map(int, dropped))


@pytest.mark.parametrize(
    ("log_format", "end"), [("text", "end of input"), ("json", "end of input"), ("text", "SIGTERM"), ("json", "SIGINT")]
)
async def test_stdio_answers_every_call_and_ends(log_format: str, end: str) -> None:
    with unread("stdio", env=settings(log_format)) as process, anyio.fail_after(120):
        await make_calls(process, CALLS[log_format])
        assert process.stdin is not None
        if end == "end of input":
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[end])
        assert await exit_status(process) == 0


@pytest.mark.parametrize(("log_format", "kind"), [("text", "pipe"), ("json", "pipe"), ("text", "socket")])
async def test_every_line_is_either_read_or_counted_once_there_is_a_reader(log_format: str, kind: str) -> None:
    readable, writable = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    number = CALLS[log_format] if kind == "pipe" else 2 * CALLS[log_format]
    with unread("stdio", env=settings(log_format), stderr=writable) as process, anyio.fail_after(120):
        os.close(writable)
        await make_calls(process, number)
        log = ""

        def is_every_line_accounted_for() -> bool:
            nonlocal log
            log += os.read(readable, PIPE_BYTES).decode()
            calls, dropped = numbers_of_lines(log)
            return calls + dropped == number and dropped > 0

        await wait_until(is_every_line_accounted_for)
        assert all(json.loads(line) for line in log.splitlines()) if log_format == "json" else True
        await make_calls(process, 1)
        await wait_until(lambda: "tool call" in read_available(readable))
        process.terminate()
        assert await exit_status(process) == 0
        assert read_available(readable) == ""
    os.close(readable)


@pytest.mark.parametrize(("log_format", "workers"), [("json", "1"), ("text", "2")])
async def test_http_answers_every_call_and_ends(log_format: str, workers: str) -> None:
    env = settings(log_format)
    with unread("http", "--port", "0", "--workers", workers, env=env) as process, anyio.fail_after(120):
        url = await to_thread.run_sync(url_from_stderr, process, "listening on")
        await post_calls(url, CALLS[log_format])
        process.terminate()
        assert await exit_status(process) == 0


@pytest.mark.parametrize(
    ("arguments", "last_line"),
    [
        (["stdio", "--sandbox"], "sandbox Track API at http://"),
        (["http", "--sandbox", "--port", "0"], "listening on http://"),
        (["sandbox", "--port", "0"], "sandbox Track API at http://"),
    ],
)
async def test_server_starts_and_ends_although_its_stderr_is_full(arguments: list[str], last_line: str) -> None:
    readable, writable = os.pipe()
    filler = "x" * (fcntl.fcntl(writable, fcntl.F_GETPIPE_SZ) - 1) + "\n"
    os.write(writable, filler.encode())
    log = ""

    def is_started() -> bool:
        nonlocal log
        log += read_available(readable)
        return re.search(f"{last_line}.*\n", log) is not None

    with unread(*arguments, env=environment(), stderr=writable) as process, anyio.fail_after(60):
        if arguments[0] == "stdio":
            await make_calls(process, 3)
        await wait_until(is_started)
        process.terminate()
        assert await exit_status(process) == 0
    for descriptor in (readable, writable):
        os.close(descriptor)


PROTECTED: Final = """
import os, sys
from customerio_track_mcp.instrumentation.stderr import protect_stderr
protect_stderr()
"""
PRINTS: Final = {
    "print": 'print("x" * 100, file=sys.stderr)',
    "original stream": 'print("x" * 100, file=sys.__stderr__)',
    "warning": 'import warnings; warnings.simplefilter("always"); warnings.warn("x" * 100)',
    "log line of a library": 'import logging; logging.getLogger("library").warning("x" * 100)',
    "traceback of a thread": "import threading; threading.Thread(target=lambda: 1 / 0).start()",
    "error in a finalizer": """
class Unlucky:
    def __del__(self):
        1 / 0
Unlucky()""",
    "progress bar": "from tqdm import tqdm; list(tqdm(range(5), mininterval=0))",
    "the descriptor itself": """
try:
    os.write(2, b"x" * 100)
except BlockingIOError:
    pass""",
    "C code": "import faulthandler; faulthandler.dump_traceback()",
    "child process": 'os.system("echo " + "x" * 8000 + " >&2") if number < 20 else None',
}


@pytest.mark.parametrize("what", PRINTS)
async def test_nothing_in_the_process_waits_for_a_reader(what: str) -> None:
    body = "\n    ".join(PRINTS[what].strip().splitlines())
    code = f"{PROTECTED}\nfor number in range(2000):\n    {body}\nprint('done')\n"
    with unread(sys.executable, "-c", code, env=environment()) as process, anyio.fail_after(60):
        assert await exit_status(process) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "done\n"


async def test_uncaught_exception_does_not_wait_for_a_reader() -> None:
    code = f"{PROTECTED}\nfor number in range(5000):\n    print('x' * 100, file=sys.stderr)\n1 / 0"
    with unread(sys.executable, "-c", code, env=environment()) as process, anyio.fail_after(60):
        assert await exit_status(process) == 1


async def test_lines_written_right_before_the_end_are_all_read() -> None:
    """The first part fits into the pipe, the rest into the queue."""
    code = f"{PROTECTED}\nfor number in range(1500):\n    print(number, 'x' * 100, file=sys.stderr)"
    with unread(sys.executable, "-c", code, env=environment()) as process, anyio.fail_after(60):
        assert process.stderr is not None
        log = await to_thread.run_sync(process.stderr.read)
        assert await exit_status(process) == 0
    assert [int(line.split()[0]) for line in log.splitlines()] == list(range(1500))


async def test_forked_child_writes_and_does_not_repeat_what_its_parent_has_queued() -> None:
    code = f"""{PROTECTED}
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks of a process with threads
for number in range(1000):
    print(number, "x" * 100, file=sys.stderr)
if os.fork() == 0:
    print("child", file=sys.stderr)
    sys.stderr.flush()
else:
    os.wait()
"""
    with unread(sys.executable, "-c", code, env=environment()) as process, anyio.fail_after(60):
        assert process.stderr is not None
        log = await to_thread.run_sync(process.stderr.read)
        assert await exit_status(process) == 0
    lines = log.splitlines()
    assert lines.count("child") == 1
    assert [int(line.split()[0]) for line in lines if line != "child"] == list(range(1000))


async def test_stray_output_on_stdout_does_not_wait_for_a_reader_of_stderr() -> None:
    code = f"""{PROTECTED}
import anyio
from customerio_track_mcp.stdio.pipes import lines_to_stdout

async def main():
    async with lines_to_stdout() as output:
        for number in range(5000):
            print("x" * 100, flush=True)
        os.write(1, b"x" * 300_000)
        os.system("yes | head --bytes=300000")
        await output.send(b"protocol")
        print("x" * 300_000)

anyio.run(main)
"""
    with unread(sys.executable, "-c", code, env=environment()) as process, anyio.fail_after(60):
        assert await exit_status(process) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "protocol\n"


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/null", "2>file"])
async def test_stderr_that_is_not_a_pipe(tmp_path: Path, stderr: str) -> None:
    shell = f'exec "$@" {stderr}'
    env = settings()
    completed = await anyio.run_process(["/bin/sh", "-c", shell, "sh", *COMMAND], input=requests(30).encode(), env=env)
    assert completed.returncode == 0
    assert sorted(json.loads(line)["id"] for line in completed.stdout.splitlines()) == list(range(31))
    if stderr == "2>file":
        assert (tmp_path / "file").read_text(encoding="utf-8").count("tool call") == 30


async def test_reader_of_stderr_that_is_gone_does_not_end_the_server() -> None:
    with unread("stdio", env=settings()) as process, anyio.fail_after(60):
        assert process.stderr is not None
        process.stderr.close()
        await make_calls(process, 30)
        process.terminate()
        assert await exit_status(process) == 0
