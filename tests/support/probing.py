"""A control that records whether results were delivered, in place of the server's own.

As a program, this is the command `customerio-track-mcp` with that control; it prints a line to stderr per event.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Receipt


class ProbingControl:
    """Registers each event twice, and nothing else.

    Args:
        on_settled: called with an event's name and whether its result was delivered.

    Attributes:
        started: set when an event has been registered.
        go: no event is sent before it is set.
    """

    def __init__(self, on_settled: Callable[[str, bool], None]) -> None:
        self._on_settled = on_settled
        self.started = anyio.Event()
        self.go = anyio.Event()

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Register a call and send it."""
        if write.event_name:
            for _ in range(2):
                call.delivery.when_settled(partial(self._on_settled, write.event_name))
            self.started.set()
            await self.go.wait()
        return await proceed(write, call)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let servers that start in this process use this control only."""
        monkeypatch.setattr("customerio_track_mcp.runtime.ToolHandlers", self._create_handlers)

    def _create_handlers(self, *arguments: Any, **options: Any) -> ToolHandlers:
        given = inspect.signature(ToolHandlers).bind(*arguments, **options)
        given.arguments["controls"] = [self]
        return ToolHandlers(*given.args, **given.kwargs)


def _report(name: str, delivered: bool) -> None:
    sys.stderr.write(f"settled {name} {delivered}\n")
    sys.stderr.flush()


def _main() -> int:
    from customerio_track_mcp.cli.main import main

    control = ProbingControl(_report)
    control.go.set()
    with pytest.MonkeyPatch.context() as monkeypatch:
        control.use(monkeypatch)
        return main()


if __name__ == "__main__":
    sys.exit(_main())
