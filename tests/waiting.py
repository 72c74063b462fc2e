"""Waiting for something that sends no word when it has come."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

import anyio


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    """Return once `condition` holds; fail if it does not within `seconds`."""
    with anyio.fail_after(seconds):
        while not await _holds(condition):  # noqa: ASYNC110 - what is waited for has no event
            await anyio.sleep(0.01)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    holds = condition()
    return await holds if inspect.isawaitable(holds) else holds
