"""Ending on SIGTERM and SIGINT, the two ways in which a host, an operator or a container ends a process."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio


@contextmanager
def stop_signals() -> Iterator[Callable[[], Awaitable[object]]]:
    """Catch SIGTERM and SIGINT; what is yielded waits for the next one.

    On Windows, whose loops have no signals, none is caught and the wait has no end.
    """
    if sys.platform == "win32":
        yield anyio.sleep_forever
    else:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            yield signals.__anext__


async def signals() -> AsyncIterator[None]:
    """Each SIGTERM or SIGINT, as it comes."""
    with stop_signals() as next_signal:
        while True:
            await next_signal()
            yield


async def on_stop_signal(act: Callable[[], object]) -> None:
    """Call `act` at each SIGTERM or SIGINT, until cancelled."""
    async for _ in signals():
        act()
