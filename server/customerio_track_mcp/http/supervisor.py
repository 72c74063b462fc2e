"""Several worker processes behind one listening socket.

uvicorn's own supervisor fixes the server class and stops its workers with a single signal. This one leaves draining to
the workers, which receive signals from it alone: a terminal and some service managers signal every process of a group,
and a worker would count the same signal twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import Process

from customerio_track_mcp.signals import stop_signals

logger = logging.getLogger("customerio_track_mcp.http")

_ALIVE: Final = b"."
_BEATS: Final = 4
"""Heartbeats of a worker within its timeout."""
_SIGNAL: Final = b"."
_RESTART_DELAY: Final = 1.0


class Supervisor:
    """Keeps a number of worker processes alive.

    Args:
        command: starts a worker.
        workers: the number of workers.
        environment: the workers' environment.
        listener: the listening socket, which they inherit.
        drain_seconds: how long after a signal workers still accept connections.
        stop_seconds: how long after a signal a worker may live.
        worker_timeout: how many seconds a worker may live without a heartbeat once it was ready.
        on_exit: called with the process id of each worker that has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        environment: Mapping[str, str],
        listener: socket.socket,
        *,
        drain_seconds: float,
        stop_seconds: float,
        worker_timeout: float,
        on_exit: Callable[[int], None],
    ) -> None:
        self._command = command
        self._workers = workers
        self._environment = environment
        self._listener = listener
        self._drain_seconds = drain_seconds
        self._stop_seconds = stop_seconds
        self._worker_timeout = worker_timeout
        self._on_exit = on_exit
        self._running: set[Process] = set()
        self._silent: dict[Process, int] = {}
        """How often each worker that was ready has been found without a new heartbeat."""
        self._hung: set[Process] = set()
        self._stopping = anyio.Event()
        self._status = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT has ended the workers, or one of them cannot start.

        Args:
            on_ready: called once every worker answers requests.

        Returns:
            The exit status: that of a worker that could not start; 1 if one failed while stopping; else 0.
        """
        async with anyio.create_task_group() as tasks:
            started = [anyio.Event() for _ in range(self._workers)]
            tasks.start_soon(self._forward_signals)
            tasks.start_soon(self._close_listener)
            tasks.start_soon(self._kill_after_timeout)
            tasks.start_soon(self._kill_hung)
            async with anyio.create_task_group() as workers:
                for event in started:
                    workers.start_soon(self._keep_alive, event)
                for event in started:
                    await event.wait()
                if not self._stopping.is_set():
                    on_ready()
            tasks.cancel_scope.cancel()
        return self._status

    async def _keep_alive(self, started: anyio.Event) -> None:
        try:
            while not self._stopping.is_set():
                await self._run_once(started)
                with anyio.move_on_after(_RESTART_DELAY):
                    await self._stopping.wait()
        finally:
            started.set()

    async def _run_once(self, started: anyio.Event) -> None:
        """Start a worker and wait for its end."""
        try:
            process = await anyio.open_process(
                self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=None,
                env=self._environment,
                pass_fds=[self._listener.fileno()],
                # Out of the group that a terminal signals, even while it starts.
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
            was_ready = await self._watch(process, started)
            is_hung = process in self._hung
        finally:
            self._running.discard(process)
            self._silent.pop(process, None)
            self._hung.discard(process)
            self._on_exit(process.pid)
        status = process.returncode or 0
        if self._stopping.is_set():
            self._status = self._status or int(was_ready and status != 0)
        elif is_hung:
            logger.error("a worker hung; another takes its place", extra={"seconds": self._worker_timeout})
        elif started.is_set():
            logger.error("a worker died; another takes its place", extra={"status": status})
        elif status in (-signal.SIGTERM, -signal.SIGINT):
            # A service manager may signal every process of the service; this worker did not ignore signals yet.
            await self._give_up(0)
        else:
            logger.error("a worker can't start", extra={"status": status})
            # 128 + the signal's number, as in a shell.
            await self._give_up(128 - status if status < 0 else status or 1)

    async def _watch(self, process: Process, started: anyio.Event) -> bool:
        """Wait for a worker's end; return whether it was ready before."""
        was_ready = False
        async with process:
            if process.stdout is not None:
                async for _ in process.stdout:
                    was_ready = True
                    self._silent[process] = 0
                    started.set()
            await process.wait()
        return was_ready

    async def _kill_hung(self) -> None:
        """Kill workers whose event loop does not run, until a signal arrives: `_kill_after_timeout` follows.

        The time is counted in steps. However long a machine or a container was suspended, it counts as one of them.
        """
        while not self._stopping.is_set():
            await anyio.sleep(self._worker_timeout / _BEATS)
            for process in list(self._silent):
                self._silent[process] += 1
                if self._silent[process] > _BEATS and not self._stopping.is_set():
                    self._hung.add(process)
                    process.kill()

    async def _give_up(self, status: int) -> None:
        self._status = status
        await self._signal_all()

    async def _forward_signals(self) -> None:
        """Forward two signals, of which the second ends the calls in flight. A third one kills the workers."""
        with stop_signals() as next_signal:
            for _ in range(2):
                await next_signal()
                await self._signal_all()
            await next_signal()
            self._kill_all()

    async def _kill_after_timeout(self) -> None:
        await self._stopping.wait()
        await anyio.sleep(self._stop_seconds)
        self._kill_all()

    def _kill_all(self) -> None:
        for process in list(self._running):
            process.kill()

    async def _signal_all(self) -> None:
        self._stopping.set()
        for process in list(self._running):
            if process.stdin is not None:
                with anyio.move_on_after(1):
                    try:
                        await process.stdin.send(_SIGNAL)
                    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                        continue

    async def _close_listener(self) -> None:
        """Close the supervisor's own copy of the socket: else the system accepts connections that nobody serves."""
        await self._stopping.wait()
        await anyio.sleep(self._drain_seconds)
        self._listener.close()


def notify_supervisor(worker_timeout: float) -> None:
    """In a worker: report that it answers requests, and from now on that its event loop runs.

    Args:
        worker_timeout: the supervisor's, in seconds.
    """
    # If nobody reads them, as when the supervisor is suspended, they must not block the worker.
    os.set_blocking(sys.stdout.fileno(), False)
    loop = asyncio.get_running_loop()

    def beat() -> None:
        with suppress(OSError):
            os.write(sys.stdout.fileno(), _ALIVE)
        loop.call_later(worker_timeout / _BEATS, beat)

    beat()


async def signals_from_supervisor() -> AsyncIterator[None]:
    """In a worker: yield for each signal that the supervisor received, and once more if the supervisor is gone."""
    while True:
        await anyio.wait_readable(sys.stdin.fileno())
        received = os.read(sys.stdin.fileno(), 16)
        for _ in received or _SIGNAL:
            yield
        if not received:
            return
