"""Several processes behind one listening socket, each of them the same command.

Uvicorn's own supervisor fixes the server class and ends its workers by one signal. Ours leaves draining to the workers,
which hear of signals from it alone: a terminal and some service managers signal every process of a group, and a worker
would take the same wish for two.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import Process

from customerio_track_mcp.signals import stop_signals

logger = logging.getLogger("customerio_track_mcp.http")

_READY: Final = b"ready\n"
_SIGNAL: Final = b"."
_SECONDS_BEFORE_RESTART: Final = 1.0


class Workers:
    """Keeps a number of worker processes alive.

    Args:
        command: starts a worker.
        number: of workers.
        environment: the workers' environment.
        listener: the listening socket, which they inherit.
        seconds_to_drain: how long after a signal workers go on accepting.
        seconds_to_end: how long after a signal a worker may live.
        ended: told the process id of each worker that has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        number: int,
        environment: Mapping[str, str],
        listener: socket.socket,
        *,
        seconds_to_drain: float,
        seconds_to_end: float,
        ended: Callable[[int], None],
    ) -> None:
        self._command = command
        self._number = number
        self._environment = environment
        self._listener = listener
        self._seconds_to_drain = seconds_to_drain
        self._seconds_to_end = seconds_to_end
        self._ended = ended
        self._running: set[Process] = set()
        self._stopping = anyio.Event()
        self._status = 0

    async def run(self, ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT has ended the workers, or one of them can't start.

        Args:
            ready: called once every worker answers.

        Returns:
            The exit status: that of a worker that could not start; 1 where one failed at its end; else 0.
        """
        async with anyio.create_task_group() as tasks:
            started = [anyio.Event() for _ in range(self._number)]
            tasks.start_soon(self._pass_signals_on)
            tasks.start_soon(self._stop_accepting)
            tasks.start_soon(self._end_in_time)
            async with anyio.create_task_group() as workers:
                for event in started:
                    workers.start_soon(self._keep_alive, event)
                for event in started:
                    await event.wait()
                if not self._stopping.is_set():
                    ready()
            tasks.cancel_scope.cancel()
        return self._status

    async def _keep_alive(self, started: anyio.Event) -> None:
        try:
            while not self._stopping.is_set():
                await self._live_once(started)
                with anyio.move_on_after(_SECONDS_BEFORE_RESTART):
                    await self._stopping.wait()
        finally:
            started.set()

    async def _live_once(self, started: anyio.Event) -> None:
        """Start a worker and see it to its end."""
        try:
            process = await anyio.open_process(
                self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=None,
                env=self._environment,
                pass_fds=[self._listener.fileno()],
                # Out of the group that a terminal signals: the worker is told by us, and even while it starts.
                start_new_session=True,
            )
        except OSError as error:
            logger.error("a worker can't be started", extra={"error": type(error).__name__})  # noqa: TRY400
            if not started.is_set():
                await self._give_up(1)
            return
        self._running.add(process)
        try:
            if self._stopping.is_set():
                process.kill()
            answered = await _watch(process, started)
        finally:
            self._running.discard(process)
            self._ended(process.pid)
        status = process.returncode or 0
        if self._stopping.is_set():
            self._status = self._status or int(answered and status != 0)
        elif started.is_set():
            logger.error("a worker died; another takes its place", extra={"status": status})
        else:
            logger.error("a worker can't start", extra={"status": status})
            # As a shell tells the status of what a signal ended.
            await self._give_up(128 - status if status < 0 else status or 1)

    async def _give_up(self, status: int) -> None:
        self._status = status
        await self._tell_all()

    async def _pass_signals_on(self) -> None:
        """Hand on two signals: the second ends the calls. A third one ends everything."""
        with stop_signals() as next_signal:
            for _ in range(2):
                await next_signal()
                await self._tell_all()
            await next_signal()
            self._kill_all()

    async def _end_in_time(self) -> None:
        await self._stopping.wait()
        await anyio.sleep(self._seconds_to_end)
        self._kill_all()

    def _kill_all(self) -> None:
        for process in list(self._running):
            process.kill()

    async def _tell_all(self) -> None:
        self._stopping.set()
        for process in list(self._running):
            if process.stdin is not None:
                with anyio.move_on_after(1):
                    try:
                        await process.stdin.send(_SIGNAL)
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        continue

    async def _stop_accepting(self) -> None:
        """Close our own hold of the socket too: or the system would go on accepting, with nobody to answer."""
        await self._stopping.wait()
        await anyio.sleep(self._seconds_to_drain)
        self._listener.close()


async def _watch(process: Process, started: anyio.Event) -> bool:
    """Wait for a worker's end; tells whether it had answered before."""
    answered = False
    async with process:
        if process.stdout is not None:
            async for _ in process.stdout:
                answered = True
                started.set()
        await process.wait()
    return answered


def tell_supervisor() -> None:
    """From a worker: it answers now."""
    os.write(sys.stdout.fileno(), _READY)


async def signals_of_supervisor() -> AsyncIterator[None]:
    """To a worker: each signal that the supervisor was sent, and one more should the supervisor be gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        await anyio.wait_readable(sys.stdin.fileno())
        told = os.read(sys.stdin.fileno(), 16)
        for _ in told or _SIGNAL:
            yield
        if not told:
            return
