"""How an agent is run: its input, output, status and time limit, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import anyio
import psutil
import pytest

from customerio_track_mcp.rehearsal import process_group
from customerio_track_mcp.rehearsal.agent import AgentRun, run_agent
from customerio_track_mcp.rehearsal.output_tail import KEPT_BYTES
from tests.support.waiting import wait_until

MARK: Final = "TEST_AGENT"
LONG: Final = 300.0
"""A time limit that is not reached."""
IGNORE_SIGTERM: Final = "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
WAIT: Final = "signal.pause()"
# A child that is there before its parent continues; it inherits that SIGTERM is ignored.
LEAVE_CHILD: Final = """
started, starts = os.pipe()
if os.fork() == 0:
    {before}
    os.write(starts, b"x")
    signal.pause()
os.read(started, 1)
"""


@pytest.fixture
def mark() -> Iterator[str]:
    """A value of a variable in the environment of an agent, by which its processes are found."""
    value = uuid4().hex
    yield value
    for process in marked(value):
        process.kill()


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that run with a mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


async def run_python(*lines: str, mark: str = "", time_limit: float = LONG, arguments: Sequence[str] = ()) -> AgentRun:
    """Run Python code as an agent."""
    words = [sys.executable, "-I", "-c", "\n".join(lines), *arguments]
    return await run_agent(words, {"PATH": os.environ["PATH"], MARK: mark}, time_limit)


async def test_an_agent_that_ends_with_status_0_has_not_failed() -> None:
    run = await run_python("import sys; print('out'); print('err', file=sys.stderr)")
    assert (run.status, run.problem, run.timed_out) == (0, "", False)
    assert (run.stdout, run.stderr) == ("out\n", "err\n")
    assert run.seconds > 0


async def test_an_agent_has_no_input_and_no_terminal() -> None:
    run = await run_python(
        "import os, sys",
        "print(sys.stdin.buffer.read(), os.getsid(0) == os.getpid() == os.getpgrp())",
    )
    assert run.stdout == "b'' True\n"


@pytest.mark.parametrize(
    ("code", "status", "problem"),
    [
        ("raise SystemExit(3)", 3, "ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", -9, "was ended by signal 9 (SIGKILL)"),
        ("import os; os.kill(os.getpid(), 40)", -40, "was ended by signal 40 (unknown)"),
    ],
)
async def test_an_agent_that_fails_is_reported(code: str, status: int, problem: str) -> None:
    run = await run_python(code)
    assert (run.status, run.problem, run.timed_out) == (status, problem, False)


async def test_an_agent_beyond_its_time_limit_is_ended(mark: str) -> None:
    run = await run_python("import signal", WAIT, mark=mark, time_limit=0.05)
    assert (run.status, run.timed_out) == (None, True)
    assert run.problem == "did not end within 0.05 seconds"
    assert marked(mark) == []


async def test_an_agent_and_its_child_that_ignore_sigterm_are_killed(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_group, "TERMINATION_SECONDS", 0.1)
    ready = tmp_path / "ready"
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            code = [IGNORE_SIGTERM, LEAVE_CHILD.format(before="pass"), f"open({str(ready)!r}, 'x')", WAIT]
            await run_python(*code, mark=mark)

        tasks.start_soon(run)
        await wait_until(ready.exists)
        assert len(marked(mark)) == 2
        tasks.cancel_scope.cancel()
    assert marked(mark) == []


@pytest.mark.parametrize("before", ["signal.signal(signal.SIGTERM, signal.SIG_DFL)", "pass"])
async def test_what_an_agent_leaves_in_its_group_is_ended(
    before: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_group, "TERMINATION_SECONDS", 0.1)
    run = await run_python(IGNORE_SIGTERM, LEAVE_CHILD.format(before=before), "print('done')", mark=mark)
    assert (run.status, run.problem, run.stdout) == (0, "", "done\n")
    assert marked(mark) == []


async def test_a_stopped_agent_is_ended(mark: str) -> None:
    stop = "import os, signal; print('stopping', flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: run_python(stop, mark=mark))
        await wait_until(lambda: [process.status() for process in marked(mark)] == [psutil.STATUS_STOPPED])
        tasks.cancel_scope.cancel()
    assert marked(mark) == []


async def test_a_process_outside_the_group_does_not_hold_the_run_up(mark: str) -> None:
    run = await run_python(
        "import os, signal, sys",
        LEAVE_CHILD.format(before="os.setsid()"),
        "print('done')",
        mark=mark,
    )
    assert (run.status, run.stdout) == (0, "done\n")
    (left,) = marked(mark)
    left.send_signal(signal.SIGKILL)


async def test_output_is_kept_up_to_a_maximum_and_never_blocks() -> None:
    flood = "for stream in (sys.stdout, sys.stderr):\n    for _ in range(400): stream.write('x' * 65536)"
    run = await run_python("import sys", flood, "print('last out'); print('last err', file=sys.stderr)")
    assert run.status == 0
    for text, last in ((run.stdout, "last out\n"), (run.stderr, "last err\n")):
        assert text == f"…{'x' * (KEPT_BYTES - len(last))}{last}"


async def test_output_may_be_any_bytes() -> None:
    run = await run_python(r"import os; os.write(1, b'\xff\x00\x1b[31m\xe2\x82'); os.write(2, b'\xc3\xa9')")
    assert (run.stdout, run.stderr) == ("\ufffd\x00\x1b[31m\ufffd", "é")


async def test_a_program_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_bytes(b"\x00\x01\x02")
    program.chmod(0o700)
    run = await run_agent([str(program)], {}, LONG)
    assert (run.status, run.problem) == (None, "cannot be started: Exec format error")
