"""An agent's process and everything that it starts, unless that leaves its process group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio

TERMINATION_SECONDS: Final = 3.0
"""Time from SIGTERM to SIGKILL."""
_KILL_SECONDS: Final = 1.0
"""Time for the kernel to remove what was killed."""
_POLL_SECONDS: Final = 0.02


def start_group(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a process group of its own, without input.

    Args:
        words: the program's path and its arguments.
        environment: its environment variables.

    Raises:
        OSError: it cannot be started.
        ValueError: an argument contains a null character.
    """
    new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows only
    return subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        bufsize=0,
        start_new_session=True,
        creationflags=new_group,
    )


async def wait_for_leader(process: subprocess.Popen[bytes]) -> int:
    """Wait until the leader exits; return its exit status, or the negative number of the signal that ended it."""
    while (status := process.poll()) is None:  # noqa: ASYNC110 - a thread could not be canceled
        await anyio.sleep(_POLL_SECONDS)
    return status


async def end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group: SIGTERM, and SIGKILL after `TERMINATION_SECONDS`. It cannot be canceled."""
    with anyio.CancelScope(shield=True):
        if sys.platform == "win32":
            await _end_tree(process)
            return
        for number, seconds in ((signal.SIGTERM, TERMINATION_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            if not _signal(process, number):
                return
            with anyio.move_on_after(seconds):
                while _signal(process, 0):  # noqa: ASYNC110 - nothing reports the end of a group
                    await anyio.sleep(_POLL_SECONDS)
                return
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the group; return whether there is a process in it."""
    process.poll()  # a leader that nobody has waited for remains in its group
    # macOS reports processes that nobody has waited for as not permitted.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)  # type: ignore[attr-defined,unused-ignore]
        return True
    return False


async def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process of Windows and its descendants. Those of a leader that has ended cannot be found."""
    if process.poll() is None:
        taskkill = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        await anyio.run_process([str(taskkill), "/T", "/F", "/PID", str(process.pid)], check=False)
        await wait_for_leader(process)
