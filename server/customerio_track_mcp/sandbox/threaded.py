"""A sandbox in a thread of its own, for programs and tests that are not asynchronous."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self, TypeVar

from customerio_track_mcp.sandbox.handle import SandboxHandle
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.server import RunningSandbox, run_sandbox

# Not the program's own choice: uvloop 0.23 loses the beginning of TLS handshakes.
if sys.platform == "win32":
    from asyncio import ProactorEventLoop as EventLoop
else:
    from asyncio import SelectorEventLoop as EventLoop

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Value = TypeVar("Value")

_HOST: Final = "127.0.0.1"


class _Session(NamedTuple):
    """A started sandbox: how to reach its event loop, itself, and what stops it."""

    portal: BlockingPortal
    sandbox: RunningSandbox
    stack: ExitStack


class Sandbox(SandboxHandle):
    """A sandbox on loopback that runs while the block does.

        with Sandbox() as sandbox:
            sign_up(sandbox.url, sandbox.site_id, sandbox.api_key)
            assert [person.email for person in sandbox.people] == ["ann@example.com"]

    Inside the block, any number of threads may use it. In a coroutine, its methods block for less than a
    millisecond, as long as it contains little; `run_sandbox` runs one in the coroutine's own event loop. The same
    object can be started again after its block, and is then empty, unless it has a data file.

    Args:
        port: the port to listen on; 0 for any free port.
        region: the workspace's region.
        tls: whether to serve https, with a certificate made on the spot; clients must trust `ca_file`.
        data: the file to keep the state in; None keeps it in memory only.
    """

    def __init__(
        self,
        port: int = 0,
        region: Literal["us", "eu"] = "us",
        *,
        tls: bool = False,
        data: str | os.PathLike[str] | None = None,
    ) -> None:
        self._port = port
        self._region = region
        self._tls = tls
        self._data = None if data is None else Path(data)
        self._in_use = Lock()
        self._session: _Session | None = None

    def __enter__(self) -> Self:
        """Start it, and return it when it accepts requests.

        Raises:
            OSError: it cannot listen on the port.
            DataFileError: the file cannot be opened, or is not a valid data file.
            ValueError: the port or the region is invalid.
            RuntimeError: it is running already.
        """
        from anyio.from_thread import start_blocking_portal  # programs that use `run_sandbox` alone do not need it

        if not self._in_use.acquire(blocking=False):
            raise RuntimeError("this sandbox is running already: create another one")
        try:
            with ExitStack() as stack:
                portal = stack.enter_context(
                    start_blocking_portal(name="customerio-sandbox", backend_options={"loop_factory": EventLoop})
                )
                sandbox = stack.enter_context(
                    portal.wrap_async_context_manager(
                        run_sandbox(host=_HOST, port=self._port, region=self._region, tls=self._tls, data=self._data)
                    )
                )
                self._session = _Session(portal, sandbox, stack.pop_all())
        except OSError as error:
            raise OSError(error.errno, self._why_not_listening(error)) from None
        finally:
            if self._session is None:
                self._in_use.release()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and delete `ca_file`. Connections that are open are closed."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.stack.close()
        finally:
            self._in_use.release()

    @property
    def url(self) -> str:  # noqa: D102 - inherited
        return self._running().sandbox.url

    @property
    def ca_file(self) -> Path | None:  # noqa: D102 - inherited
        return self._running().sandbox.ca_file

    def _why_not_listening(self, error: OSError) -> str:
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = "; pass port=0 for any free port" if self._port else ""
        return f"the sandbox cannot listen on {_HOST} port {self._port}: {reason}{advice}"

    def _running(self) -> _Session:
        if self._session is None:
            raise _not_running()
        return self._session

    def _run(self, action: Callable[[SandboxParts], Value]) -> Value:
        session = self._running()
        try:
            future: Future[Value] = session.portal.start_task_soon(session.sandbox.run, action)
        except RuntimeError:  # another thread has just ended the block
            raise _not_running() from None
        return future.result()


def _not_running() -> RuntimeError:
    return RuntimeError("the sandbox is not running: use it inside its with block")
