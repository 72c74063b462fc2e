"""Wait for a condition by polling."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

import anyio


async def wait_until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    """Wait until `condition` is true.

    Args:
        condition: called every 10 ms; may be async.
        seconds: how long to wait.

    Raises:
        TimeoutError: the condition was not true in time.
    """
    with anyio.fail_after(seconds):
        while not await _evaluate(condition):  # noqa: ASYNC110 - the condition has no event to wait for
            await anyio.sleep(0.01)


async def _evaluate(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    value = condition()
    return await value if inspect.isawaitable(value) else value
