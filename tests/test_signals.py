"""SIGTERM and SIGINT; tests/integration/test_shutdown.py sends them to the command."""

from __future__ import annotations

import os
import signal
import sys

import anyio
import pytest

from customerio_track_mcp.signals import stop_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="event loops have no signals there")


async def test_handlers_are_restored() -> None:
    """Otherwise a second SIGTERM, while a server closes what it has open, would end it with another status."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with stop_signals() as next_signal:
            os.kill(os.getpid(), signal.SIGTERM)
            with anyio.fail_after(20):
                await next_signal()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
