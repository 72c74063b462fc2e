"""Ending on SIGTERM and SIGINT, the two ways in which a host, an operator or a container ends a process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import anyio


async def on_stop_signal(act: Callable[[], object]) -> None:
    """Call `act` at each SIGTERM or SIGINT, until cancelled. On Windows, whose loops have no signals, do nothing."""
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            act()
