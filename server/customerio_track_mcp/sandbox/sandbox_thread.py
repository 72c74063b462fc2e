"""The thread of a sandbox: how it starts, ends, and runs the actions of other threads; what a forked process may do."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from threading import Lock, Thread
from typing import Final, TypeVar

from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.server import RunningSandbox

# Not the program's own choice: uvloop 0.23 loses the beginning of TLS handshakes.
if sys.platform == "win32":
    from asyncio import ProactorEventLoop as AsyncioLoop
else:
    from asyncio import SelectorEventLoop as AsyncioLoop

Value = TypeVar("Value")

THREAD_NAME: Final = "customerio-sandbox"


class NotRunningError(RuntimeError):
    """The sandbox has not been started, or has been stopped."""

    def __init__(self) -> None:
        super().__init__("the sandbox is not running: use it inside its with block")


class _EventLoop(AsyncioLoop):
    """An event loop whose clock goes on in a test that stops `time.monotonic`, as freezegun does."""

    _clock = staticmethod(time.monotonic)

    def time(self) -> float:
        return self._clock()


class SandboxThread:
    """A thread that runs a sandbox until it is stopped, or the program ends.

    Args:
        context: runs the sandbox.
    """

    def __init__(self, context: AbstractAsyncContextManager[RunningSandbox]) -> None:
        self._context = context
        self._process = os.getpid()
        self._thread = Thread(target=self._serve, name=THREAD_NAME, daemon=True)
        self._started: Future[RunningSandbox] = Future()
        self._lock = Lock()
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event
        self._error: BaseException | None = None

    def start(self) -> RunningSandbox:
        """Start the thread, and return the sandbox when it accepts requests. Errors are those of the context."""
        atexit.register(self.stop)
        try:
            self._thread.start()
            return self._started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the sandbox and the thread. In a fork of the process, this does nothing."""
        if self._is_elsewhere():
            return
        atexit.unregister(self.stop)
        with self._lock:
            if self._loop is not None and not self._is_stopping:
                self._loop.call_soon_threadsafe(self._stop.set)
            self._is_stopping = True
        if self._thread.is_alive():
            self._thread.join()
        if self._error is not None:
            raise self._error

    def run(self, action: Callable[[SandboxParts], Value]) -> Value:
        """Run an action with the parts of the sandbox in its event loop, and return what it returns.

        Raises:
            RuntimeError: the sandbox has been stopped, or this is a fork of its process.
        """
        if self._is_elsewhere():
            raise RuntimeError("the sandbox runs in the parent process: read and control it there; url works here too")
        result: Future[Value] = Future()

        def run() -> None:
            try:
                result.set_result(self._started.result().run(action))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                result.set_exception(error)

        with self._lock:  # what is scheduled after the stop might never run
            if self._loop is None or self._is_stopping:
                raise NotRunningError
            self._loop.call_soon_threadsafe(run)
        return result.result()

    def _is_elsewhere(self) -> bool:
        """Return whether this is a fork of the process, which has a copy of the sandbox, but not its thread."""
        return self._process != os.getpid()

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_EventLoop) as runner:
                runner.run(self._run_sandbox())
        except BaseException as error:  # noqa: BLE001 - the program gets it
            if self._started.done():
                self._error = error
            else:
                self._started.set_exception(error)

    async def _run_sandbox(self) -> None:
        async with self._context as sandbox:
            self._stop = asyncio.Event()
            with self._lock:
                self._loop = asyncio.get_running_loop()
                if self._is_stopping:  # Ctrl+C while it started
                    return
            self._started.set_result(sandbox)
            await self._stop.wait()
