"""Start a sandbox on the port of one that has stopped, so that calls and the open page go on."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from customerio_track_mcp.cli.sandbox_identity import NoSandboxError, sandbox_version

_SECONDS_BETWEEN_LOOKS: Final = 0.5
"""Less than a call waits in all between its attempts, so that none fails in the meantime."""

StartSandbox = Callable[[], AbstractAsyncContextManager[object]]
"""Starts a sandbox on the port, or raises `OSError` if that is in use."""


@asynccontextmanager
async def taking_over(
    host: str, port: int, start: StartSandbox, on_takeover: Callable[[], None]
) -> AsyncIterator[None]:
    """Start a sandbox as soon as nobody listens on the port, and stop it when the block ends.

    Of several processes that wait, the one that listens first has it; the others go on waiting.

    Args:
        host: the address of the port.
        port: the port.
        start: starts the sandbox.
        on_takeover: called when it runs.
    """
    task = asyncio.create_task(_take_over(host, port, start, on_takeover))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _take_over(host: str, port: int, start: StartSandbox, on_takeover: Callable[[], None]) -> None:
    async with AsyncExitStack() as stack:
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            if not _can_be_bound(host, port) or await _answers(f"http://{host}:{port}"):
                continue
            try:
                await stack.enter_async_context(start())
                break
            except OSError:
                continue  # another process was first, or there are no descriptors for now
        on_takeover()
        await asyncio.Event().wait()  # until this task is canceled


def _can_be_bound(host: str, port: int) -> bool:
    """Return whether a socket can be bound to the port: a cheap test, which does not disturb who listens there."""
    with socket.socket() as probe:
        if os.name == "posix":  # as asyncio does; on Windows the option has another meaning
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _answers(url: str) -> bool:
    """Return whether a sandbox answers although its port can be bound: on macOS, one that listens on every address."""
    try:
        await sandbox_version(url)
    except NoSandboxError:
        return False
    return True
