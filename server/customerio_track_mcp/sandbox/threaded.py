"""A sandbox in a thread of its own, for programs and tests that are not asynchronous."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self, TypeVar

from customerio_track_mcp.sandbox.handle import SandboxHandle
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.sandbox_thread import NotRunningError, SandboxThread
from customerio_track_mcp.sandbox.server import RunningSandbox, run_sandbox

Value = TypeVar("Value")

_HOST: Final = "127.0.0.1"


class _Session(NamedTuple):
    """A started sandbox, and its thread."""

    sandbox: RunningSandbox
    thread: SandboxThread


class Sandbox(SandboxHandle):
    """A sandbox on loopback that runs while the block does.

        with Sandbox() as sandbox:
            sign_up(sandbox.url, sandbox.site_id, sandbox.api_key)
            assert [person.email for person in sandbox.people] == ["ann@example.com"]

    Inside the block, any number of threads may use it. In a coroutine, its methods block for less than a
    millisecond, as long as it contains little; `run_sandbox` runs one in the coroutine's own event loop. A fork of the
    process can send requests to `url`, but not read or control the sandbox: that raises RuntimeError. The same object
    can be started again after its block, and is then empty, unless it has a data file.

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
        if not self._in_use.acquire(blocking=False):
            raise RuntimeError("this sandbox is running already: create another one")
        try:
            thread = SandboxThread(
                run_sandbox(host=_HOST, port=self._port, region=self._region, tls=self._tls, data=self._data)
            )
            self._session = _Session(thread.start(), thread)
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
            session.thread.stop()
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
            raise NotRunningError
        return self._session

    def _run(self, action: Callable[[SandboxParts], Value]) -> Value:
        return self._running().thread.run(action)
