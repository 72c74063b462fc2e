"""Several processes behind one listening socket, each of them the same command.

Uvicorn's own supervisor fixes the server class and passes no signal on but SIGTERM, once; ours leaves draining to the
workers, and ends with an exit status that says whether that went well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from subprocess import PIPE

import anyio
from anyio.abc import Process

from customerio_track_mcp.signals import stop_signals

logger = logging.getLogger(__name__)

READY = b"ready\n"
"""What a worker writes to its standard output once it answers."""

_SECONDS_BEFORE_RESTART = 1.0


class Workers:
    """Keeps a number of worker processes alive.

    Args:
        command: starts a worker.
        number: of workers.
        environment: the workers' environment.
        descriptor: of the listening socket, which they inherit.
        ended: told the process id of each worker that has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        number: int,
        environment: Mapping[str, str],
        descriptor: int,
        ended: Callable[[int], None],
    ) -> None:
        self._command = command
        self._number = number
        self._environment = environment
        self._descriptor = descriptor
        self._ended = ended
        self._running: set[Process] = set()
        self._stopping = False
        self._status = 0

    async def run(self, ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT has ended the workers, or one of them can't start.

        Args:
            ready: called once every worker has answered for the first time.

        Returns:
            The exit status: that of the worker that can't start; 1 where a worker had to be ended by force; else 0.
        """
        async with anyio.create_task_group() as tasks:
            started = [anyio.Event() for _ in range(self._number)]
            tasks.start_soon(self._pass_signals_on)
            async with anyio.create_task_group() as workers:
                for event in started:
                    workers.start_soon(self._keep_alive, event)
                for event in started:
                    await event.wait()
                if not self._stopping:
                    ready()
            tasks.cancel_scope.cancel()
        return self._status

    async def _keep_alive(self, started: anyio.Event) -> None:
        while not self._stopping:
            # Standard input tells the worker, by its end, that this process is gone.
            process = await anyio.open_process(
                self._command, stdin=PIPE, stdout=PIPE, stderr=None, env=self._environment, pass_fds=[self._descriptor]
            )
            self._running.add(process)
            try:
                if self._stopping:
                    process.terminate()
                answered = await self._watch(process, started)
            finally:
                self._running.discard(process)
                self._ended(process.pid)
            if self._stopping:
                self._status = self._status or int(answered and process.returncode != 0)
            elif not started.is_set():
                self._status = process.returncode or 1
                self._stop()
            else:
                logger.error("a worker died; another takes its place", extra={"status": process.returncode})
                await anyio.sleep(_SECONDS_BEFORE_RESTART)
        started.set()

    @staticmethod
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

    async def _pass_signals_on(self) -> None:
        with stop_signals() as next_signal:
            while True:
                await next_signal()
                self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for process in self._running:
            if process.returncode is None:
                process.terminate()
