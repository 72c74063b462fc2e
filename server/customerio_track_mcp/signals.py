"""SIGTERM and SIGINT, with which a host, an operator or a container stops a process."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import anyio


@contextmanager
def stop_signals(*, hangup: bool = False) -> Iterator[Callable[[], Awaitable[signal.Signals]]]:
    """Catch SIGTERM and SIGINT in this block; yields a function that waits for the next one, and returns it.

    After the block they do what they did before. On Windows, whose event loops have no signals, none is caught and the
    wait never ends.

    Args:
        hangup: whether to catch SIGHUP, too, with which a terminal closes; not if it is ignored, as with nohup.
    """
    if sys.platform == "win32":
        yield _never
    else:
        numbers = [signal.SIGTERM, signal.SIGINT]
        if hangup and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in numbers}
        try:
            with anyio.open_signal_receiver(*before) as signals:
                yield signals.__anext__
        finally:
            # asyncio leaves Python's handlers behind.
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)


async def _never() -> NoReturn:
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


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
