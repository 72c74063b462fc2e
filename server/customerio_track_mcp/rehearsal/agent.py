"""Run an agent once: its time limit, its output, and how it ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

import anyio
import anyio.to_thread

from customerio_track_mcp.rehearsal.output_tail import OutputTail
from customerio_track_mcp.rehearsal.process_group import end_group, start_group, wait_for_leader

_OUTPUT_SECONDS: Final = 1.0
"""Time to wait for the end of the output of a process that has ended."""


@dataclass(frozen=True, slots=True)
class AgentRun:
    """How an agent ended.

    Attributes:
        seconds: how long it ran.
        status: its exit status, or the negative number of the signal that ended it; None if it was not started, or did
            not end by itself in time.
        problem: why it has failed, as the end of a sentence that starts with "the agent"; empty if it has not.
        timed_out: whether it did not end in time.
        stdout: the end of what it printed; any text.
        stderr: the end of what it printed to stderr; any text.
    """

    seconds: float
    status: int | None
    problem: str = ""
    timed_out: bool = False
    stdout: str = ""
    stderr: str = ""


async def run_agent(words: Sequence[str], environment: Mapping[str, str], time_limit: float) -> AgentRun:
    """Run an agent, and end everything in its process group when it has ended, or when this is canceled.

    Args:
        words: the program's path and its arguments.
        environment: its environment variables.
        time_limit: after this many seconds it is ended.
    """
    started = time.monotonic()
    try:
        process = start_group(words, environment)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return AgentRun(time.monotonic() - started, None, f"cannot be started: {reason}")
    outputs = [OutputTail(cast(BinaryIO, stream)) for stream in (process.stdout, process.stderr)]
    status: int | None = None
    try:
        with anyio.move_on_after(time_limit):
            status = await wait_for_leader(process)
        seconds = time.monotonic() - started
    finally:
        await end_group(process)
    # In threads: a server that the agent has left behind can keep its output open while it waits for the sandbox.
    stdout, stderr = [await anyio.to_thread.run_sync(output.stop, _OUTPUT_SECONDS) for output in outputs]
    return AgentRun(seconds, status, _problem(status, time_limit), status is None, stdout, stderr)


def _problem(status: int | None, time_limit: float) -> str:
    if status is None:
        return f"did not end within {time_limit:g} seconds"
    if status < 0:
        return f"was ended by signal {-status} ({_signal_name(-status)})"
    return f"ended with status {status}" if status else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
