"""SIGTERM and SIGINT, with which a host, an operator or a container stops a process."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio


@contextmanager
def stop_signals() -> Iterator[Callable[[], Awaitable[object]]]:
    """Catch SIGTERM and SIGINT in this block; yields a function that waits for the next one.

    After the block they do what they did before. On Windows, whose event loops have no signals, none is caught and the
    wait never ends.
    """
    if sys.platform == "win32":
        yield anyio.sleep_forever
    else:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with anyio.open_signal_receiver(*before) as signals:
                yield signals.__anext__
        finally:
            # asyncio leaves Python's handlers behind.
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)


async def signals() -> AsyncIterator[None]:
    """Yield at each SIGTERM or SIGINT."""
    with stop_signals() as next_signal:
        while True:
            await next_signal()
            yield


async def on_stop_signal(act: Callable[[], object]) -> None:
    """Call `act` at each SIGTERM or SIGINT, until canceled."""
    async for _ in signals():
        act()
