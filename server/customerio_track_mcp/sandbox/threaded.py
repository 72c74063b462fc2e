"""A sandbox in a thread of its own, for programs and tests that are not asynchronous."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from customerio_track_mcp.sandbox.handle import SandboxHandle
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.server import RunningSandbox, run_sandbox

Value = TypeVar("Value")


class Sandbox(SandboxHandle):
    """A sandbox that runs while the block does.

        with Sandbox() as sandbox:
            sign_up(sandbox.url, sandbox.site_id, sandbox.api_key)
            assert [person.email for person in sandbox.people] == ["ann@example.com"]

    Args:
        port: the port to listen on, on loopback; 0 for any free port.
        region: the workspace's region, `us` or `eu`.
    """

    def __init__(self, *, port: int = 0, region: str = "us") -> None:
        self._port = port
        self._region = region
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._running: RunningSandbox | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            running = stack.enter_context(
                portal.wrap_async_context_manager(run_sandbox(port=self._port, region=self._region))
            )
            self._portal, self._running, self.url = portal, running, running.url
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._portal = self._running = None
        self._stack.close()

    def _run(self, action: Callable[[SandboxParts], Value]) -> Value:
        if self._portal is None or self._running is None:
            raise RuntimeError("the sandbox does not run: use it inside its with block")
        return self._portal.call(self._running.run, action)
